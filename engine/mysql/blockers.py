"""Who is in the way of a lock on a table, a row or all: found in the server's own tables as far as the account may read them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from engine.mysql.link import Link
from engine.mysql.trouble import ServerRefused

LONG_SECONDS = 1
"""What began later goes by itself, and nobody needs to know."""
TOLD = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocker:
    """A connection that holds what we wait for."""

    connection: int  # 0: none has it any more, it is of a prepared XA transaction
    user: str
    seconds: int  # since its transaction began, or its statement
    doing: str  # "idle in a transaction", "SELECT", …

    def __str__(self) -> str:
        if not self.connection:
            return f"a prepared XA transaction (XA RECOVER tells them) for {self.seconds} s"
        return f"connection {self.connection} of {self.user}, {self.doing} for {self.seconds} s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Blockers:
    """What was found."""

    found: tuple[Blocker, ...]
    sure: bool
    """Whether the server tells who holds locks on tables. If not, these are only the transactions that have gone on for long."""

    def __str__(self) -> str:
        if not self.found:
            return "" if self.sure else "the server does not tell who holds it (performance_schema, PROCESS)"
        return f"{'held by' if self.sure else 'perhaps held by'} {self.names}"

    @property
    def names(self) -> str:
        """The first few."""
        told = "; ".join(map(str, self.found[:TOLD]))
        return f"{told} and {len(self.found) - TOLD} more" if len(self.found) > TOLD else told


# Locks of one row, one statement, or of a whole server (FLUSH TABLES WITH READ LOCK, a backup).
_HOLDERS = """
    SELECT t.processlist_id, COALESCE(t.processlist_user, ''), COALESCE(t.processlist_command, ''),
           MAX(COALESCE(TIMESTAMPDIFF(SECOND, x.trx_started, {now}), t.processlist_time, 0))
      FROM performance_schema.metadata_locks AS m
      JOIN performance_schema.threads AS t ON t.thread_id = m.owner_thread_id
      LEFT JOIN information_schema.innodb_trx AS x ON x.trx_mysql_thread_id = t.processlist_id
     WHERE m.lock_status = 'GRANTED' AND t.processlist_id IS NOT NULL
       AND ({objects}
            OR (m.object_type = 'GLOBAL' AND m.lock_type = 'SHARED')
            OR (m.object_type = 'BACKUP LOCK' AND m.lock_type = 'SHARED')
            OR (m.object_type = 'BACKUP' AND m.lock_type LIKE 'BACKUP_FTWRL%%'))
     GROUP BY 1, 2, 3
"""
# A prepared transaction may have no connection any more; one that only reads holds no row.
_SUSPECTS = """
    SELECT COALESCE(p.id, 0), COALESCE(p.user, ''), COALESCE(p.command, ''),
           TIMESTAMPDIFF(SECOND, x.trx_started, {now})
      FROM information_schema.innodb_trx AS x
      LEFT JOIN information_schema.processlist AS p ON p.id = x.trx_mysql_thread_id
     WHERE (p.id IS NOT NULL OR x.trx_mysql_thread_id = 0)
"""
_OF_ROWS = f"{_SUSPECTS} AND (p.id IS NULL OR x.trx_rows_locked > 0)"
NOW = "CONVERT_TZ(NOW(), @@SESSION.time_zone, 'SYSTEM')"
"""The server tells in its own time zone when a transaction began."""


def blockers(link: Link, tables: Sequence[tuple[str, str]], ours: Collection[int]) -> Blockers:
    """Who has held locks on these (schema, table), or on the whole server, for a second or more, the longest first.

    *ours* are not counted. Without tables only what the server tells for sure is of use.
    """
    try:
        sure = bool(
            link.value(
                "SELECT COUNT(*) FROM performance_schema.setup_instruments"
                " WHERE name = 'wait/lock/metadata/sql/mdl' AND enabled = 'YES'"
            )
        )
        if sure:
            objects = " OR ".join(
                "(m.object_type = 'TABLE' AND m.object_schema = %s AND m.object_name = %s)" for _ in tables
            )
            names = [name for table in tables for name in table]
            holders = _HOLDERS.format(objects=objects or "FALSE", now=NOW)
            return _found(link.rows(holders, *names), ours, sure=True)
    except ServerRefused:
        pass  # the account may not read it
    return _suspects(link, _SUSPECTS, ours)


def lock_of_the_server(found: Blockers) -> str:
    """What `blockers` without tables *found*, in words; empty: there is none. Where they are not sure, one is there."""
    told = str(found) if found.sure else "the server does not tell who holds it (performance_schema, PROCESS)"
    return f"a lock of the whole server (FLUSH TABLES WITH READ LOCK, a backup): {told}" if told else ""


def row_blockers(link: Link, ours: Collection[int]) -> Blockers:
    """Who has had rows of whatever table locked for a second or more."""
    return _suspects(link, _OF_ROWS, ours)


def _suspects(link: Link, query: str, ours: Collection[int]) -> Blockers:
    try:
        return _found(link.rows(query.format(now=NOW)), ours, sure=False)
    except ServerRefused:
        return Blockers(found=(), sure=False)


def _found(rows: Sequence[tuple[object, ...]], ours: Collection[int], *, sure: bool) -> Blockers:
    old = [one for one in blockers_of(rows) if one.connection not in ours and one.seconds >= LONG_SECONDS]
    return Blockers(found=tuple(sorted(old, key=lambda one: -one.seconds)), sure=sure)


def blockers_of(rows: Sequence[tuple[object, ...]]) -> list[Blocker]:
    """Of rows of (connection, user, command, seconds) as the server tells them."""
    return [
        Blocker(
            connection=int(str(connection)),
            user=str(user),
            seconds=int(str(seconds or 0)),
            doing="idle in a transaction" if str(command) == "Sleep" else "busy",
        )
        for connection, user, command, seconds in rows
    ]
