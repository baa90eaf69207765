"""An open transaction on a connection: statements go in with named values, rows come out complete."""

from typing import Any

import apsw

from storage.lifecycle.statements import Row
from storage.sqlite.clock import TIMES, to_moment


class Transaction:
    """Runs statements; rows come back complete, so that none is left open at COMMIT."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection

    def rows(self, sql: str, **values: Any) -> list[Row]:
        """Run one statement and read all its rows."""
        try:
            return list(self._connection.execute(sql, values))
        except UnicodeEncodeError:
            # Half a surrogate pair in somebody's text must not cost a terminal write.
            return list(
                self._connection.execute(sql, {name: _printable(value) for name, value in values.items()})
            )

    def one(self, sql: str, **values: Any) -> Row | None:
        """The first row, or None."""
        found = self.rows(sql, **values)
        return found[0] if found else None

    def run(self, sql: str, **values: Any) -> int:
        """Run one statement; the number of rows it changed."""
        self.rows(sql, **values)
        return self._connection.changes()

    def script(self, sql: str) -> None:
        """Run several statements without values."""
        for _ in self._connection.execute(sql):
            pass


def named(cursor: apsw.Cursor, values: tuple[Any, ...]) -> Row:
    """A row as a dict, its times as datetimes: apsw's row trace."""
    return {
        column[0]: to_moment(value) if column[0] in TIMES and value is not None else value
        for column, value in zip(cursor.get_description(), values, strict=True)
    }


def _printable(value: Any) -> Any:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
