"""Asks the server for sums over rows, the same over the source and over its shadow, and finds by them which rows differ."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from engine.mysql.copying.comparison import row_numbers
from engine.mysql.link import Link
from engine.mysql.shadow.keys import Literals, RowKey
from engine.mysql.shadow.shape import Shape

Sum = tuple[int, int]
"""How many rows, and the sum of their numbers."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Side:
    """One of the two tables; each call on a link of the caller's."""

    shape: Shape
    table: str  # quoted, with its schema
    key: RowKey
    number: str  # the expression for that of a row

    def where(self, link: Link, where: str, *, lock: str = "") -> Sum:
        """Of the rows of a condition.

        By BIT_XOR two rows that differ in the same way would hide each other: how a CRC differs depends on the difference only.
        """
        row = link.row(
            f"SELECT COUNT(*), COALESCE(SUM({self.number}), 0) FROM {self.table} {self.key.hint} WHERE {where}{lock}"
        )
        return (0, 0) if row is None else (int(row[0]), int(row[1]))

    def of_key(self, link: Link, key: Literals, *, lock: str = "") -> Sum:
        """Of one row."""
        return self.where(link, self.key.among([key]), lock=lock)

    def of_keys(self, link: Link, keys: Sequence[Literals]) -> Sum:
        """Of these keys, in as many statements as it takes."""
        rows = number = 0
        for some in self.shape.lots(keys, link.list_bytes):
            found, sum_ = self.where(link, self.key.among(some))
            rows, number = rows + found, number + sum_
        return rows, number

    def numbers(self, link: Link, keys: Sequence[Literals]) -> dict[Literals, tuple[Any, ...]]:
        """The number of each row that is there, by its key as this table tells it."""
        places = len(self.key.columns)
        found = {}
        for some in self.shape.lots(keys, link.list_bytes):
            for row in link.rows(
                f"SELECT {self.key.select_list}, {self.number} FROM {self.table} {self.key.hint} WHERE {self.key.among(some)}"
            ):
                found[tuple(map(str, row[:places]))] = row[places:]
        return found

    def keys(self, link: Link, where: str) -> set[Literals]:
        """The keys of the rows of a condition, as the source tells them."""
        selected = self.key.select_list_for(self.shape.key)
        return {
            tuple(map(str, row))
            for row in link.rows(f"SELECT {selected} FROM {self.table} {self.key.hint} WHERE {where}")
        }


class Sums:
    """Of one pair of tables."""

    def __init__(self, shape: Shape) -> None:
        ours, theirs = row_numbers(shape)
        self.source = Side(shape=shape, table=shape.source, key=shape.key, number=ours)
        self.shadow = Side(shape=shape, table=shape.shadow, key=shape.new_key, number=theirs)
        self._told_alike = all(
            (before.column_type, before.charset) == (after.column_type, after.charset)
            for before, after in zip(shape.key.columns, shape.new_key.columns, strict=True)
        )

    def differing(self, link: Link, keys: Sequence[Literals]) -> list[Literals]:
        """Which of *keys* differ; unless both tables are seen in one moment, a change between the two shows."""
        if not keys:
            return []
        if self.source.of_keys(link, keys) == self.shadow.of_keys(link, keys):
            return []
        if len(keys) == 1:
            return list(keys)
        if self._told_alike:
            ours, theirs = self.source.numbers(link, keys), self.shadow.numbers(link, keys)
            return [key for key in keys if ours.get(key) != theirs.get(key)]
        middle = len(keys) // 2
        return [*self.differing(link, keys[:middle]), *self.differing(link, keys[middle:])]
