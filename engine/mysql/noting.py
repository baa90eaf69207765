"""Whether the server's binary log tells which rows change while a table is copied, and whether triggers could note it instead."""

from dataclasses import dataclass

from engine.mysql.flavour import Flavour
from engine.mysql.link import Link
from engine.mysql.log_format import logs_by_statement
from engine.mysql.log_settings import unlogged_rows
from engine.mysql.receiving import receives
from engine.mysql.rights import TO_READ_LOGS, Rights

_SETTINGS = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('log_bin', 'binlog_format', 'encrypt_binlog')"


@dataclass(frozen=True, slots=True, kw_only=True)
class Noting:
    """How changes would be noted. The log tells of them if there are no `problems` with it."""

    problems: tuple[str, ...]  # with the log
    remedies: tuple[str, ...]  # for them, each a statement or what to do
    no_triggers: str = ""  # why triggers cannot note them either; as a phrase
    remedy: str = ""  # for that; may be empty

    @property
    def by_log(self) -> bool:
        """The keys are read from the log: nobody is slowed down."""
        return not self.problems


def noting_on(link: Link, flavour: Flavour, rights: Rights) -> Noting:
    """Look at the server's settings and the account's privileges; TRIGGER, which is for a schema, aside."""
    settings = {str(name): str(value).upper() for name, value in link.rows(_SETTINGS)}
    logs, format_ = settings["log_bin"] == "ON", settings["binlog_format"]
    found = []
    if not logs:
        found.append(("it is off", "start the server with log_bin"))
    if format_ != "ROW":
        found.append(
            (f"binlog_format is {format_}", "SET GLOBAL binlog_format = ROW, and in its configuration")
        )
    if settings.get("encrypt_binlog") == "ON":
        found.append(("it is encrypted", "start the server with encrypt_binlog = OFF"))
    if unlogged := unlogged_rows(link, flavour):
        what, _, remedy = unlogged.partition(": ")
        found.append((what, remedy))
    if missing := ", ".join(rights.missing(TO_READ_LOGS)):
        found.append((f"this user lacks {missing}", f"GRANT {missing} ON *.* TO {rights.user}"))
    no_triggers, remedy = _no_triggers(link, flavour, rights) if found else ("", "")
    return Noting(
        problems=tuple(problem for problem, _ in found),
        remedies=tuple(remedy for _, remedy in found),
        no_triggers=no_triggers,
        remedy=remedy,
    )


def _no_triggers(link: Link, flavour: Flavour, rights: Rights) -> tuple[str, str]:
    """A server with a binary log lets only trusted accounts make triggers."""
    if logs_by_statement(link):
        return "what they note would not be the same on replicas", ""
    if who := receives(link, flavour):
        return f"{who}, and replication fires none", ""
    if not link.value("SELECT @@log_bin"):
        return "", ""
    if link.value("SELECT @@GLOBAL.log_bin_trust_function_creators") or not rights.missing(("SUPER",)):
        return "", ""
    return (
        "the server takes them of trusted users only",
        "or SET GLOBAL log_bin_trust_function_creators = 1",
    )
