"""Whether other servers follow this one: a long statement in place holds them up for as long as it took here."""

from dataclasses import dataclass

from engine.mysql.flavour import Flavour
from engine.mysql.link import Link
from engine.mysql.process_list import process_list
from engine.mysql.receiving import cluster_of
from engine.mysql.rights import rights_of
from engine.mysql.trouble import NO_PRIVILEGE, ServerRefused


@dataclass(frozen=True, slots=True, kw_only=True)
class Connected:
    """A replica as its source knows it."""

    server_id: int | None  # None: the source does not tell
    host: str  # "": the replica told none
    port: int | None  # None: the source does not tell


class Unseen(Exception):
    """The account may not see who replicates; the text says why."""


def followers(link: Link, flavour: Flavour, *, but: str = "") -> str:
    """Who would be held up, as a phrase ("2 replicas are connected"); empty when nobody is.

    What may not be asked is taken for a yes. *but*: a user whose reading of the binary log does not count, ourselves.
    """
    if cluster := cluster_of(link):
        return cluster
    if not link.value("SELECT @@log_bin"):
        return ""
    try:
        found = connected(link, flavour, but=but)
    except Unseen:
        return "this account may not see whether replicas are connected"
    # Not every reader of the binary log registers as a replica; without PROCESS none of these is seen.
    count = max(len(found), len(log_readers(link, but=but)))
    return f"{count} replica{' is' if count == 1 else 's are'} connected" if count else ""


def connected(link: Link, flavour: Flavour, *, but: str) -> list[Connected]:
    """Who replicates from the server just now, *but* those of a user, ourselves. Unseen: the account may not see that.

    MariaDB lists replicas only to those who may do much else: then whatever reads the log is taken for one.
    """
    try:
        rows = link.named("SHOW SLAVE HOSTS" if flavour.mariadb else "SHOW REPLICAS")
    except ServerRefused as error:
        if error.code not in NO_PRIVILEGE:
            raise
        if rights_of(link, flavour).missing(("PROCESS",)):
            raise Unseen(f"this account may not see whether replicas follow: {error}") from error
        return [Connected(server_id=None, host=host, port=None) for host in log_readers(link, but=but)]
    return [
        Connected(server_id=int(row["server_id"]), host=str(row["host"] or ""), port=int(row["port"]))
        for row in rows
    ]


def log_readers(link: Link, *, but: str = "") -> list[str]:
    """The address of each that reads the binary log, *but* those of a user; without PROCESS only our own are seen."""
    return sorted(
        one.host.rpartition(":")[0] or one.host
        for one in process_list(link)
        if one.command.startswith("Binlog Dump") and one.user != but
    )
