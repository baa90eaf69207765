"""What a server's settings say against reading from its binary log which rows change."""

from engine.mysql.flavour import Flavour
from engine.mysql.link import Link
from engine.mysql.receiving import receives

_VARIABLES = ("log_bin", "binlog_format", "encrypt_binlog", "log_slave_updates", "log_replica_updates")


def log_obstacles(link: Link, flavour: Flavour) -> list[str]:
    """One sentence for each, with what would help; none: nothing."""
    settings = _settings(link)
    if settings.get("log_bin") != "ON":
        return ["log_bin is OFF: the server keeps no binary log; start it with log_bin"]
    found = []
    if (wanted := settings.get("binlog_format", "ROW")) != "ROW":
        found.append(
            f"binlog_format is {wanted}: set it to ROW, and have the application connect anew: sessions keep what they began with"
        )
    if settings.get("encrypt_binlog") == "ON":
        found.append("encrypt_binlog is ON: encrypted binary logs are not read")
    if unlogged := unlogged_rows(link, flavour):
        found.append(unlogged)
    return found


def unlogged_rows(link: Link, flavour: Flavour) -> str:
    """Why rows may come by replication and not be in the binary log, with what would help; empty: none do."""
    settings = _settings(link)
    if settings.get("log_replica_updates", settings.get("log_slave_updates", "ON")) == "ON":
        return ""
    who = receives(link, flavour)
    return (
        who
        and f"{who}, and does not log what it receives: switch log_replica_updates (log_slave_updates) on, or name the primary "
        "as the target"
    )


def _settings(link: Link) -> dict[str, str]:
    names = ", ".join(f"'{name}'" for name in _VARIABLES)
    found = link.rows(f"SHOW GLOBAL VARIABLES WHERE Variable_name IN ({names})")
    return {str(name): str(value).upper() for name, value in found}
