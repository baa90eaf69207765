"""The two tables of a copy, and the statements that fill the one from the other. Values never leave the server.

No statement here uses an alias: under LOCK TABLES an alias would need a lock of its own.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from engine.errors import Refused
from engine.mysql.found_again import bent
from engine.mysql.names import names_of
from engine.mysql.quoting import quote_name, quote_names, quote_table
from engine.mysql.shadow.keys import Literals, RowKey, compared_alike, lots, matching_key, row_key
from engine.mysql.spec import Copy, Step
from engine.mysql.tables import MOST_CODES, Column, Index, Table, cuts_spaces

FILLING = {
    # Strict, so that a lossy value is told of; but historic zero and odd dates must survive.
    "sql_mode": "STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES",
    "foreign_key_checks": 0,  # there are none; saves the look
    "innodb_lock_wait_timeout": 1,  # meanwhile the application waits for the rows that we have locked already
}
"""Settings of the connections that write to a shadow."""
_LOCKED = " LOCK IN SHARE MODE"
"""Reads a row once nobody is changing it, and holds it; without it, rows are read as they were committed when reading began."""
_AT_ONCE = " /*!80000 FOR SHARE NOWAIT */ /*M!100600 LOCK IN SHARE MODE NOWAIT */"
"""The same without waiting for anybody: each vendor reads its own comment."""


def locked(rows: int) -> str:
    """The clause that locks so many rows. Whoever holds some must not wait for the next: others wait for those."""
    return _LOCKED if rows == 1 else _AT_ONCE


_TEXTS = frozenset({"text", "binary"})
_SHOWN = frozenset({"whole", "decimal", "real", "year"})
"""Kinds of numbers that have a text of their own; the text of a BIT is its bytes."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What is copied from where to where. It has no slots: what all of its statements begin with is put together once."""

    schema: str
    copy: Copy
    old: Table
    new: Table
    key: RowKey
    new_key: RowKey
    fresh_uniques: tuple[str, ...]
    """Unique indexes of the shadow that the source does not guarantee: two rows may be in each other's way there for good."""

    @property
    def source(self) -> str:
        """Quoted, with its schema."""
        return quote_table(self.schema, self.copy.source)

    @property
    def shadow(self) -> str:
        """Quoted, with its schema."""
        return quote_table(self.schema, names_of(self.copy.source).shadow)

    @property
    def pairs(self) -> list[tuple[Column, Column]]:
        """(of the shadow, of the source), for every column that is copied."""
        found = [(self.new.column(new), self.old.column(old)) for new, old in self.copy.columns]
        return [(new, old) for new, old in found if new is not None and old is not None]

    def lots(self, keys: Sequence[Literals], most: int) -> Iterator[Sequence[Literals]]:
        """*keys* in lots that take at most so many bytes of a statement, on either side."""
        return lots(keys, lambda key: max(self.key.size(key), self.new_key.size(key)), most)

    def copy_range(self, where: str, *, holding: bool) -> str:
        """Copies rows that are not there yet. *holding*: them, unless one of them is being changed."""
        return f"INSERT IGNORE {self._rows(where)}{_AT_ONCE if holding else ''}"

    def take_out(self, keys: Sequence[Literals]) -> str:
        """Deletes the rows of *keys* from the shadow."""
        # The form with USING takes an index hint; a scan would meet the locks of everybody else.
        return f"DELETE FROM {self.shadow} USING {self.shadow} {self.new_key.hint} WHERE {self.new_key.among(keys)}"

    def put_in(self, keys: Sequence[Literals]) -> str:
        """Copies the rows of *keys* as they are now.

        What is in the way in a unique index that the source has, too, is stale, and its own key waits: it may be replaced.
        """
        verb = "INSERT" if self.fresh_uniques else "REPLACE"
        return f"{verb} {self._rows(self.key.among(keys))}{locked(len(keys))}"

    def _rows(self, where: str) -> str:
        return f"{self._all_rows} WHERE {where}"

    @cached_property
    def _all_rows(self) -> str:
        values = ", ".join(self._values.values())
        return f"INTO {self.shadow} ({quote_names(self._values)}) SELECT {values} FROM {self.source} {self.key.hint}"

    @cached_property
    def _values(self) -> dict[str, str]:
        """What each column of the shadow gets of a row."""
        copied = {new.lower() for new, _ in self.copy.columns}
        stored = {new.name: _as_stored(old, new) for new, old in self.pairs}
        given = {
            # The first member by its number: its text may be no UTF-8.
            column.name: "1" if column.data_type == "enum" else column.implicit_default
            for column in self.new.columns
            if _needs_value(column, copied)
        }
        return {new: stored.get(new, quote_name(old)) for new, old in self.copy.columns} | given

    @cached_property
    def values_digest(self) -> str:
        """Of what the shadow gets of a row."""
        return hashlib.sha256(json.dumps(self._values).encode()).hexdigest()[:32]

    def stores_as(self, values_digest: str) -> bool:
        """Whether a shadow that was begun with *values_digest* got the same; earlier releases noted none, and copied values as
        they are.
        """
        if values_digest:
            return values_digest == self.values_digest
        return not any(_is_stored_otherwise(old, new) for new, old in self.pairs)


def shape_of(step: Step, old: Table, new: Table) -> Shape:
    """The shape of an online copy whose shadow stands. Refused when rows could not be found on both sides."""
    copy = step.copy
    assert copy is not None
    names = dict(zip((name.lower() for name in copy.key), copy.new_key, strict=True))
    key = row_key(old, copy.key)
    if any(column.codes.stop > MOST_CODES for column in key.columns):
        raise Refused(f"{old.name}: its rows cannot be found in order by {', '.join(key.names)}: plan again")
    new_key = matching_key(new, key, names)
    # Plans of earlier releases may have such a key.
    if bent(list(zip(key.columns, new_key.columns, strict=True))):
        raise Refused(
            f"{old.name}: the values of {', '.join(key.names)}, by which rows are found, read otherwise in the copy: plan again"
        )
    # A row that became 'A' would be found for the old key 'a', and put in beside the copy of 'A'; or that taken out for it.
    exact = not compared_alike(key, new_key)
    return Shape(
        schema=step.schema,
        copy=copy,
        old=old,
        new=new,
        key=replace(key, exact=exact, cut=_cut(key, new_key)),
        new_key=replace(new_key, exact=exact),
        fresh_uniques=tuple(index.name for index in new.indexes if _is_fresh(index, copy, old, new)),
    )


def _cut(key: RowKey, new_key: RowKey) -> tuple[str, ...]:
    """Columns of *key* whose texts may lose spaces in the shadow."""
    pairs = zip(key.columns, new_key.columns, strict=True)
    return tuple(old.name for old, new in pairs if cuts_spaces(old, new))


def _needs_value(column: Column, copied: set[str]) -> bool:
    """A new column that must have a value and tells none: ALTER TABLE gives the implicit one, INSERT would refuse. *copied*: the
    columns that are not new, in lower case.
    """
    return (
        column.name.lower() not in copied
        and not (column.nullable or column.generated or column.auto_increment)
        and column.default is None
    )


def _is_stored_otherwise(old: Column, new: Column) -> bool:
    """Whether the shadow gets another value than that of the live column."""
    return _as_stored(old, new) != quote_name(old.name)


def _as_stored(old: Column, new: Column) -> str:
    """The value to copy. ALTER TABLE stores a number in a text as it is shown, an INSERT without the zeros in front (ZEROFILL, a
    YEAR of 0000) and at the end (DOUBLE(10,2)), and of a FLOAT all digits rather than six; ALTER TABLE rounds it for a BIT, and
    to the digits of a DOUBLE(10,2), which an INSERT of MySQL fills with whatever another one has. On MySQL it goes by a number's
    text for members and JSON, too, where an INSERT takes the member of that number, and no JSON; and rounds -0.01 to 0 first. On
    MariaDB it refuses a text of 1.5 or 1e3 for a whole number, where an INSERT takes 2 and 1000.
    """
    name, real = quote_name(old.name), old.kind == "real"
    if real and new.data_type == "bit":
        return f"CAST(ROUND({name}) AS DECIMAL(65))"  # of which it takes none that is too large
    if real and new.kind == "real" and new.figures:
        return f"{name} + 0"
    if old.scale and new.kind in ("whole", "bit", "year"):
        return _on_mysql("ROUND", name)
    if old.kind in _SHOWN and new.kind in ("members", "json"):
        return _on_mysql("CONCAT", name)
    if old.kind in _TEXTS and new.kind == "whole":
        return f"/*M! REGEXP_REPLACE(*/ {name} /*M! , '[.eE]', 'x') */"
    figures = old.data_type == "float" or (real and old.figures)
    shown_otherwise = "zerofill" in old.column_type or old.data_type == "year" or figures
    return f"CONCAT({name})" if shown_otherwise and new.kind in _TEXTS else name


def _on_mysql(function: str, name: str) -> str:
    """The value as it is for MariaDB, which does not read these comments."""
    return f"/*!80000 {function}(*/ {name} /*!80000 ) */"


def _is_fresh(index: Index, copy: Copy, old: Table, new: Table) -> bool:
    """Whether *index* forbids what the source allows."""
    if not index.unique:
        return False
    olds = {new_name.lower(): old_name.lower() for new_name, old_name in copy.columns}
    wanted = {(olds.get(part.column.lower()) if part.column else None, part.prefix) for part in index.parts}
    if (None, None) in wanted or any(not _same(olds, name, old, new) for name in index.columns):
        return True
    return not any(
        other.unique
        and all(part.column is not None for part in other.parts)
        and {(part.column.lower(), part.prefix) for part in other.parts if part.column} <= wanted
        for other in old.indexes
    )


def _same(olds: dict[str, str], name: str, old: Table, new: Table) -> bool:
    """Whether values of the column are equal in the shadow just when they are in the source."""
    before, after = old.column(olds.get(name.lower(), "")), new.column(name)
    if before is None or after is None:
        return False
    if before.kind == after.kind == "whole":
        return True
    return (before.data_type, before.collation) == (after.data_type, after.collation) and (
        before.collation is not None or before.column_type == after.column_type
    )
