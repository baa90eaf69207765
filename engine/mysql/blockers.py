"""Who is in the way of a lock on a table, a row or all: found in the server's own tables as far as the account may read them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from engine.mysql.link import Link
from engine.mysql.open_transactions import NOT_CONVERTED, open_transactions
from engine.mysql.process_list import process_list
from engine.mysql.trouble import NO_PRIVILEGE, NO_SUCH_PLACE, Tolerated

LONG_SECONDS = 1
"""What began later goes by itself, and nobody needs to know."""
TOLD = 3
_BACKS_UP = "with LOCK INSTANCE FOR BACKUP"
_NOT_TOLD = NO_PRIVILEGE | NO_SUCH_PLACE | {NOT_CONVERTED}
"""Answers that leave it open; MariaDB may be built without performance_schema."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocker:
    """A connection that holds what we wait for."""

    connection: int  # 0: none has it any more, it is of a prepared XA transaction
    user: str
    seconds: int  # since its transaction began, or its statement
    doing: str  # "idle in a transaction", "busy", …

    def __str__(self) -> str:
        if not self.connection:
            return f"a prepared XA transaction (XA RECOVER tells them) for {self.seconds} s or more"
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
# What a thread owns that is no more is a prepared XA transaction's; InnoDB tells only of those that changed something.
_HOLDERS = """
    SELECT COALESCE(t.processlist_id, 0), COALESCE(t.processlist_user, ''), COALESCE(t.processlist_command, ''),
           MAX(COALESCE(t.processlist_time, %s)), MAX(m.object_type = 'BACKUP LOCK')
      FROM performance_schema.metadata_locks AS m
      LEFT JOIN performance_schema.threads AS t ON t.thread_id = m.owner_thread_id
     WHERE m.lock_status = 'GRANTED' AND m.owner_thread_id > 0
       AND (t.thread_id IS NULL OR t.processlist_id IS NOT NULL)
       AND ({objects}
            OR (m.object_type = 'GLOBAL' AND m.lock_type = 'SHARED')
            OR (m.object_type = 'BACKUP LOCK' AND m.lock_type = 'SHARED')
            OR (m.object_type = 'BACKUP' AND m.lock_type LIKE 'BACKUP_FTWRL%%'))
     GROUP BY 1, 2, 3
"""


def blockers(link: Link, tables: Sequence[tuple[str, str]], ours: Collection[int]) -> Blockers:
    """Who has held locks on these (schema, table), or on the whole server, for a second or more, the longest first.

    *ours* are not counted. Without tables only what the server tells for sure is of use.
    """
    with Tolerated(*_NOT_TOLD):
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
            holders = link.rows(_HOLDERS.format(objects=objects or "FALSE"), LONG_SECONDS, *names)
            began = {one.connection: one.seconds for one in open_transactions(link)}
            return _found(
                [
                    blocker_of(
                        connection,
                        user,
                        command,
                        began.get(int(connection), int(seconds)),
                        backs_up=bool(backs_up),
                    )
                    for connection, user, command, seconds, backs_up in holders
                ],
                ours,
                sure=True,
            )
    return _suspects(link, ours)


def lock_of_the_server(found: Blockers) -> str:
    """What `blockers` without tables *found*, in words; empty: there is none. Where they are not sure, one is there."""
    told = str(found) if found.sure else "the server does not tell who holds it (performance_schema, PROCESS)"
    return f"a lock of the whole server (FLUSH TABLES WITH READ LOCK, a backup): {told}" if told else ""


def row_blockers(link: Link, ours: Collection[int]) -> Blockers:
    """Who has had rows of whatever table locked for a second or more."""
    return _suspects(link, ours, of_rows=True)


def _suspects(link: Link, ours: Collection[int], *, of_rows: bool = False) -> Blockers:
    """A prepared transaction may have no connection any more; one that only reads holds no row."""
    blockers = []
    with Tolerated(*_NOT_TOLD):
        found = open_transactions(link)
        known = {one.id: one for one in process_list(link)}
        for one in found:
            process = known.get(one.connection)
            if process is not None and (one.locks_rows or not of_rows):
                blockers.append(blocker_of(process.id, process.user, process.command, one.seconds))
            elif not one.connection:
                blockers.append(blocker_of(0, "", "", one.seconds))
    return _found(blockers, ours, sure=False)


def _found(blockers: Sequence[Blocker], ours: Collection[int], *, sure: bool) -> Blockers:
    old = [one for one in blockers if one.connection not in ours and one.seconds >= LONG_SECONDS]
    return Blockers(found=tuple(sorted(old, key=lambda one: -one.seconds)), sure=sure)


def blocker_of(connection: int, user: str, command: str, seconds: int, *, backs_up: bool = False) -> Blocker:
    """Of what the server tells; *command* as in its process list, *backs_up*: it keeps all from changing definitions."""
    doing = "idle in a transaction" if command == "Sleep" else "busy"
    return Blocker(connection=connection, user=user, seconds=seconds, doing=_BACKS_UP if backs_up else doing)
