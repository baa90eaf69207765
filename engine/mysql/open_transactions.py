"""The transactions that are open on a server."""

from dataclasses import dataclass
from datetime import datetime

from engine.mysql.link import Link, Row
from engine.mysql.trouble import NO_PRIVILEGE, ServerRefused, Tolerated, Trouble

# InnoDB tells in the time zone of the server when it began: of an hour that comes twice, the second is taken.
_OF_INNODB = """
    SELECT trx_mysql_thread_id, CONVERT_TZ(trx_started, 'SYSTEM', '+00:00'), UTC_TIMESTAMP(),
           trx_isolation_level IN ('REPEATABLE READ', 'SERIALIZABLE') AND trx_autocommit_non_locking = 0,
           trx_rows_locked > 0
      FROM information_schema.innodb_trx
"""
# From BEGIN on, never later than it was, and without those that were prepared before the server started.
_OF_EVENTS = """
    SELECT t.processlist_id, TIMESTAMPADD(SECOND, -CEIL(e.timer_wait / 1e12), UTC_TIMESTAMP()), UTC_TIMESTAMP(),
           e.isolation_level IN ('REPEATABLE READ', 'SERIALIZABLE') AND e.autocommit = 'NO',
           TRUE
      FROM performance_schema.events_transactions_current AS e
      JOIN performance_schema.threads AS t ON t.thread_id = e.thread_id
     WHERE e.state = 'ACTIVE' AND t.processlist_id IS NOT NULL
"""
_EVENTS_TOLD = """
    SELECT COUNT(*) FROM performance_schema.setup_consumers
     WHERE name IN ('global_instrumentation', 'thread_instrumentation', 'events_transactions_current') AND enabled = 'YES'
"""
NOT_CONVERTED = 3854


class Untold(Trouble):
    """The server does not tell just now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transaction:
    """One that is open."""

    connection: int  # 0: none has it any more, it is a prepared XA transaction
    begun: datetime  # UTC, by the server's clock, whole seconds; after `seen` once that went back
    seen: datetime  # by the same clock
    one_moment: bool  # it reads as of one moment, or may yet
    locks_rows: bool  # or may do so

    @property
    def seconds(self) -> int:
        """How long it has been open."""
        return max(0, int((self.seen - self.begun).total_seconds()))


def open_transactions(link: Link) -> list[Transaction]:
    """All of them. ServerRefused: the account may not see them (it needs PROCESS). Untold.

    MySQL refuses its list while a statement of any of them has bytes that are no UTF-8, such as a binary literal; then
    performance_schema is asked.
    """
    try:
        rows = link.rows(_OF_INNODB)
    except ServerRefused as error:
        if error.code != NOT_CONVERTED:
            raise
        rows = _of_events(link, error)
    return [
        Transaction(
            connection=int(connection),
            begun=begun,
            seen=seen,
            one_moment=bool(one_moment),
            locks_rows=bool(locks_rows),
        )
        for connection, begun, seen, one_moment, locks_rows in rows
    ]


def _of_events(link: Link, refused: ServerRefused) -> list[Row]:
    """What performance_schema tells; its operator may have switched that off."""
    with Tolerated(*NO_PRIVILEGE):
        if link.value(_EVENTS_TOLD) == 3:
            return link.rows(_OF_EVENTS)
    raise Untold(
        f"{refused}: the server does not list transactions while a statement has bytes that are no UTF-8; performance_schema "
        "would tell (GRANT SELECT ON performance_schema.*, and its consumer events_transactions_current)",
        refused.code,
    ) from refused
