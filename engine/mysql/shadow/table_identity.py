"""Whether a table is still the one that is being copied, and triggers of ours on it are still the same: no trigger tells, nor
does the log of what a session keeps out of it.

TRUNCATE, a rebuild and an exchange of partitions fire none, but give InnoDB's table another number, which the server tells to
accounts with the PROCESS privilege. Triggers that were dropped and made again have missed what was written in between.
"""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from engine.mysql.flavour import Flavour
from engine.mysql.innodb_names import table_pattern
from engine.mysql.link import Link
from engine.mysql.trouble import NO_PRIVILEGE, ServerRefused

_TRIGGERS = """
    SELECT TRIGGER_NAME, ACTION_TIMING, EVENT_MANIPULATION, ACTION_STATEMENT, CREATED
      FROM information_schema.TRIGGERS WHERE EVENT_OBJECT_SCHEMA = %s AND EVENT_OBJECT_TABLE = %s
     ORDER BY TRIGGER_NAME
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableIdentity:
    """What was seen of a table."""

    triggers: tuple[str, ...]  # all that are on it, with their bodies and when they were made
    numbers: tuple[str, ...]  # InnoDB's, of each partition; empty: the server does not tell

    def differs(self, now: "TableIdentity") -> str:
        """What happened to the table since, in the words of a person; empty: nothing that shows."""
        if self.triggers != now.triggers:
            return "got other triggers"
        if self.numbers and now.numbers and self.numbers != now.numbers:
            return "was truncated or rebuilt"
        return ""

    def to_json(self) -> dict[str, Any]:
        """Plain lists; `from_json` reads it back."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The identity that `to_json` wrote."""
        return cls(triggers=tuple(data["triggers"]), numbers=tuple(data["numbers"]))


def identity_of(link: Link, flavour: Flavour, schema: str, table: str) -> TableIdentity:
    """Look at the table. It may be locked by *link*."""
    triggers = tuple(" ".join(map(str, row)) for row in link.rows(_TRIGGERS, schema, table))
    return TableIdentity(triggers=triggers, numbers=numbers_of(link, flavour, schema, table))


def numbers_of(link: Link, flavour: Flavour, schema: str, table: str) -> tuple[str, ...]:
    """Those of InnoDB, of the table as it is now; whoever has it locked is not waited for.

    With a name beyond ASCII those of tables whose names differ in such letters alone come along.
    """
    name = table_pattern(schema, table)
    try:
        rows = link.rows(
            "SELECT NAME, TABLE_ID, @@lower_case_table_names "
            f"FROM information_schema.{flavour.innodb_view('tables')} WHERE NAME REGEXP %s",
            name,
        )
    except ServerRefused as error:
        if error.code not in NO_PRIVILEGE:  # PROCESS
            raise
        return ()
    # The server compares these names without case.
    return tuple(
        sorted(
            f"{found} {number}"
            for found, number, any_case in rows
            if re.search(name, str(found), re.IGNORECASE if int(any_case) else 0)
        )
    )
