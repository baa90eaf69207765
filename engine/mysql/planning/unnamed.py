"""Foreign keys and CHECKs that the files give no name: what is live already keeps the name that it has there.

The server numbers such constraints in their order. Of two the second would get the name of the first where that one goes, and all
behind it would be dropped and made again.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import count
from typing import TypeVar

from engine.lexer import MYSQL, significant
from engine.mysql.flavour import Flavour
from engine.mysql.names import CHECK_MARK, KEY_MARK
from engine.mysql.planning.rewriting import with_constraints
from engine.mysql.tables import Check, ForeignKey, Table

Constraint = TypeVar("Constraint", ForeignKey, Check)


def with_live_names(table: Table, now: Table, text: str, flavour: Flavour) -> Table:
    """*table* with the names that the live one (*now*, perhaps under another name) has for the same constraints.

    *text*: what the files say of the table; a name that they give stays.
    """
    if table.text == now.text:
        return table
    said = _names_said(text)
    before, after = (
        ("CONSTRAINT_",) * 2 if flavour.mariadb else (now.name + CHECK_MARK, table.name + CHECK_MARK)
    )
    keys = _Names(now.name + KEY_MARK, table.name + KEY_MARK, said)
    return with_constraints(
        table,
        keys.kept(table.foreign_keys, now.foreign_keys),
        _Names(before, after, said).kept(table.checks, now.checks),
    )


def _names_said(text: str) -> set[str]:
    """The names of constraints in statements, in lower case. MariaDB takes one behind FOREIGN KEY for the key's, too."""
    found = significant(text, MYSQL)
    return {
        two.name.lower()
        for before, one, two in zip([None, *found], found, found[1:], strict=False)
        if one.word == "CONSTRAINT" or (before and (before.word, one.word) == ("FOREIGN", "KEY"))
    }


class _Names:
    """Those of one kind that the server gives: a prefix and a number. The prefix follows the table's name."""

    def __init__(self, before: str, after: str, said: set[str]) -> None:
        self._before = re.compile(rf"{re.escape(before)}(\d+)")
        self._after = re.compile(rf"{re.escape(after)}(\d+)")
        self._prefix = after
        self._said = said

    def kept(self, wanted: Sequence[Constraint], now: Sequence[Constraint]) -> list[Constraint]:
        """*wanted*, some by other names, in the order of these."""
        unnamed: list[Constraint] = [
            one for one in wanted if self._after.fullmatch(one.name) and one.name.lower() not in self._said
        ]
        named = {one.name.lower() for one in wanted if one not in unnamed}
        live: dict[str, str] = {
            self._prefix + given[1]: one.content for one in now if (given := self._before.fullmatch(one.name))
        }
        names = self._same(unnamed, {name: text for name, text in live.items() if name.lower() not in named})
        taken: set[str] = named | {name.lower() for name in names.values()}
        others = self._numbered({*taken, *map(str.lower, live), *(one.name.lower() for one in unnamed)})
        for one in unnamed:
            if one.name not in names:
                names[one.name] = next(others) if one.name.lower() in taken else one.name
        found = [one.named(names.get(one.name, one.name)) for one in wanted]
        return sorted(found, key=lambda one: (one.name.lower(), one.name))

    def _same(self, unnamed: Sequence[ForeignKey | Check], free: dict[str, str]) -> dict[str, str]:
        """Which of the *free* names (with what bears them) each has that is live; its own, if it can."""
        found: dict[str, str] = {}
        for one in sorted(unnamed, key=lambda one: free.get(one.name) != one.content):
            names = [name for name, content in free.items() if content == one.content]
            if names:
                found[one.name] = one.name if one.name in names else names[0]
                del free[found[one.name]]
        return found

    def _numbered(self, taken: set[str]) -> Iterator[str]:
        names = (f"{self._prefix}{number}" for number in count(1))
        return (name for name in names if name.lower() not in taken)
