"""Which server a target is, and what follows from that."""

import re
from dataclasses import dataclass

from engine.errors import Refused
from engine.mysql.link import Link

OLDEST = {"MySQL": (8, 4), "MariaDB": (10, 6)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Flavour:
    """The kind and version of a server."""

    vendor: str  # MySQL | MariaDB
    version: tuple[int, int, int]
    any_case: bool
    """Names of schemas and tables that differ in upper and lower case only are the same (lower_case_table_names)."""

    def __str__(self) -> str:
        return f"{self.vendor} {'.'.join(map(str, self.version))}"

    @property
    def mariadb(self) -> bool:
        """MariaDB, not MySQL."""
        return self.vendor == "MariaDB"

    def folded(self, name: str) -> str:
        """What two names of a schema, or of a table, have in common when they are the same to the server."""
        return name.lower() if self.any_case else name

    @property
    def folded_sql(self) -> str:
        """The same of a parameter in SQL: the server has small letters beyond ASCII of its own."""
        return "LOWER(%s)" if self.any_case else "%s"

    @property
    def renames_under_lock(self) -> bool:
        """RENAME TABLE works in the session that holds LOCK TABLES (MySQL 8.0.13 and newer; error 1192 on MariaDB)."""
        return not self.mariadb

    @property
    def last_timestamp(self) -> str:
        """The last moment, in UTC, that a TIMESTAMP holds (on MariaDB for 32 bits, which is rare, it is the earlier one, too)."""
        later = self.mariadb and self.version >= (11, 5)
        return "2106-02-07 06:28:15" if later else "2038-01-19 03:14:07"

    def innodb_view(self, what: str) -> str:
        """The view of information_schema that has InnoDB's own `tables` or `indexes`, for accounts with PROCESS."""
        return f"innodb_sys_{what}" if self.mariadb else f"innodb_{what}"

    @property
    def row_versions(self) -> str:
        """In the view of `tables`, how many of its instant row versions a table has used up; MariaDB has no limit."""
        return "0" if self.mariadb else "total_row_versions"

    @property
    def binlog_status(self) -> str:
        """The statement that tells the end of the binary log: its file and position are the first two columns."""
        return "SHOW MASTER STATUS" if self.mariadb else "SHOW BINARY LOG STATUS"

    @property
    def replica_status(self) -> str:
        """The statement that tells of the sources that the server itself replicates from; no row: none."""
        return "SHOW ALL SLAVES STATUS" if self.mariadb else "SHOW REPLICA STATUS"


def flavour_of(link: Link) -> Flavour:
    """Ask the server. Refused for one older than we know."""
    text, any_case = link.rows("SELECT VERSION(), @@lower_case_table_names")[0]
    found = re.match(r"(\d+)\.(\d+)\.(\d+)", text)
    if found is None:
        raise Refused(f"the server's version {text!r} is not understood")
    vendor = "MariaDB" if "mariadb" in text.lower() else "MySQL"
    version = (int(found[1]), int(found[2]), int(found[3]))
    if version[:2] < OLDEST[vendor]:
        oldest = ".".join(map(str, OLDEST[vendor]))
        raise Refused(f"the server is {vendor} {found[0]}; {vendor} {oldest} or newer is needed")
    return Flavour(vendor=vendor, version=version, any_case=bool(any_case))


def same_kind(here: Flavour, there: Flavour) -> Flavour:
    """*here*, a workspace server's. Refused unless a target that is *there* would do the same."""
    if (here.vendor, here.version[:2]) != (there.vendor, there.version[:2]):
        raise Refused(
            f"the workspace server is {here}, the target {there}: it must be of the same kind and release"
        )
    if here.any_case != there.any_case:
        raise Refused(
            "of the workspace server and the target, one alone tells names of tables apart by upper and lower case: both must "
            "have the same lower_case_table_names"
        )
    return here


def started_at(link: Link, flavour: Flavour) -> int:
    """When this run of the server began, in seconds since 1970: the same as long as it runs, whatever becomes of its clock.

    What it calls its uptime is the clock as it is now less the moment at which it began, so that nothing is rounded.
    """
    # MariaDB's performance schema tells nothing while it is off.
    query = "SELECT UNIX_TIMESTAMP() - VARIABLE_VALUE FROM {}.global_status WHERE VARIABLE_NAME = 'Uptime'"
    return int(link.value(query.format("information_schema" if flavour.mariadb else "performance_schema")))


def identity_of(link: Link, flavour: Flavour) -> str:
    """Which of all servers this is: two that replicate from each other, or from a third one, differ."""
    return str(link.value("SELECT @@GLOBAL.server_id" if flavour.mariadb else "SELECT @@GLOBAL.server_uuid"))
