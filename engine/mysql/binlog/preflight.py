"""Asks a server for its binary log beforehand: its answer is the only sure word on what the account may."""

from engine.errors import EngineError
from engine.mysql.address import Address
from engine.mysql.binlog.dump import Dump, refusal, wanted_bytes
from engine.mysql.binlog.position import Position, end_of_log
from engine.mysql.flavour import flavour_of
from engine.mysql.link import Link
from engine.mysql.problems import Problem
from engine.mysql.trouble import ACCESS_DENIED, NO_PRIVILEGE, ServerRefused


def obstacles(address: Address) -> tuple[Problem, ...]:
    """Why the log of a server that keeps one cannot be read; none: it can.

    Nobody can tell beforehand of sessions that write with another binlog_format or binlog_row_image than new ones do, or with
    sql_log_bin=0. Raises when the server is not there.
    """
    with Link(address) as link:
        flavour = flavour_of(link)
        try:
            link.rows("SHOW BINARY LOGS")
            end = end_of_log(link, flavour)
        except ServerRefused as error:
            if error.code not in NO_PRIVILEGE:
                raise
            wanted = "BINLOG MONITOR" if flavour.mariadb else "REPLICATION CLIENT"
            return (
                Problem(
                    what="the user may not see the state of the binary log",
                    remedy=f"GRANT {wanted} ON *.* TO this user",
                ),
            )
    return _of_stream(address, end)


def _of_stream(address: Address, end: Position) -> tuple[Problem, ...]:
    dump = Dump(address, end)
    try:
        packet = dump.read(5)
        packet += dump.read(wanted_bytes(packet) - len(packet)) if wanted_bytes(packet) > len(packet) else b""
    finally:
        dump.close()
    error = refusal(packet)
    return () if error is None else (_denied(error),)


def _denied(error: EngineError) -> Problem:
    if getattr(error, "code", 0) in NO_PRIVILEGE | {ACCESS_DENIED}:
        return Problem(
            what="the user may not read the binary log", remedy="GRANT REPLICATION SLAVE ON *.* TO this user"
        )
    return Problem(what=f"the server does not send its binary log: {error}")
