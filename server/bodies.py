"""JSON bodies: read strictly by field and type, written as the wire contract says."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NoReturn

JSON_TYPE = "application/json"
LONGEST_NAME = 255
LONGEST_ENVIRONMENT = 128
LONGEST_TYPE = 64
LONGEST_PASSAGE = 65_535
"""Bytes; like the others, what every store keeps whole."""

_ESCAPED = re.compile("[<>&\u2028\u2029]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f]")


class BadBody(Exception):
    """The request's body cannot be understood; the text names the field and what it must be."""


def encode(value: Mapping[str, Any]) -> bytes:
    """*value* as compact JSON, `<>&` escaped, ending with a newline."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    text = _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    return text.encode("utf-8", errors="replace") + b"\n"


def stamp(time: datetime | None) -> str | None:
    """RFC 3339 in UTC, to the second."""
    return None if time is None else time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def exact_stamp(time: datetime) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.") + f"{time.microsecond // 1000:03d}Z"


def sparse(**fields: Any) -> dict[str, Any]:
    """The *fields* without those that are None, empty, zero or false: optional on the wire."""
    return {name: value for name, value in fields.items() if value}


def decode(body: bytes) -> "Fields":
    """The JSON object of *body*; BadBody. As the original does, only the first value is read, and null is {}."""
    try:
        text = body.decode("utf-8-sig").lstrip(" \t\r\n")
    except UnicodeDecodeError as error:
        raise BadBody(f"not UTF-8 text (byte {error.start})") from None
    if not text:
        raise BadBody("EOF")
    try:
        value, _ = _DECODER.raw_decode(text)
    except RecursionError:
        raise BadBody("nested too deeply") from None
    except json.JSONDecodeError as error:
        raise BadBody(f"{error.msg} (line {error.lineno}, column {error.colno})") from None
    except ValueError as error:  # NaN, or a number of thousands of digits
        raise BadBody(str(error).partition(";")[0]) from None
    if value is not None and not isinstance(value, dict):
        raise BadBody(f"must be an object, not {_kind(value)}")
    return Fields(value or {})


class Fields:
    """An object's fields, by name in any case; unknown ones are ignored, null is absent. Wrong types: BadBody."""

    def __init__(self, value: Mapping[str, Any], place: str = "") -> None:
        self._place = place
        self._value = {_whole(name).lower(): item for name, item in value.items()}

    def text(self, name: str, most: int = LONGEST_NAME) -> str:
        """A string of at most *most* characters without control characters; "" when absent."""
        value = self._get(name)
        if value is None:
            return ""
        return self._name(name, value, most)

    def passage(self, name: str) -> str:
        """A longer string, of any characters; "" when absent."""
        value = self._get(name)
        if value is None:
            return ""
        if not isinstance(value, str):
            self._wrong(name, "a string", value)
        text = _whole(value)
        if len(text.encode()) > LONGEST_PASSAGE:
            raise BadBody(f"{self._place}{name} must not be longer than {LONGEST_PASSAGE} bytes")
        return text

    def integer(self, name: str) -> int | None:
        """A 32-bit whole number, or None when absent."""
        value = self._get(name)
        if value is None:
            return None
        if type(value) is not int:
            self._wrong(name, "a whole number", value)
        if not -(2**31) <= value < 2**31:
            raise BadBody(f"{self._place}{name} must fit in 32 bits, not {value}")
        return value

    def flag(self, name: str) -> bool:
        """True or false; false when absent."""
        value = self._get(name)
        if value is not None and not isinstance(value, bool):
            self._wrong(name, "true or false", value)
        return bool(value)

    def names(self, name: str) -> dict[str, str]:
        """An object of short strings; {} when absent."""
        found = self._object(name)
        return {_whole(key): self._name(f"{name}.{_whole(key)}", value) for key, value in found.items()}

    def texts(self, name: str) -> list[str]:
        """An array of short strings; [] when absent."""
        value = self._get(name)
        if value is None:
            return []
        if not isinstance(value, list):
            self._wrong(name, "an array", value)
        return [self._name(f"{name}[{number}]", item) for number, item in enumerate(value)]

    def files(self, name: str) -> dict[str, dict[str, str]]:
        """An object of `{"files": {file name: text}}`; {} when absent."""
        found = {}
        for key, value in self._object(name).items():
            place = f"{self._place}{name}.{_whole(key)}"
            if value is not None and not isinstance(value, dict):
                raise BadBody(f'{place} must be an object with "files", not {_kind(value)}')
            found[self._name(f"{name} key", key)] = Fields(value or {}, f"{place}.")._texts("files")
        return found

    def _texts(self, name: str) -> dict[str, str]:
        texts = {}
        for key, value in self._object(name).items():
            if not isinstance(value, str):
                self._wrong(f"{name}.{_whole(key)}", "a string", value)
            texts[self._name(f"{name} key", key)] = _whole(value)
        return texts

    def _object(self, name: str) -> Mapping[str, Any]:
        value = self._get(name)
        if value is None:
            return {}
        if not isinstance(value, dict):
            self._wrong(name, "an object", value)
        return value

    def _name(self, name: str, value: Any, most: int = LONGEST_NAME) -> str:
        if not isinstance(value, str):
            self._wrong(name, "a string", value)
        if len(value) > most:
            raise BadBody(f"{self._place}{name} must not be longer than {most} characters")
        if _CONTROL.search(value):
            raise BadBody(f"{self._place}{name} must not hold control characters")
        return _whole(value)

    def _get(self, name: str) -> Any:
        return self._value.get(name)

    def _wrong(self, name: str, wanted: str, value: Any) -> NoReturn:
        raise BadBody(f"{self._place}{name} must be {wanted}, not {_kind(value)}")


def _whole(text: str) -> str:
    """*text* with lone surrogates (possible in JSON, not in UTF-8) replaced, as the original does."""
    return _SURROGATE.sub("\ufffd", text)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "true or false"
    names: dict[type, str] = {
        int: "a number",
        float: "a number",
        str: "a string",
        list: "an array",
        dict: "an object",
    }
    return names.get(type(value), "null")
