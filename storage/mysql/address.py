"""Where a store is and who asks: mysql://user:password@host:port/database?ssl_ca=…"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, unquote

from storage.errors import StoreError

FORM = "mysql://user:password@host:port/database?ssl_ca=…"
# The password ends at the first @: one in it, as other odd characters, is written percent-encoded.
_PARTS = re.compile(
    r"""
    (?P<user>[^:@/?]+) (?: : (?P<password>[^@]*) )? @
    (?P<host>\[[0-9A-Fa-f:.]+\]|[^:/?@\[\]]+) (?: : (?P<port>[0-9]{1,5}) )?
    / (?P<database>[^/?]+) (?: \? (?P<query>.*) )?
    """,
    re.VERBOSE | re.DOTALL,
)
_OPTIONS = frozenset({"ssl_ca", "ssl_cert", "ssl_key", "ssl_mode", "answer_seconds"})
ANSWER_SECONDS = 10.0
"""Longer than a row lock is waited for, shorter than a lease lasts."""
SSL_MODES = ("disabled", "preferred", "required", "verify_ca", "verify_identity")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A parsed address. The password may be a reference to one; it is in no text made of this."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    database: str
    ssl_mode: str
    ssl_ca: str | None
    ssl_cert: str | None
    ssl_key: str | None
    answer_seconds: float
    """How long an answer of the server is waited for."""

    def __str__(self) -> str:
        return f"{self.host}:{self.port}/{self.database}"


def parse_address(text: str) -> Address:
    """The address, given without `mysql://`. StoreError, which does not quote it, when it has another form."""
    found = _PARTS.fullmatch(text)
    if found is None:
        raise StoreError(f"the address of the store must look like {FORM}, odd characters percent-encoded")
    options = dict(parse_qsl(found["query"] or "", keep_blank_values=True))
    if unknown := sorted(set(options) - _OPTIONS):
        raise StoreError(f"unknown in the address of the store: {', '.join(unknown)}")
    mode = options.get("ssl_mode", "verify_ca" if "ssl_ca" in options else "preferred").lower()
    if mode not in SSL_MODES:
        raise StoreError(f"ssl_mode in the address of the store must be one of {', '.join(SSL_MODES)}")
    _check_files(options, mode)
    return Address(
        host=unquote(found["host"]).strip("[]"),
        port=int(found["port"] or 3306),
        user=unquote(found["user"]),
        password=unquote(found["password"] or ""),
        database=unquote(found["database"]),
        ssl_mode=mode,
        ssl_ca=options.get("ssl_ca"),
        ssl_cert=options.get("ssl_cert"),
        ssl_key=options.get("ssl_key"),
        answer_seconds=_seconds(options.get("answer_seconds")),
    )


def _check_files(options: Mapping[str, str], mode: str) -> None:
    """StoreError: a file would be looked for where nobody means it, or be left unread."""
    for name in ("ssl_ca", "ssl_cert", "ssl_key"):
        if name in options and not Path(options[name]).is_absolute():
            raise StoreError(
                f"{name} in the address of the store must be a whole path, from / on, not {options[name]!r}"
            )
    if "ssl_ca" in options and not mode.startswith("verify"):
        raise StoreError(
            f"with ssl_mode={mode} in the address of the store nobody looks at its ssl_ca: say verify_identity or verify_ca, "
            "or leave ssl_ca out"
        )


def _seconds(text: str | None) -> float:
    if text is None:
        return ANSWER_SECONDS
    if not re.fullmatch(r"[0-9]{1,4}(\.[0-9]+)?", text) or not float(text):
        raise StoreError("answer_seconds in the address of the store must be a number above 0")
    return float(text)
