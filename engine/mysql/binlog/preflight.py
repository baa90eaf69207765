"""Says beforehand why the keys of changed rows could not be read from a server's binary log."""

from collections.abc import Iterable
from typing import Any

from engine.errors import EngineError
from engine.mysql.address import Address
from engine.mysql.binlog.dump import Dump, refusal, wanted_bytes
from engine.mysql.binlog.position import Position, end_of_log
from engine.mysql.flavour import Flavour, flavour_of
from engine.mysql.link import Link
from engine.mysql.log_settings import log_obstacles
from engine.mysql.trouble import ACCESS_DENIED, NO_PRIVILEGE, ServerRefused


def obstacles(address: Address, schemas: Iterable[str]) -> list[str]:
    """Why not, one sentence each with what would help; none: the log of this server can be read for tables in *schemas*.

    Every row image will do for a primary key; with binlog_row_image MINIMAL another unique key ends in `KeyMissing`. Nobody can
    tell beforehand of sessions that write with another binlog_format or with sql_log_bin=0. Raises when the server is not there.
    """
    with Link(address) as link:
        flavour = flavour_of(link)
        found = log_obstacles(link, flavour)
        return (
            found + _of_access(link, address, flavour, schemas) if link.value("SELECT @@log_bin") else found
        )


def _of_access(link: Link, address: Address, flavour: Flavour, schemas: Iterable[str]) -> list[str]:
    try:
        status = link.named(flavour.binlog_status)
        link.rows("SHOW BINARY LOGS")
    except ServerRefused as error:
        if error.code not in NO_PRIVILEGE:
            raise
        wanted = "BINLOG MONITOR" if flavour.mariadb else "REPLICATION CLIENT"
        return [f"the user may not see the state of the binary log: GRANT {wanted} ON *.* TO this user"]
    return _of_filters(status[0], schemas) + _of_stream(address, end_of_log(link, flavour))


def _of_filters(status: dict[str, Any], schemas: Iterable[str]) -> list[str]:
    only, without = (
        {name.strip() for name in str(status.get(column) or "").split(",") if name.strip()}
        for column in ("binlog_do_db", "binlog_ignore_db")
    )
    return [
        f"changes in the schema {schema} are kept out of the binary log by binlog_do_db or binlog_ignore_db"
        for schema in schemas
        if (only and schema not in only) or schema in without
    ]


def _of_stream(address: Address, end: Position) -> list[str]:
    """Ask for the stream itself: the server's answer is the only sure word on what the user may."""
    dump = Dump(address, end)
    try:
        packet = dump.read(5)
        packet += dump.read(wanted_bytes(packet) - len(packet)) if wanted_bytes(packet) > len(packet) else b""
    finally:
        dump.close()
    error = refusal(packet)
    return [] if error is None else [_denied(error)]


def _denied(error: EngineError) -> str:
    if getattr(error, "code", 0) in NO_PRIVILEGE | {ACCESS_DENIED}:
        return "the user may not read the binary log: GRANT REPLICATION SLAVE ON *.* TO this user"
    return f"the server does not send its binary log: {error}"
