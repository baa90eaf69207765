"""Secrets given by reference, and keeping them out of every text people see (AV-6)."""

import os
import re
import threading
from pathlib import Path

from storage.errors import Unavailable

HIDDEN = "[hidden]"
MOST_BYTES = 64 * 1024
SHORTEST_REMEMBERED = 6
"""A shorter secret is not searched for in texts: it would blank out ordinary words."""

_known: set[str] = set()
_known_lock = threading.Lock()

# Bounded repeats: texts of strangers pass through here. `cli:me@host`, who is no secret, is left alone, and so is the word
# `password` itself: in our own texts it shows where one goes.
_PASSWORD_IN_URL = re.compile(r"(?P<user>://[^\s:/@]{0,200}):(?P<password>[^\s/]{1,200})@")
_PASSWORD_IN_DSN = re.compile(r"(?P<user>):(?P<password>\S{1,200})@(?=(?:tcp|unix)?\()")
_THE_WORD = "password"
_NAMED_VALUE = re.compile(
    r"(?i)\b(password|passwd|pwd|secret|token|api[_-]?key)=(\"[^\"]*\"|'[^']*'|[^\s,;&]+)"
)
_BEARER = re.compile(r"(?i)\b(bearer\s+)[A-Za-z0-9._~+/=-]{4,}")


class SecretError(Exception):
    """A secret cannot be read; the text names the reference, never the value."""


def resolve(text: str) -> str:
    """What *text* stands for: `env:NAME`, `file:/path` (surrounding space removed), else *text* itself.

    SecretError when the variable or the file is missing, unreadable or empty. Fetched values are kept, so
    that `redact` knows them.
    """
    if text.startswith("env:"):
        return _remember(_from_environment(text.removeprefix("env:")))
    if text.startswith("file:"):
        return _remember(_from_file(text.removeprefix("file:")))
    return text


def resolve_for_store(text: str) -> str:
    """The same for the password in the store's address; Unavailable, as the store's other trouble, when it cannot be read."""
    try:
        return resolve(text)
    except SecretError as error:
        raise Unavailable(f"the password of the store: {error}") from error


def redact(text: str) -> str:
    """*text* without what `resolve` fetched, passwords in URLs, bearer tokens and `password=` values."""
    with _known_lock:
        known = sorted(_known, key=len, reverse=True)
    for secret in known:
        text = text.replace(secret, HIDDEN)
    text = _PASSWORD_IN_URL.sub(_hidden, text)
    text = _PASSWORD_IN_DSN.sub(_hidden, text)
    text = _BEARER.sub(rf"\1{HIDDEN}", text)
    return _NAMED_VALUE.sub(rf"\1={HIDDEN}", text)


def _hidden(found: re.Match[str]) -> str:
    return found[0] if found["password"] == _THE_WORD else f"{found['user']}:{HIDDEN}@"


def _from_environment(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        raise SecretError(f"the environment variable {name} is not set (or empty)")
    return value


def _from_file(name: str) -> str:
    try:
        with Path(name).expanduser().open("rb") as file:
            value = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise SecretError(f"the secret file {name} cannot be read: {error.strerror}") from error
    if len(value) > MOST_BYTES:
        raise SecretError(f"the secret file {name} is larger than {MOST_BYTES} bytes")
    try:
        text = value.decode().strip()
    except UnicodeDecodeError:
        # Without `from`: the decoder's error carries the bytes.
        raise SecretError(f"the secret file {name} is not UTF-8 text") from None
    if not text:
        raise SecretError(f"the secret file {name} is empty")
    return text


def _remember(value: str) -> str:
    if len(value) >= SHORTEST_REMEMBERED:
        with _known_lock:
            _known.add(value)
    return value
