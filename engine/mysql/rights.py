"""What the account may do on a server: read from its grants, active roles included."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from engine.mysql.flavour import Flavour
from engine.mysql.link import Link
from engine.mysql.quoting import quote_name
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
SCRATCH = ("SELECT", "INSERT", "CREATE", "DROP", "ALTER", "INDEX", "REFERENCES")
"""What plans need on scratch schemas."""
EVERYTHING = "ALL PRIVILEGES"

_WHERE = r"""(\*|`(?:[^`]|``)+`|"(?:[^"]|"")+")"""  # a server with ANSI_QUOTES tells names in "
_GRANT = re.compile(rf"GRANT (.+?) ON (?:TABLE )?{_WHERE}\.{_WHERE} TO ", re.DOTALL)
_SAME = {"BINLOG MONITOR": "REPLICATION CLIENT", "REPLICATION REPLICA": "REPLICATION SLAVE"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """Privileges by the pattern of schemas that they are for; `*` is the whole server."""

    user: str  # 'name'@'host', as a GRANT wants it
    granted: tuple[tuple[str, frozenset[str]], ...]

    def missing(self, wanted: Iterable[str], schema: str = "") -> tuple[str, ...]:
        """Which of *wanted* the account does not have on the schema, or, without one, on the whole server."""
        held: set[str] = set()
        for pattern, privileges in self.granted:
            if pattern == "*" or (schema and _matches(pattern, schema)):
                held |= privileges
        if EVERYTHING in held:
            return ()
        return tuple(one for one in wanted if one not in held)

    def grant(self, wanted: Iterable[str], schema: str) -> str:
        """The statement that gives what is missing of *wanted* on the schema; empty: nothing is."""
        missing = self.missing(wanted, schema)
        return f"GRANT {', '.join(missing)} ON {quote_name(schema)}.* TO {self.user}" if missing else ""


def rights_of(link: Link, flavour: Flavour) -> Rights:
    """Ask the server."""
    user, _, host = str(link.value("SELECT CURRENT_USER()")).rpartition("@")
    return Rights(
        user=f"'{user}'@'{host}'", granted=tuple(_granted(str(row[0])) for row in _grants(link, flavour))
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


def _granted(text: str) -> tuple[str, frozenset[str]]:
    found = _GRANT.match(text)
    if found is None or found[3] != "*":
        return "", frozenset()  # a role, a proxy, a single table
    names = (name.strip().upper() for name in re.sub(r"\([^)]*\)", "", found[1]).split(","))
    return _unquoted(found[2]), frozenset(_SAME.get(name, name) for name in names)


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
