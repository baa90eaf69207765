"""A place in a server's binary log between two transactions, and what the server says of it."""

from dataclasses import asdict, dataclass
from typing import Any, Self

from engine.errors import Refused
from engine.mysql.binlog.errors import PositionGone, PositionRewound
from engine.mysql.binlog.gtids import history_holds
from engine.mysql.flavour import Flavour, identity_of
from engine.mysql.link import Link


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """After `offset` bytes of `file`. Plain data: `to_json` goes into a checkpoint, `from_json` reads it back.

    `server`, `gtid` and `birth` say whose history it is, so that another or a restored server is noticed; each may be unknown.
    """

    file: str
    offset: int
    gtid: str = ""  # of transactions before it: a GTID set of MySQL, a list of MariaDB's GTIDs
    birth: int = 0  # seconds since 1970: when the server began the file
    server: str = ""  # its identity: a replica has its transactions, but at other places

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
            server=str(data.get("server", "")),
        )

    def __str__(self) -> str:
        return f"{self.file}:{self.offset}"


def end_of_log(link: Link, flavour: Flavour) -> Position:
    """The end of the server's binary log now. Refused when it keeps none."""
    rows = link.named(flavour.binlog_status)
    if not rows:
        raise Refused("the server keeps no binary log (log_bin is OFF)")
    gtid = (
        link.value("SELECT @@GLOBAL.gtid_binlog_pos")
        if flavour.mariadb
        else "".join(str(rows[0].get("executed_gtid_set") or "").split())
    )
    return Position(
        file=str(rows[0]["file"]),
        offset=int(rows[0]["position"]),
        gtid=str(gtid or ""),
        server=identity_of(link, flavour),
    )


def check_server(link: Link, flavour: Flavour, position: Position) -> None:
    """PositionRewound when *position* is one of another server's."""
    found = identity_of(link, flavour)
    if position.server not in ("", found):
        raise PositionRewound(
            f"another server answers at this address ({found}, not {position.server}): its binary log is another one"
        )


def check_position(link: Link, flavour: Flavour, position: Position) -> None:
    """PositionGone when the log does not reach back to *position*, PositionRewound when it does not reach up to it."""
    check_server(link, flavour, position)
    sizes = {str(row["log_name"]): int(row["file_size"]) for row in link.named("SHOW BINARY LOGS")}
    if position.file not in sizes:
        if sizes and max(Position(file=file, offset=0).order for file in sizes) < position.order:
            raise PositionRewound(
                f"the server's binary log ends before {position}: its history is another one"
            )
        raise PositionGone(f"the server no longer has its binary log at {position}: it was purged or reset")
    if position.offset > sizes[position.file]:
        raise PositionRewound(
            f"{position.file} ends at {sizes[position.file]}, before {position}: its history is another one"
        )
    if not history_holds(link, flavour, position.gtid):
        raise PositionRewound(
            f"the server does not know {position.gtid}, which was read at {position}: its history is another one"
        )
