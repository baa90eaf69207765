"""Whether a table is still the one that is being copied, and triggers of ours on it are still the same: no trigger tells, nor
does the log of what a session keeps out of it.

TRUNCATE, a rebuild and an exchange of partitions fire none, but give InnoDB's table another number, which the server tells to
accounts with the PROCESS privilege. Triggers that were dropped and made again have missed what was written in between.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

from engine.mysql.flavour import Flavour
from engine.mysql.innodb_names import table_pattern
from engine.mysql.link import Link
from engine.mysql.trouble import NO_PRIVILEGE, TOOK_TOO_LONG, Tolerated, Waited

LOOK_MILLISECONDS = 200
"""The application may be waiting for us meanwhile."""
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
        if other_numbers(self.numbers, now.numbers):
            return "was truncated or rebuilt"
        return ""

    def to_json(self) -> dict[str, Any]:
        """Plain lists; `from_json` reads it back."""
        return {"triggers": self.triggers, "seen": self.numbers}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The identity that `to_json` wrote; the numbers of earlier releases are not the same on MySQL."""
        return cls(triggers=tuple(data["triggers"]), numbers=tuple(data.get("seen", ())))


def other_numbers(before: Sequence[str], now: Sequence[str]) -> bool:
    """Whether `numbers_of` tells that it is not the same table any more."""
    return bool(before and now) and tuple(before) != tuple(now)


def identity_of(link: Link, flavour: Flavour, schema: str, table: str) -> TableIdentity:
    """Look at the table. It may be locked by *link*."""
    triggers = tuple(" ".join(map(str, row)) for row in link.rows(_TRIGGERS, schema, table))
    return TableIdentity(triggers=triggers, numbers=numbers_of(link, flavour, schema, table))


def numbers_of(link: Link, flavour: Flavour, schema: str, table: str) -> tuple[str, ...]:
    """Those of InnoDB, of the table as it is now; nobody is waited for who has this table locked, or waits to alter another.

    Empty: the server does not tell. Tables come along whose names differ from this one's in letters beyond ASCII alone, or look
    like those of its partitions.
    """
    with suppress(Waited), Tolerated(*NO_PRIVILEGE, *TOOK_TOO_LONG):  # PROCESS
        return (() if flavour.mariadb else _files(link, flavour, schema, table)) or _entries(
            link, flavour, schema, table
        )
    return ()


def _files(link: Link, flavour: Flavour, schema: str, table: str) -> tuple[str, ...]:
    """The numbers of its tablespaces; none where it shares one with other tables."""
    name = flavour.folded_sql
    whole, part, end = f"{schema}/{table}", f"{schema}/{table}#p#", f"{schema}/{table}#p$"
    rows = link.rows(
        "SELECT NAME, CAST(SPACE AS UNSIGNED) FROM information_schema.INNODB_TABLESPACES_BRIEF "
        f"WHERE NAME = {name} OR NAME >= {name} AND NAME < {name} ORDER BY NAME",
        *(whole, part, end),
    )
    return tuple(f"{found} {number}" for found, number in rows)


def _entries(link: Link, flavour: Flavour, schema: str, table: str) -> tuple[str, ...]:
    """The numbers of its entries in the dictionary. MySQL locks every table for a look at them, which does not come about while
    somebody waits to alter, or drop, any of them: then it is soon left.
    """
    name = table_pattern(schema, table)
    rows = link.rows(
        f"SELECT /*+ MAX_EXECUTION_TIME({LOOK_MILLISECONDS}) */ NAME, TABLE_ID "
        f"FROM information_schema.{flavour.innodb_view('tables')} WHERE NAME REGEXP %s",
        name,
    )
    # The server compares these names without case.
    return tuple(
        sorted(
            f"{found} {number}"
            for found, number in rows
            if re.search(name, str(found), re.IGNORECASE if flavour.any_case else 0)
        )
    )
