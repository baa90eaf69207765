"""Whether rows come to a server from others, in a cluster or by replication: they fire no triggers, and only some servers log
them.
"""

from engine.mysql.flavour import Flavour
from engine.mysql.link import Link
from engine.mysql.trouble import NO_PRIVILEGE, ServerRefused, Tolerated

NO_COPY_IN_GALERA = "it is on a node of a Galera cluster, and the cutover would keep all nodes from writing"
_RUNNING = (
    "SELECT VARIABLE_VALUE FROM information_schema.global_status WHERE VARIABLE_NAME = 'Slaves_running'"
)
_CONFIGURED = """
    SELECT @@performance_schema, COUNT(*) FROM performance_schema.replication_connection_configuration WHERE HOST <> ''
"""
_REPLICA = "the server is a replica"
UNSEEN = "this user may not see whether the server is a replica (GRANT REPLICATION CLIENT ON *.*)"
"""What `receives` says of a server that does not tell."""


def receives(link: Link, flavour: Flavour) -> str:
    """From whom, as a phrase ("the server is a replica"); empty: from nobody. What may not be asked is taken for a yes."""
    if cluster := cluster_of(link):
        return cluster
    with Tolerated(*NO_PRIVILEGE):
        return _replicates(link, flavour)
    return _receives_openly(link, flavour)


def cluster_of(link: Link) -> str:
    """Of which kind of cluster the server is one, as a phrase ("the server is a node of a Galera cluster"); empty: of none."""
    if in_galera_cluster(link):
        return "the server is a node of a Galera cluster"
    members = _asked(link, "SELECT COUNT(*) FROM performance_schema.replication_group_members")
    return "the server is a member of a replication group" if members > 1 else ""


def in_galera_cluster(link: Link) -> bool:
    """Whether the server is a node of one: definitions run there one after the other, on all nodes, and writes queue behind them.

    A RENAME that waits for a lock, as at the gate of MariaDB's cutover, keeps the whole cluster from writing, and what would give
    that lock back too. Percona XtraDB Cluster was not tried.
    """
    return bool(_asked(link, "SELECT @@wsrep_on"))


def _asked(link: Link, query: str) -> int:
    """The number that *query* gives; 0 where this server does not know the thing asked for."""
    try:
        return int(link.value(query) or 0)
    except ServerRefused:
        return 0


def _replicates(link: Link, flavour: Flavour) -> str:
    """From others; who was promoted without being told to forget its source is told how. ServerRefused: it does not say."""
    sources = link.named(flavour.replica_status)
    word = "slave" if flavour.mariadb else "replica"
    threads = (f"{word}_io_running", f"{word}_sql_running")
    if not sources or any(source[thread] != "No" for source in sources for thread in threads):
        return _REPLICA if sources else ""
    return f"{_REPLICA} that stands still (RESET {word.upper()} ALL if it is none any more)"


def _receives_openly(link: Link, flavour: Flavour) -> str:
    """The same by what fewer privileges see; MariaDB tells everybody, but not of replication that stands still."""
    if flavour.mariadb:
        return _REPLICA if int(link.value(_RUNNING)) else ""
    with Tolerated(*NO_PRIVILEGE):
        ((tells, sources),) = link.rows(_CONFIGURED)
        if tells:
            return _REPLICA if sources else ""
    return UNSEEN
