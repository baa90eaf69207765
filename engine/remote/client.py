"""The HTTP client of the other SchemaBot: one request, one JSON object, in finite time."""

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote, urlencode

import urllib3
from urllib3.exceptions import HTTPError, LocationValueError

from engine.errors import EngineError, Refused, TargetUnavailable

CONNECT_SECONDS = 5.0
LOOK_SECONDS = 5.0
"""For what is answered from the other's store."""
WORK_SECONDS = 25.0
"""For what the other asks its target for, or waits for: less than the 30 s clients give an answer of ours."""
MOST_BYTES = 64 * 1024 * 1024
CHUNK = 64 * 1024
AWAY = frozenset({429, 502, 503, 504})
"""Nobody decided anything: the other, or a proxy before it, cannot answer now."""


class Declined(EngineError):
    """The other SchemaBot answered, and the answer is no: `status`, its `text` and `code`."""

    def __init__(self, where: str, status: int, text: str, code: str = "") -> None:
        super().__init__(f"{where}: {text}")
        self.status = status
        self.text = text
        self.code = code

    def classed(self) -> EngineError:
        """As the server's classes have it: a 4xx is final, a 5xx may pass."""
        return Refused(str(self)) if self.status < 500 else TargetUnavailable(str(self))


@dataclass(frozen=True, slots=True)
class Answer:
    """A JSON object, and the other's clock when it was sent (seconds, its own epoch), if it said."""

    body: Mapping[str, Any]
    sent_at: float | None


class Client:
    """Talks to the server at *url*; shared by threads.

    Every request has a connection of its own: one that was kept could be half dead, and what was sent on it unknown.
    """

    def __init__(self, url: str, token: str = "") -> None:
        self.where = f"the SchemaBot at {url}"
        self._url = url.rstrip("/")
        self._headers = {"Accept": "application/json", "Connection": "close"}
        if token:
            self._headers["Authorization"] = f"Bearer {token}"
        self._pool = urllib3.PoolManager(num_pools=1, maxsize=8, retries=False)

    def get(self, path: str, query: Mapping[str, str], seconds: float = LOOK_SECONDS) -> Answer:
        """The answer to a GET. TargetUnavailable, Declined."""
        return self._send("GET", f"{path}?{urlencode(query)}" if query else path, None, seconds)

    def post(self, path: str, body: Mapping[str, Any], seconds: float = WORK_SECONDS) -> Answer:
        """The answer to a POST. TargetUnavailable: it may have been obeyed or not. Declined: it was not."""
        return self._send("POST", path, json.dumps(body).encode(), seconds)

    def _send(self, method: str, path: str, payload: bytes | None, seconds: float) -> Answer:
        headers = self._headers | ({"Content-Type": "application/json"} if payload is not None else {})
        deadline = time.monotonic() + seconds
        try:
            reply = self._pool.request(
                method,
                self._url + path,
                body=payload,
                headers=headers,
                redirect=False,
                preload_content=False,
                timeout=urllib3.Timeout(connect=min(CONNECT_SECONDS, seconds), read=seconds),
            )
            try:
                data = self._read(reply, deadline)
            finally:
                reply.close()
        except LocationValueError as error:
            raise Refused(f"{self.where}: not an address of a server") from error
        except (HTTPError, OSError) as error:
            raise TargetUnavailable(f"{self.where} cannot be reached: {_reason(error)}") from error
        return self._understood(reply.status, data, reply.headers.get("Date", ""))

    def _read(self, reply: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
        """The whole body; drop by drop it does not take for ever either."""
        chunks, size = [], 0
        while chunk := reply.read1(CHUNK):
            chunks.append(chunk)
            size += len(chunk)
            if time.monotonic() > deadline:
                raise TargetUnavailable(f"{self.where} takes too long to answer")
            if size > MOST_BYTES:
                raise Refused(f"{self.where} answers with more than {MOST_BYTES >> 20} MiB")
        return b"".join(chunks)

    def _understood(self, status: int, data: bytes, date: str) -> Answer:
        try:
            body = json.loads(data)
        except (ValueError, RecursionError):
            body = None
        if status == 200 and isinstance(body, dict):
            return Answer(body, _epoch(date))
        if status == 200:
            raise TargetUnavailable(f"{self.where} does not answer like a SchemaBot")
        said = body if isinstance(body, dict) else {}
        text = said.get("error")
        if not isinstance(text, str) or not text:
            text = f"HTTP {status}: {data[:100].decode('utf-8', 'replace').strip()}"
        if status in AWAY:
            raise TargetUnavailable(f"{self.where}: {text}")
        raise Declined(self.where, status, text, str(said.get("error_code") or ""))


def segment(text: str) -> str:
    """*text* as one segment of a path."""
    return quote(text, safe="")


def _reason(error: BaseException) -> str:
    """The innermost cause, in its own words: libraries wrap it in texts that name their own objects."""
    inner = next((part for part in reversed(error.args) if isinstance(part, BaseException)), error.__cause__)
    if inner is not None:
        return _reason(inner)
    text = str(error)
    return (text.rpartition(": ")[2] if "object at 0x" in text else text) or type(error).__name__


def _epoch(date: str) -> float | None:
    try:
        return parsedate_to_datetime(date).timestamp()
    except (TypeError, ValueError):
        return None
