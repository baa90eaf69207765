"""What the connections of a server are at. The statements in it are told in whatever bytes somebody sent."""

from dataclasses import dataclass

from engine.mysql.link import Link


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One connection; what is no UTF-8 in a text is replaced."""

    id: int
    user: str  # "system user" for threads of replication
    host: str  # "name:port"
    command: str  # "Sleep", "Query", "Binlog Dump", …
    seconds: int  # since it is in its state
    state: str
    statement: str  # its begin, or all of it

    @property
    def idle(self) -> bool:
        """Whether it is at no statement. MariaDB calls one "Killed" that had none left to be ended."""
        return self.command in ("Sleep", "Killed") and not self.statement


def process_list(link: Link, *, whole: bool = False) -> list[Process]:
    """The connections that the account may see: all with PROCESS, else its own. *whole*: with all of each statement.

    Not by information_schema, which needs room for its answer, and which MySQL refuses (3854) as long as anybody's statement
    has bytes that are no UTF-8, whatever columns are asked for.
    """
    return [
        Process(
            id=int(row[0]),
            user=_text(row[1]),
            host=_text(row[2]),
            command=_text(row[4]),
            seconds=int(row[5] or 0),
            state=_text(row[6]),
            statement=_text(row[7]),
        )
        for row in link.raw_rows("SHOW FULL PROCESSLIST" if whole else "SHOW PROCESSLIST")
    ]


def _text(value: bytes | None) -> str:
    return (value or b"").decode("utf-8", "replace")
