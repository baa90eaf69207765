"""A place in a server's binary log between two transactions."""

from dataclasses import asdict, dataclass
from typing import Any, Self

from engine.errors import Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """After `offset` bytes of `file`. Plain data: `to_json` goes into a checkpoint, `from_json` reads it back.

    `gtid` and `birth` say whose history it is, so that a restored server or another one is noticed; both may be unknown.
    """

    file: str
    offset: int
    gtid: str = ""  # of transactions before it: a GTID set of MySQL, a list of MariaDB's GTIDs
    birth: int = 0  # seconds since 1970: when the server began the file

    @property
    def order(self) -> tuple[int, int]:
        """What positions of one server are compared by: binlog.1000000 comes after binlog.999999."""
        number = self.file.rpartition(".")[2]
        if not number.isdigit():
            raise Refused(f"{self.file!r} is not the name of a binary log file: it must end with a number")
        return (int(number), self.offset)

    def reaches(self, other: "Position") -> bool:
        """Whether everything before *other* is also before this."""
        return self.order >= other.order

    def to_json(self) -> dict[str, Any]:
        """Strings and numbers."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """What `to_json` made."""
        return cls(
            file=str(data["file"]),
            offset=int(data["offset"]),
            gtid=str(data.get("gtid", "")),
            birth=int(data.get("birth", 0)),
        )

    def __str__(self) -> str:
        return f"{self.file}:{self.offset}"
