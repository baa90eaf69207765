"""What a key reader is told to look for, and to whom it tells what it found."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from engine.mysql.binlog.position import Position
from engine.mysql.flavour import Flavour
from engine.mysql.link import Link
from engine.mysql.tables import OWN_KEY, Column, Table

TableName = tuple[str, str]
"""(schema, table)"""

Key = tuple[str, ...]
"""The values of a row's key as SQL literals, in the order of `Watched.key`: put them into the statement as they stand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """A table whose changed keys are wanted, as it stands when the reading begins: a change of its shape ends the reading."""

    schema: str
    table: str
    columns: int  # how many it has, generated and invisible ones too, and those of hashes
    key: tuple[tuple[int, Column], ...]  # (place among the columns, from 0; the column)
    any_case: bool = False  # names know no case on this server: its log may spell this one in another

    @property
    def name(self) -> TableName:
        """By which the reader speaks of it."""
        return (self.schema, self.table)


def watch(table: Table, key: Sequence[Column]) -> Watched:
    """Watch *table* by *key*: columns of its own, of types by which rows can be found (`engine.mysql.shadow.keys`)."""
    places = {column.name: place for place, column in enumerate(table.columns)}
    return Watched(
        schema=table.schema,
        table=table.name,
        columns=len(table.columns) + sum(index.hashed for index in table.indexes),
        key=tuple((places.get(column.name, 0), column) for column in key),
    )


def as_logged(link: Link, flavour: Flavour, watched: Watched) -> Watched:
    """*watched* as the log has it.

    MySQL puts a key of its own (OWN_KEY) among the columns of a table without one, at first before all others; the catalogue
    does not count it, as the files have none.
    """
    watched = replace(watched, any_case=flavour.any_case)
    names = link.rows(
        "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = %s AND TABLE_NAME = %s "
        "ORDER BY ORDINAL_POSITION",
        *watched.name,
    )
    places = {str(name).lower(): place for place, (name,) in enumerate(names)}
    if len(names) != watched.columns + 1 or OWN_KEY not in places:
        return watched
    key = tuple((places[column.name.lower()], column) for _, column in watched.key)
    return replace(watched, columns=len(names), key=key)


class Sink(Protocol):
    """Where the keys go. Called by the reader's thread only; what it raises ends the reading and comes out of the reader.

    For every transaction, `keys` is called with all keys it touched and later `committed` with a position at or after its end.
    Several transactions may come in one go, a huge one in many calls of `keys`. What the owner must know:

    * A delivered key may not be readable yet: the server sends a transaction before it makes it visible. Read the row with a
      locking read (LOCK IN SHARE MODE), which waits for it. The rows of XA PREPARE are delivered at PREPARE and stay locked until
      XA COMMIT, which may be days later: the locking read then ends with `Waited`; keep the key. No second delivery comes.
    * The same goes for what was prepared before the start of the reading: it is never delivered, but is locked. While there is
      such a transaction, every read that copies rows or finds the end of the key range has to be a locking one.
    * An UPDATE of the key delivers the old and the new one. Rolled back savepoints may deliver keys that did not change.
    """

    def keys(self, table: TableName, keys: Sequence[Key]) -> None:
        """These keys were inserted, updated or deleted; each may come more than once, in any order."""

    def committed(self, position: Position) -> None:
        """Every key of every transaction before *position* has been delivered: a checkpoint, once they are applied."""

    def full(self) -> bool:
        """Whether to hold back: the reader asks before it reads on, inside a packed transaction too, and soon again. Cheap."""
