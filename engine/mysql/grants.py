"""What SHOW GRANTS tells, and which of several grants the server goes by: on a schema it takes only the most specific one."""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum

from engine.mysql.flavour import Flavour
from engine.mysql.link import Link
from engine.mysql.trouble import ServerRefused

_NAME = r"""(?:`(?:[^`]|``)+`|"(?:[^"]|"")+")"""  # a server with ANSI_QUOTES tells names in "
_GRANT = re.compile(
    rf"(GRANT|REVOKE) (.+?) ON (?:TABLE )?(\*|{_NAME})\.(\*|{_NAME}) (?:TO|FROM) (PUBLIC\b|{_NAME}(?!@))?",
    re.DOTALL,
)
_OF_COLUMNS = re.compile(rf"[A-Z ]+\((?:{_NAME}|[^)`\"])*\)")  # not of the whole table
_SAME = {"BINLOG MONITOR": "REPLICATION CLIENT", "REPLICATION REPLICA": "REPLICATION SLAVE"}
_NO_WILDCARD = 128
_LONGEST_PREFIX = 127  # MySQL counts no further
_LONGEST_NAME = 64


class Grantee(Enum):
    """To whom a privilege was given; MySQL tells those of active roles as the user's."""

    USER = "user"
    ROLES = "roles"
    EVERYBODY = "everybody"  # MariaDB's PUBLIC


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Privileges, and the pattern of schemas that they are for; `*` is the whole server."""

    pattern: str
    privileges: frozenset[str]
    table: str = ""  # one table of a schema, which then is named as it is; empty: all of them
    grantee: Grantee = Grantee.USER
    revoked: bool = False  # a part taken out of what is granted on the whole server


Precedence = Callable[[str], tuple[int | str, ...]]
"""Of the patterns that match a schema the server takes the one for which this is least."""


def by_prefix(pattern: str) -> tuple[int | str, ...]:
    """MySQL, no role active: the longest text before the first wildcard. Of equals, the one that was granted first."""
    found = re.match(r"(?:\\.|[^%_])*", pattern, re.DOTALL)
    before = found[0] if found else ""
    return (-_NO_WILDCARD if before == pattern else -min(len(before.encode()) + 1, _LONGEST_PREFIX),)


def by_alphabet(pattern: str) -> tuple[int | str, ...]:
    """MySQL 9.7 where a role is active: a name as it is, then the first in the order of letters, however long."""
    return (re.search(r"[%_\\]", pattern) is not None, pattern)


def by_generality(pattern: str) -> tuple[int | str, ...]:
    """MariaDB (`get_magic_sort`): the one that fits fewest names; of equals, the shortest text before the first wildcard."""
    parts = re.findall(r"\\.|%+|.", pattern, re.DOTALL)
    many, one = sum(part[0] == "%" for part in parts), parts.count("_")
    plain = sum(len(part.removeprefix("\\").encode()) for part in parts if part[0] not in "%_")
    prefix = 0
    for part in parts:
        if part[0] in "%_":
            break
        prefix += len(part.removeprefix("\\").encode())
    prefix = prefix if many or one else 0
    fits = _LONGEST_NAME - plain - one if many else 0
    return (2 * fits + 1, many, one, prefix) if fits > one else (2 * one, fits, many, prefix)


def in_force(grants: Iterable[Grant], precedence: Precedence) -> list[Grant]:
    """Which the server goes by, of *grants* that all are for one schema and are one grantee's: one, or several that it
    has in no order that a user could know.
    """
    merged: dict[str, Grant] = {}
    for grant in grants:
        before = merged.get(grant.pattern, grant)
        merged[grant.pattern] = replace(grant, privileges=before.privileges | grant.privileges)
    least = min(map(precedence, merged), default=())
    return [grant for pattern, grant in merged.items() if precedence(pattern) == least]


def read_grants(link: Link, flavour: Flavour) -> tuple[list[Grant], Precedence]:
    """Those of the account and of its active roles."""
    if flavour.mariadb:
        return _told(link.rows("SHOW GRANTS")), by_generality
    roles = str(link.value("SELECT CURRENT_ROLE()"))
    if roles.upper() != "NONE":
        try:
            return _told(link.rows(f"SHOW GRANTS FOR CURRENT_USER() USING {roles}")), by_alphabet
        except ServerRefused:
            pass  # a role was revoked in between
    return _told(link.rows("SHOW GRANTS")), by_prefix


def _told(rows: Iterable[tuple[object, ...]]) -> list[Grant]:
    return [grant for row in rows for grant in _granted(str(row[0]))]


def _granted(text: str) -> Iterator[Grant]:
    found = _GRANT.match(text)
    if found is None:
        return  # a role, a proxy, a routine
    names = filter(None, (name.strip().upper() for name in _OF_COLUMNS.sub("", found[2]).split(",")))
    role = Grantee.EVERYBODY if found[5] == "PUBLIC" else Grantee.ROLES
    yield Grant(
        pattern=_unquoted(found[3]),
        privileges=frozenset(_SAME.get(name, name) for name in names),
        table=_unquoted(found[4]) if found[4] != "*" else "",
        grantee=role if found[5] else Grantee.USER,
        revoked=found[1] == "REVOKE",
    )


def _unquoted(where: str) -> str:
    mark = where[0]
    return where if mark == "*" else where[1:-1].replace(mark * 2, mark)


def matches(pattern: str, schema: str) -> bool:
    """Whether the pattern of a GRANT is for it: % and _ as in LIKE, unless a backslash stands before them."""
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    like = "".join(
        ".*" if part == "%" else "." if part == "_" else re.escape(part.removeprefix("\\")) for part in parts
    )
    return re.fullmatch(like, schema, re.DOTALL) is not None
