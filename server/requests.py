"""HTTP/1.1 messages: bytes of a connection to requests, responses to bytes. Strict: what is doubtful is refused."""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from urllib.parse import parse_qsl, unquote

from server.bodies import JSON_TYPE, encode

HEAD_BYTES = 16 * 1024
BODY_BYTES = 8 * 1024 * 1024
HEADER_LINES = 100

_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_REQUEST_LINE = re.compile(rb"([A-Z]{1,32}) ([\x21-\x7e]+) HTTP/(\d)\.(\d)")
_BAD_VALUE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")
_FIRST_BYTE = frozenset(range(ord("A"), ord("Z") + 1))


class Malformed(Exception):
    """The bytes are no request we serve; answer with `status` and close: what follows cannot be trusted."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One complete request. Header names are in lower case; of a repeated query key the first value counts."""

    method: str
    segments: tuple[str, ...]  # the path between its slashes, percent-decoded
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    keep_alive: bool = True
    params: Mapping[str, str] = field(default_factory=dict)  # of the path; set by the routing
    peer: str = ""  # the address it came from; set by the server
    user: str = ""  # name of the token it came with; set by the routing
    role: str = ""  # of that token; set by the routing


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What to answer."""

    status: int = 200
    body: bytes = b""
    content_type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)

    def to_bytes(self, *, head: bool, close: bool) -> bytes:
        """The whole message, for one write; *head* leaves the body out, *close* announces the end."""
        lines = [
            f"HTTP/1.1 {self.status} {_phrase(self.status)}",
            f"Date: {_date(int(time.time()))}",
            f"Content-Type: {self.content_type}",
            f"Content-Length: {len(self.body)}",
            "X-Content-Type-Options: nosniff",
            *(f"{name}: {value}" for name, value in self.headers.items()),
            *(("Connection: close",) if close else ()),
        ]
        text = "\r\n".join(lines) + "\r\n\r\n"
        return text.encode("latin-1", errors="replace") + (b"" if head else self.body)


@dataclass(frozen=True, slots=True)
class Later:
    """Not answered yet: call *then* again after *seconds*. No thread waits meanwhile."""

    seconds: float
    then: Callable[[], "Response | Later"]


def error_response(
    status: int, text: str, code: str = "", headers: Mapping[str, str] | None = None
) -> Response:
    """The one shape of an error: both keys, always."""
    body = encode({"error": text, "error_code": code})
    return Response(status=status, body=body, content_type=JSON_TYPE, headers=headers or {})


@dataclass(frozen=True, slots=True)
class _Head:
    request: Request
    length: int
    wants_continue: bool


class Incoming:
    """The bytes of one connection no request was made of yet; at most a head, a body and one read beyond them."""

    def __init__(self, *, head_bytes: int = HEAD_BYTES, body_bytes: int = BODY_BYTES) -> None:
        self._head_bytes = head_bytes
        self._body_bytes = body_bytes
        self._buffer = bytearray()
        self._searched = 0
        self._head: _Head | None = None

    def __len__(self) -> int:
        return len(self._buffer)

    @property
    def begun(self) -> bool:
        """Whether part of a request has arrived."""
        return bool(self._buffer) or self._head is not None

    def feed(self, data: bytes) -> None:
        """Take what was read."""
        self._buffer += data

    def take(self) -> Request | None:
        """The next complete request, or None until more bytes come. Malformed ends the connection."""
        if self._head is None:
            self._head = self._take_head()
        head = self._head
        if head is None or len(self._buffer) < head.length:
            return None
        body = bytes(self._buffer[: head.length])
        del self._buffer[: head.length]
        self._head = None
        request = head.request
        return Request(
            method=request.method,
            segments=request.segments,
            query=request.query,
            headers=request.headers,
            body=body,
            keep_alive=request.keep_alive,
        )

    def wants_continue(self) -> bool:
        """Whether the client waits for `100 Continue` before it sends the body; true once per request."""
        head = self._head
        if head is None or not head.wants_continue or self._buffer:
            return False
        self._head = _Head(head.request, head.length, wants_continue=False)
        return True

    def _take_head(self) -> _Head | None:
        while self._buffer.startswith(b"\r\n"):
            del self._buffer[:2]
        if self._buffer and self._buffer[0] not in _FIRST_BYTE and self._buffer != b"\r":
            raise Malformed(400, "this is not an HTTP request (is the client speaking TLS?)")
        end = self._buffer.find(b"\r\n\r\n", max(0, self._searched - 3))
        if end > self._head_bytes or (end < 0 and len(self._buffer) > self._head_bytes):
            raise Malformed(431, f"the request's headers are larger than {self._head_bytes} bytes")
        if end < 0:
            self._searched = len(self._buffer)
            return None
        raw = bytes(self._buffer[:end])
        del self._buffer[: end + 4]
        self._searched = 0
        head = _parse_head(raw)
        if head.length > self._body_bytes:
            raise Malformed(413, f"the request's body is larger than {self._body_bytes} bytes")
        return head


def _parse_head(raw: bytes) -> _Head:
    first, *lines = raw.split(b"\r\n")
    line = _REQUEST_LINE.fullmatch(first)
    if line is None:
        raise Malformed(400, "the request line is malformed")
    method, target, major, minor = line.groups()
    if major != b"1" or minor not in (b"0", b"1"):
        raise Malformed(505, "this server speaks HTTP/1.1")
    headers = _parse_headers(lines)
    _check_host(headers, required=minor == b"1")
    segments, query = _parse_target(target.decode("ascii"))
    length = _body_length(headers)
    single = {name: ", ".join(values) for name, values in headers.items()}
    expect = single.get("expect", "").lower()
    if expect not in ("", "100-continue"):
        raise Malformed(417, f"cannot meet the expectation {expect!r}")
    tokens = {part.strip().lower() for part in single.get("connection", "").split(",")}
    request = Request(
        method=method.decode("ascii"),
        segments=segments,
        query=query,
        headers=single,
        keep_alive=minor == b"1" and "close" not in tokens,
    )
    return _Head(request, length, wants_continue=bool(expect) and minor == b"1" and length > 0)


def _parse_headers(lines: list[bytes]) -> dict[str, list[str]]:
    if len(lines) > HEADER_LINES:
        raise Malformed(431, f"more than {HEADER_LINES} header lines")
    headers: dict[str, list[str]] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        # No folding, no space before the colon, no bare CR or LF: each has been used to smuggle requests.
        if not colon or not _TOKEN.fullmatch(name) or _BAD_VALUE.search(value):
            raise Malformed(400, "a header line is malformed")
        headers.setdefault(name.decode("ascii").lower(), []).append(value.strip(b" \t").decode("latin-1"))
    return headers


def _check_host(headers: Mapping[str, list[str]], *, required: bool) -> None:
    hosts = headers.get("host", [])
    if len(hosts) > 1:
        raise Malformed(400, "more than one Host header")
    if required and not hosts:
        raise Malformed(400, "the Host header is missing")


def _body_length(headers: Mapping[str, list[str]]) -> int:
    if "transfer-encoding" in headers:
        raise Malformed(501, "Transfer-Encoding is not supported: send Content-Length")
    lengths = headers.get("content-length", [])
    if not lengths:
        return 0
    if len(lengths) > 1:
        raise Malformed(400, "more than one Content-Length header")
    if not re.fullmatch(r"[0-9]{1,18}", lengths[0], re.ASCII):
        raise Malformed(400 if len(lengths[0]) < 19 else 413, "Content-Length must be a plain number")
    return int(lengths[0])


def _parse_target(target: str) -> tuple[tuple[str, ...], dict[str, str]]:
    path, _, query_text = _origin_form(target).partition("?")
    try:
        segments = tuple(unquote(part, errors="strict") for part in path[1:].split("/"))
        pairs = parse_qsl(query_text, keep_blank_values=True, errors="strict", max_num_fields=100)
    except ValueError:
        raise Malformed(400, "the request target is not valid UTF-8 or has too many parameters") from None
    query: dict[str, str] = {}
    for name, value in pairs:
        query.setdefault(name, value)
    return segments, query


def _origin_form(target: str) -> str:
    """Path and query of a target; `http://host/path`, as proxies send it, is one too."""
    scheme, mark, rest = target.partition("://")
    if mark and scheme.lower() in ("http", "https"):
        target = "/" + rest.partition("/")[2]
    if not target.startswith("/"):
        raise Malformed(400, "the request target must be a path")
    return target


@lru_cache(maxsize=2)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"
