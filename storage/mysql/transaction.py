"""An open transaction on a connection: statements go in with named values, rows come out complete."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import pymysql
from pymysql.connections import Connection
from pymysql.cursors import DictCursor

from storage.lifecycle.statements import Row
from storage.mysql.trouble import translate

Link: TypeAlias = "Connection[DictCursor]"


class Transaction:
    """Runs statements. Errors are ours: Undone, Lost, Duplicate, Unavailable, Refused, StoreError."""

    def __init__(self, link: Link, place: object) -> None:
        self._link = link
        self._place = place

    def rows(self, sql: str, **values: Any) -> list[Row]:
        """Run one statement and read all its rows."""
        with self._link.cursor() as cursor:
            self._execute(cursor, sql, values)
            return list(cursor.fetchall())

    def one(self, sql: str, **values: Any) -> Row | None:
        """The first row, or None."""
        found = self.rows(sql, **values)
        return found[0] if found else None

    def run(self, sql: str, **values: Any) -> int:
        """Run one statement; the number of rows it found to change."""
        with self._link.cursor() as cursor:
            return self._execute(cursor, sql, values)

    def insert(self, sql: str, **values: Any) -> int:
        """Add one row; its AUTO_INCREMENT id."""
        with self._link.cursor() as cursor:
            self._execute(cursor, sql, values)
            return int(cursor.lastrowid or 0)

    def insert_many(self, sql: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows, many in one statement."""
        with self._link.cursor() as cursor:
            try:
                cursor.executemany(sql, [_printable(row) for row in rows])
            except (pymysql.MySQLError, OSError) as exc:
                raise translate(exc, self._place) from exc

    def _execute(self, cursor: DictCursor, sql: str, values: Mapping[str, Any]) -> int:
        try:
            return cursor.execute(sql, _printable(values) if values else None)
        except (pymysql.MySQLError, OSError) as exc:
            raise translate(exc, self._place) from exc


def _printable(values: Mapping[str, Any]) -> dict[str, Any]:
    """Half a surrogate pair in somebody's text must not cost a terminal write."""
    return {
        name: value.encode("utf-8", "replace").decode()
        if isinstance(value, str) and not value.isascii()
        else value
        for name, value in values.items()
    }
