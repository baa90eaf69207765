"""Ask the target within a time: a question about all rows of a table must not become a load of its own."""

import time
from dataclasses import dataclass, field

from engine.mysql.flavour import Flavour
from engine.mysql.link import Link, Row
from engine.mysql.trouble import ServerRefused, Trouble

QUESTION_SECONDS = 2.0
PLAN_SECONDS = 10.0  # for all questions of one plan
_TIME_IS_UP = frozenset({1317, 1969, 3024})


class Unanswered(Exception):
    """The question has no answer; the text says why."""


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
            raise Unanswered(str(error)) from error
