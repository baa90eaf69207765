"""Whether other servers follow this one: a long statement in place holds them up for as long as it took here."""

from engine.mysql.flavour import Flavour
from engine.mysql.link import Link
from engine.mysql.trouble import ServerRefused


def followers(link: Link, flavour: Flavour, *, but: str = "") -> str:
    """Who would be held up, as a phrase ("2 replicas are connected"); empty when nobody is.

    What may not be asked is taken for a yes. *but*: a user whose reading of the binary log does not count, ourselves.
    """
    if _asked(link, "SELECT @@wsrep_on"):
        return "the server is a node of a Galera cluster"
    members = _asked(link, "SELECT COUNT(*) FROM performance_schema.replication_group_members")
    if members and members > 1:
        return "the server is a member of a replication group"
    if not _asked(link, "SELECT @@log_bin"):
        return ""
    try:
        count = len(link.rows("SHOW SLAVE HOSTS" if flavour.mariadb else "SHOW REPLICAS"))
    except ServerRefused:
        return "this account may not see whether replicas are connected"
    # Not every reader of the binary log registers as a replica; without PROCESS none of these is seen.
    readers = _asked(
        link,
        "SELECT COUNT(*) FROM information_schema.processlist WHERE command LIKE 'Binlog Dump%%' AND user <> %s",
        but,
    )
    count = max(count, readers)
    return f"{count} replica{' is' if count == 1 else 's are'} connected" if count else ""


def _asked(link: Link, query: str, *args: str) -> int:
    """The number that *query* gives; 0 where this server does not know the thing asked for."""
    try:
        return int(link.value(query, *args) or 0)
    except ServerRefused:
        return 0
