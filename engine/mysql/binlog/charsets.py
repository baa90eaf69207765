"""A statement in the binary log as text: its session wrote it in a character set of its own, which the event tells."""

from collections.abc import Iterator
from struct import Struct

from pymysql.charset import charset_by_id

_FLAGS, _SQL_MODE, _CATALOG, _AUTO_INCREMENT, _CHARSET, _CATALOG_NZ = 0, 1, 2, 3, 4, 6
_SIZES = {_FLAGS: 4, _SQL_MODE: 8, _AUTO_INCREMENT: 4}
"""Of the status variables that may stand before the character set."""
_U16 = Struct("<H").unpack_from
_UTF8 = "utf-8"


def readings(text: bytes, status: bytes) -> tuple[str, ...]:
    """What *text* may say, *status* being the status variables of its event; empty: nobody here can read it.

    What the server wrote itself, as of DROP TABLE, is in UTF-8 whatever the session speaks.
    """
    encodings = [_UTF8] if text.isascii() else list(dict.fromkeys((_encoding(status), _UTF8)))
    return tuple(other for encoding in encodings for other in _decoded(text, encoding))


def _decoded(text: bytes, encoding: str) -> Iterator[str]:
    try:
        found = text.decode(encoding)
    except (LookupError, UnicodeDecodeError):
        return
    yield found
    if "/*M!" in found:
        yield found.replace("/*M!", "/*")  # to MySQL it is a comment like any other


def _encoding(status: bytes) -> str:
    """Python's name of the session's character_set_client; the numbers that the driver does not know are all of UTF-8."""
    at = 0
    while at < len(status):
        code = status[at]
        if code == _CHARSET:
            try:
                return charset_by_id(_U16(status, at + 1)[0]).encoding
            except KeyError:
                return _UTF8
        if code in (_CATALOG, _CATALOG_NZ):
            at += 2 + status[at + 1] + (code == _CATALOG)
        elif code in _SIZES:
            at += 1 + _SIZES[code]
        else:
            break
    return _UTF8
