"""What the account may do on a server: read from its grants, active roles included."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from engine.mysql.flavour import Flavour
from engine.mysql.link import Link
from engine.mysql.quoting import quote_name
from engine.mysql.spec import OWN_PREFIX
from engine.mysql.trouble import ServerRefused

ON_TABLES = (
    "SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "INDEX", "REFERENCES", "TRIGGER", "LOCK TABLES",
)  # fmt: skip
"""What a change may need on the schema it is made in."""
SEEN = ("SHOW VIEW",)
"""What it takes to see what a change would break."""
OWN = ("SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP")
"""What it takes to have tables of our own there, and to be rid of them."""
COPY = (*OWN, "ALTER", "LOCK TABLES")
"""What an online copy needs to its end."""
TO_READ_LOGS = ("REPLICATION SLAVE", "REPLICATION CLIENT")
"""What it takes to read the binary log."""
SCRATCH = ("SELECT", "INSERT", "CREATE", "DROP", "ALTER", "INDEX", "REFERENCES")
"""What plans need on scratch schemas."""
SCRATCH_SCHEMAS = f"{OWN_PREFIX}%".replace("_", r"\_")
"""As a GRANT names them."""
EVERYTHING = "ALL PRIVILEGES"

_WHERE = r"""(\*|`(?:[^`]|``)+`|"(?:[^"]|"")+")"""  # a server with ANSI_QUOTES tells names in "
_GRANT = re.compile(rf"(GRANT|REVOKE) (.+?) ON (?:TABLE )?{_WHERE}\.{_WHERE} (?:TO|FROM) ", re.DOTALL)
_SAME = {"BINLOG MONITOR": "REPLICATION CLIENT", "REPLICATION REPLICA": "REPLICATION SLAVE"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Privileges, and the pattern of schemas that they are for; `*` is the whole server."""

    pattern: str
    privileges: frozenset[str]
    revoked: bool = False  # a part taken out of what is granted on the whole server


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What one account may do."""

    user: str  # 'name'@'host', as a GRANT wants it
    grants: tuple[Grant, ...]
    literal: bool = False
    """Names of schemas are no patterns (`partial_revokes`)."""

    def missing(self, wanted: Iterable[str], schema: str = "") -> tuple[str, ...]:
        """Which of *wanted* the account does not have on the schema, or, without one, on the whole server."""
        held: set[str] = set().union(*(one.privileges for one in self.grants if one.pattern == "*"))
        here = [one for one in self.grants if schema and one.pattern != "*" and self._is_for(one, schema)]
        held = held.difference(*(one.privileges for one in here if one.revoked))
        held = held.union(*(one.privileges for one in here if not one.revoked))
        if EVERYTHING in held:
            return ()
        return tuple(one for one in wanted if one not in held)

    def grant(self, wanted: Iterable[str], schema: str) -> str:
        """The statement that gives what is missing of *wanted* on the schema; empty: nothing is."""
        missing = self.missing(wanted, schema)
        return f"GRANT {', '.join(missing)} ON {quote_name(schema)}.* TO {self.user}" if missing else ""

    def too_few_to_copy(self, schema: str, table: str) -> str:
        """Why an online copy of a table of the schema could not be brought to its end; empty: it could."""
        grant = self.grant(COPY, schema)
        return (
            f"{table} is copied, for which this user has too few rights: {grant}, then plan again"
            if grant
            else ""
        )

    def missing_for_plans(self) -> tuple[str, ...]:
        """Which privileges it does not have on scratch schemas."""
        return self.missing(SCRATCH, f"{OWN_PREFIX}scratch_0")

    def remedy_for_plans(self) -> str:
        """How it gets them."""
        missing = ", ".join(self.missing_for_plans() or SCRATCH)
        if self.literal:
            return (
                "partial_revokes is ON, so that no GRANT is for all schemas of a pattern: name a workspace server for the "
                f"target, or GRANT {missing} ON *.* TO {self.user} and REVOKE what it is not to have on the other schemas"
            )
        return f"GRANT {missing} ON `{SCRATCH_SCHEMAS}`.* TO {self.user}"

    def _is_for(self, grant: Grant, schema: str) -> bool:
        if self.literal or grant.revoked:
            return grant.pattern.lower() == schema.lower()
        return _matches(grant.pattern, schema)


def rights_of(link: Link, flavour: Flavour) -> Rights:
    """Ask the server."""
    user, _, host = str(link.value("SELECT CURRENT_USER()")).rpartition("@")
    return Rights(
        user=f"'{user}'@'{host}'",
        grants=tuple(grant for row in _grants(link, flavour) for grant in _granted(str(row[0]))),
        literal=not flavour.mariadb and bool(link.value("SELECT @@GLOBAL.partial_revokes")),
    )


def _grants(link: Link, flavour: Flavour) -> list[tuple[object, ...]]:
    if not flavour.mariadb:
        roles = str(link.value("SELECT CURRENT_ROLE()"))
        if roles.upper() != "NONE":
            try:
                return link.rows(f"SHOW GRANTS FOR CURRENT_USER() USING {roles}")
            except ServerRefused:
                pass  # a role was revoked in between
    return link.rows("SHOW GRANTS")


def _granted(text: str) -> Iterator[Grant]:
    found = _GRANT.match(text)
    if found is None or found[4] != "*":
        return  # a role, a proxy, a single table
    names = (name.strip().upper() for name in re.sub(r"\([^)]*\)", "", found[2]).split(","))
    yield Grant(
        pattern=_unquoted(found[3]),
        privileges=frozenset(_SAME.get(name, name) for name in names),
        revoked=found[1] == "REVOKE",
    )


def _unquoted(where: str) -> str:
    mark = where[0]
    return where if mark == "*" else where[1:-1].replace(mark * 2, mark)


def _matches(pattern: str, schema: str) -> bool:
    """The pattern of a GRANT: % and _ as in LIKE, unless a backslash stands before them."""
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    like = "".join(
        ".*" if part == "%" else "." if part == "_" else re.escape(part.removeprefix("\\")) for part in parts
    )
    return re.fullmatch(like, schema, re.DOTALL | re.IGNORECASE) is not None
