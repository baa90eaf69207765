"""Global transaction identifiers of both vendors: as the log has them, as text, and whether a server's history holds them."""

from uuid import UUID

from engine.mysql.binlog.events import U32, U64
from engine.mysql.flavour import Flavour
from engine.mysql.link import Link


def mysql_gtid(body: bytes) -> str:
    """Of a GTID event's body: `uuid:number`."""
    return f"{UUID(bytes=body[1:17])}:{U64(body, 17)[0]}"


def mariadb_gtid(body: bytes, server: int) -> str:
    """Of a GTID event's body and the event's server: `domain-server-number`."""
    return f"{U32(body, 8)[0]}-{server}-{U64(body, 0)[0]}"


def history_holds(link: Link, flavour: Flavour, gtid: str) -> bool:
    """Whether the server has all of *gtid* behind it; nothing is held by every server."""
    if not gtid:
        return True
    if not flavour.mariadb:
        return bool(link.value("SELECT GTID_SUBSET(%s, @@GLOBAL.gtid_executed)", gtid))
    reached: dict[str, int] = {}
    state = str(link.value("SELECT @@GLOBAL.gtid_binlog_state") or "")
    for domain, _, number in (one.strip().split("-") for one in state.split(",") if one.strip()):
        reached[domain] = max(reached.get(domain, 0), int(number))
    wanted = (one.strip().split("-") for one in gtid.split(","))
    return all(int(number) <= reached.get(domain, 0) for domain, _, number in wanted)
