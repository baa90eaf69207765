"""An open transaction on a connection: statements go in with named values, rows come out complete."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from pymysql.connections import Connection
from pymysql.cursors import DictCursor

from storage.errors import StoreError
from storage.lifecycle.statements import Row
from storage.mysql.trouble import OF_DRIVER, Duplicate, Lost, Undone, translate

Link: TypeAlias = "Connection[DictCursor]"

BETWEEN = ";\n"
"""Between the statements of one packet."""
PACKET = 1_000_000
"""How much waits at the most, in characters: servers take 16 MiB in a packet."""


class CommitUnknown(Lost):
    """The connection was lost before the answer to COMMIT came."""


class Transaction:
    """Runs statements. Errors are ours: Undone, Lost, Duplicate, Unavailable, Refused, StoreError.

    A round trip costs as much as a statement. So what need not be answered at once waits for the next statement that
    must, and goes to the server in one packet with it; the server stops at the first statement that fails.
    """

    def __init__(self, link: Link, place: object) -> None:
        self._link = link
        self._place = place
        self._cursor = link.cursor()
        self._waiting: list[str] = []
        self._unanswered = 0

    def later(self, sql: str, **values: Any) -> None:
        """Run one statement before the next one, COMMIT at the latest; what is wrong with it is told there.

        Only for rows that the transaction holds by an *answered* statement. A packet may reach the server long after we
        gave it up for lost: then the repetition waits for those rows, and so for what became of the packet.
        """
        text = self._text(sql, values)
        if sum(map(len, self._waiting)) + len(text) > PACKET:
            self.run("DO 0")
        self._waiting.append(text)

    def commit(self) -> None:
        """End the transaction. Raises CommitUnknown when the server may or may not have done it."""
        try:
            self.run("COMMIT")
        except Undone:
            raise
        except StoreError as exc:
            if self._unanswered > 1 and not isinstance(exc, Lost):
                raise  # the server refused a statement before COMMIT
            raise CommitUnknown(f"{exc}; whether the last write was committed is not known") from exc

    def rows(self, sql: str, **values: Any) -> list[Row]:
        """Run one statement and read all its rows."""
        self._execute(sql, values)
        return list(self._cursor.fetchall())

    def one(self, sql: str, **values: Any) -> Row | None:
        """The first row, or None."""
        found = self.rows(sql, **values)
        return found[0] if found else None

    def run(self, sql: str, **values: Any) -> int:
        """Run one statement; the number of rows it found to change."""
        self._execute(sql, values)
        return self._cursor.rowcount

    def insert(self, sql: str, **values: Any) -> int:
        """Add one row; its AUTO_INCREMENT id."""
        self._execute(sql, values)
        return int(self._cursor.lastrowid or 0)

    def _execute(self, sql: str, values: Mapping[str, Any]) -> None:
        """Send what waits and this statement; the cursor is left at the answer to this one, the last."""
        texts = [*self._waiting, self._text(sql, values)]
        self._waiting, self._unanswered = [], len(texts)
        try:
            self._cursor.execute(BETWEEN.join(texts))
            for self._unanswered in range(len(texts) - 1, 0, -1):
                self._cursor.nextset()
        except OF_DRIVER as exc:
            error = translate(exc, self._place)
            if self._unanswered > 1 and isinstance(error, Duplicate):
                raise StoreError(f"a statement that was not waited for: {error}") from exc
            raise error from exc

    def _text(self, sql: str, values: Mapping[str, Any]) -> str:
        """The statement with its values in it, escaped by the driver."""
        return (
            sql
            % {name: value if type(value) is int else self._escape(value) for name, value in values.items()}
            if values
            else sql
        )

    def _escape(self, value: Any) -> str:
        return str(self._link.escape(_printable(value)))


def _printable(value: Any) -> Any:
    """Half a surrogate pair in somebody's text must not cost a terminal write."""
    return (
        value.encode("utf-8", "replace").decode() if isinstance(value, str) and not value.isascii() else value
    )
