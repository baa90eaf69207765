"""In which format sessions of a server log what they change."""

from engine.mysql.link import Link


def logs_by_statement(link: Link) -> bool:
    """Whether sessions that begin now log by statement: then triggers cannot capture either, as what they note would not be the
    same on replicas.
    """
    return bool(link.value("SELECT @@log_bin AND @@GLOBAL.binlog_format = 'STATEMENT'"))
