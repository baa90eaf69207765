"""Where a target server is and who asks: parses the two forms a DSN may have.

`mysql://user:password@host:port/database?ssl_ca=…` (odd characters percent-encoded), or the form the original's
configuration has, that of the Go driver: `user:password@tcp(host:port)/database?parseTime=true`.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import parse_qsl, unquote

from engine.errors import Refused

FORMS = "mysql://user:password@host:port/database or user:password@tcp(host:port)/database"
SSL_MODES = ("disabled", "preferred", "required", "verify_ca", "verify_identity")

_URL = re.compile(
    r"""
    mysql:// (?P<user>[^:@/?]+) (?: : (?P<password>[^@]*) )? @
    (?P<host>\[[0-9A-Fa-f:.]+\]|[^:/?@\[\]]+) (?: : (?P<port>[0-9]{1,5}) )?
    (?: / (?P<database>[^/?]*) )? (?: \? (?P<query>.*) )?
    """,
    re.VERBOSE | re.DOTALL,
)
# The password of a Go DSN is taken as it stands and ends at the last @ before the address.
_GO = re.compile(
    r"""
    (?P<user>[^:@/?]*) (?: : (?P<password>.*) )? @ (?P<net>tcp|unix) \( (?P<place>[^)]*) \)
    / (?P<database>[^/?]*) (?: \? (?P<query>.*) )?
    """,
    re.VERBOSE | re.DOTALL,
)
_OURS = frozenset({"ssl_mode", "ssl_ca", "ssl_cert", "ssl_key"})
_GO_TLS = {
    "true": "verify_identity",
    "skip-verify": "required",
    "preferred": "preferred",
    "false": "disabled",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A parsed DSN. The password is in no text made of this."""

    host: str = ""
    port: int = 3306
    socket: str = ""  # instead of host and port
    user: str
    password: str = field(repr=False)
    database: str  # empty: none; then every namespace of a plan is the name of a schema
    ssl_mode: str = "preferred"
    ssl_ca: str | None = None
    ssl_cert: str | None = None
    ssl_key: str | None = None

    def __str__(self) -> str:
        return (self.socket or f"{self.host}:{self.port}") + (f"/{self.database}" if self.database else "")


def parse_address(dsn: str) -> Address:
    """The address. Refused, which does not quote the DSN, when it has another form."""
    if found := _URL.fullmatch(dsn):
        return _from_url(found)
    if found := _GO.fullmatch(dsn):
        return _from_go(found)
    raise Refused(f"the dsn of a MySQL or MariaDB database must look like {FORMS}")


def _from_url(found: re.Match[str]) -> Address:
    options = dict(parse_qsl(found["query"] or "", keep_blank_values=True))
    if unknown := sorted(set(options) - _OURS):
        raise Refused(f"unknown in the dsn: {', '.join(unknown)} (known: {', '.join(sorted(_OURS))})")
    mode = options.get("ssl_mode", "verify_ca" if "ssl_ca" in options else "preferred").lower()
    if mode not in SSL_MODES:
        raise Refused(f"ssl_mode in the dsn must be one of {', '.join(SSL_MODES)}")
    _check_files(options, mode)
    return Address(
        host=unquote(found["host"]).strip("[]"),
        port=int(found["port"] or 3306),
        user=unquote(found["user"]),
        password=unquote(found["password"] or ""),
        database=unquote(found["database"] or ""),
        ssl_mode=mode,
        ssl_ca=options.get("ssl_ca"),
        ssl_cert=options.get("ssl_cert"),
        ssl_key=options.get("ssl_key"),
    )


def _check_files(options: Mapping[str, str], mode: str) -> None:
    """Refused: a file would be looked for where nobody means it, or be left unread."""
    for name in ("ssl_ca", "ssl_cert", "ssl_key"):
        if name in options and not Path(options[name]).is_absolute():
            raise Refused(f"{name} in the dsn must be a whole path, from / on, not {options[name]!r}")
    if "ssl_ca" in options and not mode.startswith("verify"):
        raise Refused(
            f"with ssl_mode={mode} in the dsn nobody looks at its ssl_ca: say verify_identity or verify_ca, or leave ssl_ca out"
        )


def _from_go(found: re.Match[str]) -> Address:
    """Options that only tell the Go driver how to decode are of no consequence here."""
    options = dict(parse_qsl(found["query"] or "", keep_blank_values=True))
    tls = options.get("tls", "preferred").lower()
    if tls not in _GO_TLS:
        raise Refused(
            f"tls in the dsn must be one of {', '.join(_GO_TLS)}; certificates go into the mysql:// form"
        )
    address = Address(
        user=found["user"],
        password=found["password"] or "",
        database=unquote(found["database"]),
        ssl_mode=_GO_TLS[tls],
    )
    place = found["place"]
    if found["net"] == "unix":
        return replace(address, socket=place)
    host, _, port = place.rpartition(":") if ":" in place else (place, "", "")
    if port and not port.isdigit():
        raise Refused(f"the port in the dsn must be a number; it must look like {FORMS}")
    return replace(address, host=host.strip("[]") or "127.0.0.1", port=int(port or 3306))
