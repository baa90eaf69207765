"""Says beforehand why the keys of changed rows could not be read from a server's binary log."""

from collections.abc import Iterable
from typing import Any

from engine.errors import EngineError
from engine.mysql.address import Address
from engine.mysql.binlog.dump import Dump, refusal, wanted_bytes
from engine.mysql.binlog.position import Position, end_of_log
from engine.mysql.flavour import Flavour, flavour_of
from engine.mysql.link import Link
from engine.mysql.trouble import ACCESS_DENIED, NO_PRIVILEGE, ServerRefused

_VARIABLES = ("log_bin", "binlog_format", "encrypt_binlog", "log_slave_updates", "log_replica_updates")


def obstacles(address: Address, schemas: Iterable[str]) -> list[str]:
    """Why not, one sentence each with what would help; none: the log of this server can be read for tables in *schemas*.

    Every row image will do for a primary key; with binlog_row_image MINIMAL another unique key ends in `KeyMissing`. Nobody can
    tell beforehand of sessions that write with another binlog_format or with sql_log_bin=0. Raises when the server is not there.
    """
    with Link(address) as link:
        flavour = flavour_of(link)
        names = ", ".join(f"'{name}'" for name in _VARIABLES)
        found = link.rows(f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({names})")
        settings = {str(name): str(value).upper() for name, value in found}
        if settings.get("log_bin") != "ON":
            return ["log_bin is OFF: the server keeps no binary log; start it with log_bin"]
        return _of_settings(link, flavour, settings) + _of_access(link, address, flavour, schemas)


def _of_settings(link: Link, flavour: Flavour, settings: dict[str, str]) -> list[str]:
    found = []
    if (wanted := settings.get("binlog_format", "ROW")) != "ROW":
        found.append(
            f"binlog_format is {wanted}: set it to ROW, and have the application connect anew: sessions keep what they began with"
        )
    if settings.get("encrypt_binlog") == "ON":
        found.append("encrypt_binlog is ON: encrypted binary logs are not read")
    passes_on = settings.get("log_replica_updates", settings.get("log_slave_updates", "ON"))
    if passes_on != "ON" and _is_replica(link, flavour):
        found.append(
            "the server is a replica that does not log what it receives: switch log_replica_updates (log_slave_updates) on, "
            "or name the primary as the target"
        )
    return found


def _is_replica(link: Link, flavour: Flavour) -> bool:
    try:
        return bool(link.raw_rows(flavour.replica_status))
    except ServerRefused:
        return False  # whoever may not see it is told of the missing privilege


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
