"""Whether rows come to a server by replication: they fire no triggers, and only some servers log them."""

from engine.mysql.flavour import Flavour
from engine.mysql.followers import cluster_of
from engine.mysql.link import Link
from engine.mysql.trouble import NO_PRIVILEGE, ServerRefused

_RUNNING = (
    "SELECT VARIABLE_VALUE FROM information_schema.global_status WHERE VARIABLE_NAME = 'Slaves_running'"
)
_CONFIGURED = """
    SELECT @@performance_schema, COUNT(*) FROM performance_schema.replication_connection_configuration WHERE HOST <> ''
"""
_REPLICA = "the server is a replica"
_UNSEEN = "this user may not see whether the server is a replica (GRANT REPLICATION CLIENT ON *.*)"


def receives(link: Link, flavour: Flavour) -> str:
    """From whom, as a phrase ("the server is a replica"); empty: from nobody. What may not be asked is taken for a yes."""
    if cluster := cluster_of(link):
        return cluster
    try:
        return _replicates(link, flavour)
    except ServerRefused as error:
        if error.code not in NO_PRIVILEGE:
            raise
        return _receives_openly(link, flavour)


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
    try:
        ((tells, sources),) = link.rows(_CONFIGURED)
    except ServerRefused as error:
        if error.code not in NO_PRIVILEGE:
            raise
        return _UNSEEN
    return (_REPLICA if sources else "") if tells else _UNSEEN
