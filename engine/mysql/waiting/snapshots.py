"""Who reads as of a moment at which a copy was not complete: once it is live, rows would be missing there, without any error.

The rows of a copy belong to the transactions that copied them, so a snapshot that is older does not see them: a
`mysqldump --single-transaction` that began amid the copy and comes to the table after the cutover finds it nearly empty.
"""

from collections.abc import Collection, Mapping

from engine.mysql.blockers import NOW, Blocker, Blockers, blockers_of
from engine.mysql.link import Link
from engine.mysql.trouble import ServerRefused

# A SELECT by itself has the locks of all its tables already, and with READ COMMITTED each statement reads as of its own begin.
_READERS = f"""
    SELECT p.id, COALESCE(p.user, ''), COALESCE(p.command, ''), TIMESTAMPDIFF(SECOND, x.trx_started, {NOW}), x.trx_started
      FROM information_schema.innodb_trx AS x
      JOIN information_schema.processlist AS p ON p.id = x.trx_mysql_thread_id
     WHERE x.trx_isolation_level IN ('REPEATABLE READ', 'SERIALIZABLE') AND x.trx_autocommit_non_locking = 0
       AND p.user <> 'system user'
"""

Snapshots = Mapping[tuple[int, str], Blocker]
"""By connection and begin of their transactions."""


def snapshots(link: Link, ours: Collection[int]) -> Snapshots:
    """The transactions of others that read as of one moment, or may yet. None where the account may not see them (PROCESS)."""
    try:
        rows = link.rows(_READERS)
    except ServerRefused:
        return {}
    return {
        (blocker.connection, str(row[-1])): blocker
        for row, blocker in zip(rows, blockers_of([row[:-1] for row in rows]), strict=True)
        if blocker.connection not in ours
    }


def still(older: Snapshots, now: Snapshots) -> str:
    """Those of *older* that are there *now*, in words; empty: none is."""
    left = sorted((now[key] for key in older.keys() & now.keys()), key=lambda one: -one.seconds)
    if not left:
        return ""
    names = Blockers(found=tuple(left), sure=True).names
    return f"waiting for the transaction of {names}, which began before the copy was complete and would find rows missing in it"
