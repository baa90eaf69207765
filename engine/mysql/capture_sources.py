"""What would tell which rows change while a table is copied: the server's binary log, or else triggers."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from engine.mysql.flavour import Flavour
from engine.mysql.link import Link
from engine.mysql.problems import Problem, remedies, whats
from engine.mysql.receiving import UNSEEN, receives
from engine.mysql.rights import TO_READ_LOGS, Rights
from engine.mysql.tables import Table
from engine.mysql.trouble import NO_PRIVILEGE, Tolerated

_SETTINGS = """
    SHOW GLOBAL VARIABLES WHERE Variable_name IN (
      'log_bin', 'binlog_format', 'binlog_row_image', 'encrypt_binlog', 'log_slave_updates', 'log_replica_updates',
      'log_bin_trust_function_creators'
    )
"""
_TRUST = "SET GLOBAL log_bin_trust_function_creators = 1"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureSources:
    """What one account has of both on one server; TRIGGER, which is for a schema, aside."""

    of_log: tuple[Problem, ...]  # whichever schema the table is in, and whoever reads
    unread: tuple[Problem, ...]  # what the account lacks to read it, by its grants
    do_db: frozenset[str]  # if there are any, only changes in these schemas are logged
    ignore_db: frozenset[str]  # else those in these are not
    home: str  # the schema of our own tables, of whose rows the log has to tell, too; may be empty
    no_triggers: Problem | None
    """Why triggers cannot capture changes either."""
    any_case: bool = False
    """Names know no case on this server: a schema is logged, and left out, by the one in lower case."""
    minimal: bool = False
    """Of a row that changes the log has its main key and what the statement names, no more."""

    def log_problems(self, schemas: Iterable[str]) -> tuple[Problem, ...]:
        """Why the log does not tell of changes in *schemas*; none: it does, and nobody is slowed down."""
        return (*self.unlogged(schemas), *self.unread)

    def log_problems_of(self, table: Table) -> tuple[Problem, ...]:
        """The same of the rows of one table."""
        return (*self.unlogged_of(table), *self.unread)

    def unlogged_of(self, table: Table) -> tuple[Problem, ...]:
        """The same as `unlogged`, of the rows of one table."""
        partly = self._partly_logged(table) if self.minimal else None
        return (*self.unlogged([table.schema]), *([partly] if partly else []))

    def _partly_logged(self, table: Table) -> Problem | None:
        """Measured: NOBLOB has all that rows can be found by; MINIMAL has no column to which an INSERT leaves its default."""
        main = table.main_key
        if main is not None and main.columns == table.row_key:
            columns = [column for name in main.columns if (column := table.column(name)) is not None]
            if all(column.default is None or column.auto_increment for column in columns):
                return None
        remedy = "SET GLOBAL binlog_row_image = FULL, and in its configuration, and have the application connect anew"
        return Problem(
            what=f"binlog_row_image is MINIMAL, which may leave out {', '.join(table.row_key)}, by which its rows are found",
            remedy=remedy,
        )

    def unlogged(self, schemas: Iterable[str]) -> tuple[Problem, ...]:
        """Why changes in *schemas* are not in the log, or cannot be told from it, whoever reads it."""
        told = {name.lower() if self.any_case else name for name in (self.home, *schemas) if name}
        names = sorted(filter(self._left_out, told))
        if not names:
            return self.of_log
        listed = ", ".join(names)
        problem = (
            Problem(
                what=f"binlog_do_db leaves out {listed}",
                remedy=f"start the server with binlog_do_db for {listed}, too",
            )
            if self.do_db
            else Problem(
                what=f"binlog_ignore_db leaves out {listed}",
                remedy=f"start the server without binlog_ignore_db for {listed}",
            )
        )
        return (*self.of_log, problem)

    def _left_out(self, schema: str) -> bool:
        return schema not in self.do_db if self.do_db else schema in self.ignore_db

    def nothing_tells(self, problems: Sequence[Problem]) -> str:
        """Why nothing would tell, the log having these *problems*, with what would help; empty: the log does, or triggers."""
        if not problems or self.no_triggers is None:
            return ""
        return (
            f"nothing would tell which of its rows change meanwhile: not the binary log ({whats(problems)}), and not triggers, "
            f"as {self.no_triggers.what}: {remedies((*problems, self.no_triggers))}"
        )

    def rules_out_copies(self, table: Table) -> str:
        """Why the server itself has to change *table*; empty: something tells, or would if triggers were let in.

        That is for people to do before an apply, rather than to have writers of big tables wait.
        """
        if self.no_triggers is not None and self.no_triggers.remedy:
            return ""
        return self.nothing_tells(self.log_problems_of(table))


def capture_sources_of(link: Link, flavour: Flavour, rights: Rights, home: str) -> CaptureSources:
    """Look at the server's settings and the account's privileges. *home*: the schema of our own tables, if it is known."""
    settings = _settings(link)
    sender = receives(link, flavour)
    do_db, ignore_db = _filters(link, flavour)
    return CaptureSources(
        of_log=tuple(_of_log(settings, sender)),
        unread=tuple(_unread(settings, rights)),
        do_db=do_db,
        ignore_db=ignore_db,
        home=home,
        no_triggers=_no_triggers(settings, rights, sender),
        any_case=flavour.any_case,
        minimal=settings.get("binlog_row_image") == "MINIMAL",
    )


def unlogged_rows(link: Link, flavour: Flavour) -> Problem | None:
    """Why rows may come by replication and not be in the binary log; None: none do."""
    return None if _logs_received(_settings(link)) else _unlogged(receives(link, flavour))


def _settings(link: Link) -> dict[str, str]:
    return {str(name): str(value).upper() for name, value in link.rows(_SETTINGS)}


def _filters(link: Link, flavour: Flavour) -> tuple[frozenset[str], frozenset[str]]:
    """binlog_do_db and binlog_ignore_db, which are no variables; whoever may not see them may not read the log either.

    Where names know no case, MySQL takes these in lower case, too; MariaDB as they are written: capitals are no schema's then.
    """
    lower = flavour.any_case and not flavour.mariadb
    status: list[dict[str, Any]] = []
    with Tolerated(*NO_PRIVILEGE):
        status = link.named(flavour.binlog_status)
    do_db, ignore_db = (
        frozenset(
            (name.lower() if lower else name).strip()
            for row in status
            for name in str(row[column] or "").split(",")
            if name.strip()
        )
        for column in ("binlog_do_db", "binlog_ignore_db")
    )
    return do_db, ignore_db


def _of_log(settings: Mapping[str, str], sender: str) -> list[Problem]:
    if settings.get("log_bin") != "ON":
        return [Problem(what="log_bin is OFF", remedy="start the server with log_bin")]
    found = []
    if (wanted := settings.get("binlog_format", "ROW")) != "ROW":
        # Sessions keep what they began with.
        remedy = (
            "SET GLOBAL binlog_format = ROW, and in its configuration, and have the application connect anew"
        )
        found.append(Problem(what=f"binlog_format is {wanted}", remedy=remedy))
    if settings.get("encrypt_binlog") == "ON":
        found.append(
            Problem(what="encrypt_binlog is ON", remedy="start the server with encrypt_binlog = OFF")
        )
    if not _logs_received(settings) and (unlogged := _unlogged(sender)):
        found.append(unlogged)
    return found


def _unread(settings: Mapping[str, str], rights: Rights) -> Iterator[Problem]:
    missing = ", ".join(rights.missing(TO_READ_LOGS))
    if missing and settings.get("log_bin") == "ON":
        yield Problem(what=f"this user lacks {missing}", remedy=f"GRANT {missing} ON *.* TO {rights.user}")


def _logs_received(settings: Mapping[str, str]) -> bool:
    return settings.get("log_replica_updates", settings.get("log_slave_updates", "ON")) == "ON"


def _unlogged(sender: str) -> Problem | None:
    return (
        Problem(
            what=f"{sender}, and does not log what it receives",
            remedy="switch log_replica_updates (log_slave_updates) on, or name the primary as the target",
        )
        if sender
        else None
    )


def _no_triggers(settings: Mapping[str, str], rights: Rights, sender: str) -> Problem | None:
    """A server with a binary log lets only trusted accounts make triggers."""
    logs = settings.get("log_bin") == "ON"
    if logs and settings.get("binlog_format") == "STATEMENT":
        return Problem(what="what they capture would not be the same on replicas")
    trusts = (
        not logs or settings.get("log_bin_trust_function_creators") == "ON" or not rights.missing(("SUPER",))
    )
    if sender:
        grant = f"or GRANT REPLICATION CLIENT ON *.* TO {rights.user}{'' if trusts else f' and {_TRUST}'}"
        return Problem(what=f"{sender}, and replication fires none", remedy=grant if sender == UNSEEN else "")
    if trusts:
        return None
    return Problem(what="the server takes them of trusted users only", remedy=f"or {_TRUST}")
