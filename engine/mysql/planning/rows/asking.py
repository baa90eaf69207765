"""Ask the target within a time: a question about all rows of a table must not become a load of its own."""

import time
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

from engine.mysql.flavour import Flavour
from engine.mysql.link import DDL_SETTINGS, SETTINGS, Link, Row
from engine.mysql.tables import Table
from engine.mysql.trouble import INTERRUPTED, TOOK_TOO_LONG, ServerRefused, Trouble

QUESTION_SECONDS = 2.0
PLAN_SECONDS = 10.0  # for all questions of one plan
_TIME_IS_UP = TOOK_TOO_LONG | {INTERRUPTED}


class Unanswered(Exception):
    """The question has no answer; the text says why."""


class NotTaken(Unanswered):
    """The server refused it, in these words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """One plan's questions to the target. `deadline`, on time.monotonic, ends all of them."""

    link: Link
    flavour: Flavour
    seconds: float = QUESTION_SECONDS  # for one question
    deadline: float = field(default_factory=lambda: time.monotonic() + PLAN_SECONDS)

    def rows(self, query: str) -> list[Row]:
        """The rows of `SELECT <query>`. Unanswered when the time is up, or the server can not make sense of it."""
        left = min(self.seconds, self.deadline - time.monotonic())
        if left <= 0:
            raise Unanswered("the questions took too long")
        if self.flavour.mariadb:
            limited = f"SET STATEMENT max_statement_time = {left:.3f} FOR SELECT {query}"
        else:
            limited = f"SELECT /*+ MAX_EXECUTION_TIME({max(int(left * 1000), 1)}) */ {query}"
        try:
            return self.link.rows(limited)
        except (ServerRefused, Trouble) as error:
            if error.code in _TIME_IS_UP:
                raise Unanswered("table too large: it took too long") from error
            if isinstance(error, Trouble):
                raise
            raise NotTaken(error.said) from error

    def rows_elsewhere(self, query: str) -> list[Row]:
        """As `rows`, in the time zone that the server has for all."""
        zone = self.link.value("SELECT @@GLOBAL.time_zone")
        with self.link.having({"time_zone": zone}, {"time_zone": SETTINGS["time_zone"]}):
            return self.rows(query)

    def within(self, table: Table) -> AbstractContextManager[None]:
        """Texts have the character set and collation of *table* where they say none, as in its own expressions.

        A literal that is in none of these has to say its own (`in_utf8`). Answers come in the character set of the link.
        """
        ((was, answers),) = self.link.rows("SELECT @@collation_connection, @@character_set_results")
        collation = table.options.get("COLLATE")
        name, value = (
            ("collation_connection", collation)
            if collation
            else ("character_set_connection", table.options["CHARSET"])
        )
        return self.link.having(
            {name: value, "character_set_results": "utf8mb4"},
            {"collation_connection": was, "character_set_results": answers},
        )

    def kind(self, query: str) -> tuple[int, int]:
        """Type and character set of the one column of `SELECT <query>`, as the protocol numbers them. NotTaken."""
        try:
            return self.link.kinds(f"SELECT {query}")[0]
        except ServerRefused as error:
            raise NotTaken(error.said) from error

    def complaint(self, query: str) -> str:
        """What `SELECT <query>` is warned of in the sql_mode of a session that changes tables; empty: nothing. As `rows`."""
        with self.link.having({"sql_mode": DDL_SETTINGS["sql_mode"]}):
            self.rows(query)
            told = self.link.rows("SHOW WARNINGS") if self.link.warnings else []
        return next((str(text) for level, _, text in told if level != "Note"), "")
