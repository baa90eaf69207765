"""Asks the server for sums over rows, the same over the source and over its shadow, and finds by them which rows differ."""

from collections.abc import Sequence
from typing import Any

from engine.mysql.copying.comparison import row_numbers
from engine.mysql.link import Link
from engine.mysql.shadow.keys import Literals, RowKey
from engine.mysql.shadow.shape import Shape

Sum = tuple[int, int]
"""How many rows, and the sum of their numbers."""


class Sums:
    """Of one pair of tables; each call on a link of the caller's."""

    def __init__(self, shape: Shape) -> None:
        self._shape = shape
        self._old_number, self._new_number = row_numbers(shape)
        self._told_alike = all(
            (before.column_type, before.charset) == (after.column_type, after.charset)
            for before, after in zip(shape.key.columns, shape.new_key.columns, strict=True)
        )

    def differing(self, link: Link, keys: Sequence[Literals]) -> list[Literals]:
        """Which of *keys* differ; unless both tables are seen in one moment, a change between the two shows."""
        if not keys:
            return []
        if self.of_keys(link, keys, shadow=False) == self.of_keys(link, keys, shadow=True):
            return []
        if len(keys) == 1:
            return list(keys)
        if self._told_alike:
            ours, theirs = (self._numbers(link, keys, shadow=shadow) for shadow in (False, True))
            return [key for key in keys if ours.get(key) != theirs.get(key)]
        middle = len(keys) // 2
        return [*self.differing(link, keys[:middle]), *self.differing(link, keys[middle:])]

    def of_key(self, link: Link, key: Literals, *, shadow: bool, lock: str = "") -> Sum:
        """Of one row."""
        found = self._shape.new_key if shadow else self._shape.key
        return self.where(link, found.among([key]), shadow=shadow, lock=lock)

    def of_keys(self, link: Link, keys: Sequence[Literals], *, shadow: bool) -> Sum:
        """Of these keys, in as many statements as it takes."""
        _, key, _ = self._side(shadow=shadow)
        rows = number = 0
        for some in self._shape.lots(keys, link.list_bytes):
            found, sum_ = self.where(link, key.among(some), shadow=shadow)
            rows, number = rows + found, number + sum_
        return rows, number

    def where(self, link: Link, where: str, *, shadow: bool, lock: str = "") -> Sum:
        """Of the rows of a condition.

        By BIT_XOR two rows that differ in the same way would hide each other: how a CRC differs depends on the difference only.
        """
        table, key, number = self._side(shadow=shadow)
        row = link.row(
            f"SELECT COUNT(*), COALESCE(SUM({number}), 0) FROM {table} {key.hint} WHERE {where}{lock}"
        )
        return (0, 0) if row is None else (int(row[0]), int(row[1]))

    def _numbers(
        self, link: Link, keys: Sequence[Literals], *, shadow: bool
    ) -> dict[Literals, tuple[Any, ...]]:
        """The number of each row that is there."""
        table, key, number = self._side(shadow=shadow)
        places = len(key.columns)
        found = {}
        for some in self._shape.lots(keys, link.list_bytes):
            for row in link.rows(
                f"SELECT {key.select_list}, {number} FROM {table} {key.hint} WHERE {key.among(some)}"
            ):
                found[tuple(map(str, row[:places]))] = row[places:]
        return found

    def keys(self, link: Link, where: str, *, shadow: bool) -> set[Literals]:
        """The keys of the rows of a condition, as the source tells them."""
        table, key, _ = self._side(shadow=shadow)
        selected = key.select_list_for(self._shape.key)
        return {
            tuple(map(str, row))
            for row in link.rows(f"SELECT {selected} FROM {table} {key.hint} WHERE {where}")
        }

    def _side(self, *, shadow: bool) -> tuple[str, RowKey, str]:
        shape = self._shape
        if shadow:
            return shape.shadow, shape.new_key, self._new_number
        return shape.source, shape.key, self._old_number
