"""The HTTP client of the daemon: one request, one JSON object, or an error a person can act on."""

import json
import os
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

import urllib3
from urllib3.exceptions import (
    HTTPError,
    LocationValueError,
    NameResolutionError,
    NewConnectionError,
    SSLError,
    TimeoutError,
)

from cli.errors import ApiError, Unreachable, WrongUsage

TIMEOUT_SECONDS = 30.0
LIKE = "write it like http://127.0.0.1:13370"
ELSEWHERE = (
    "start it: schemabot serve\n"
    "or name another: --endpoint URL, SCHEMABOT_ENDPOINT, or a profile (schemabot configure)"
)
SLOW = "try again; if it stays so, look at the server's log and at what lies between (proxy, TLS, firewall)"
TRUST = (
    "if the certificate is signed by your own authority: export SSL_CERT_FILE=/path/ca.pem\n"
    "if the server speaks plain HTTP: write http:// instead of https://"
)
ERROR_KEYS = ("error", "message", "error_message")


class Client:
    """Talks to the server at `endpoint`; used by one thread. Only status 200 is success.

    *recover* is asked for another address when nobody listens at `endpoint` any more (a daemon that ended); the request,
    which nobody has seen, is then sent there once.
    """

    def __init__(
        self, endpoint: str, *, token: str | None = None, recover: Callable[[], str] | None = None
    ) -> None:
        self.endpoint = _checked(endpoint)
        self._recover = recover
        self._headers = {"Accept": "application/json"}
        token = os.environ.get("SCHEMABOT_TOKEN", "") if token is None else token
        if token:
            self._headers["Authorization"] = f"Bearer {_header_safe(token)}"
        self._pool = urllib3.PoolManager(retries=False, timeout=TIMEOUT_SECONDS)

    def get(self, path: str, **query: str | int) -> dict[str, Any]:
        """The JSON answer to a GET; empty values are left out of the query."""
        given = {name: value for name, value in query.items() if value != ""}
        return self._request("GET", f"{path}?{urlencode(given)}" if given else path, None)

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The JSON answer to a POST of *body*."""
        return self._request("POST", path, body)

    def delete(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """The JSON answer to a DELETE with a *body*."""
        return self._request("DELETE", path, body)

    def close(self) -> None:
        """Let go of the connections."""
        self._pool.clear()

    def _request(self, method: str, path: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
        try:
            return self._send(method, path, body)
        except Unreachable as error:
            if error.sent or self._recover is None:
                raise
        self.endpoint = self._recover()
        return self._send(method, path, body)

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None) -> dict[str, Any]:
        endpoint = self.endpoint
        headers = dict(self._headers)
        payload = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            payload = json.dumps(body).encode()
        try:
            answer = self._pool.request(
                method, endpoint + path, body=payload, headers=headers, redirect=False
            )
            return _decoded(answer.status, answer.data)
        except NameResolutionError as error:
            raise Unreachable(f"cannot resolve host: {endpoint}", ELSEWHERE, sent=False) from error
        except NewConnectionError as error:
            raise Unreachable(
                f"cannot connect to {endpoint} (is the server running?)", ELSEWHERE, sent=False
            ) from error
        except SSLError as error:
            raise Unreachable(f"no secure connection to {endpoint}: {error}", TRUST, sent=False) from error
        except TimeoutError as error:
            raise Unreachable(f"connection timeout: {endpoint}", SLOW) from error
        except LocationValueError as error:
            raise WrongUsage(f"not an address of a server: {endpoint}", LIKE) from error
        except HTTPError as error:
            raise Unreachable(f"connection failed: {endpoint}", SLOW) from error


def segment(text: str) -> str:
    """*text* as one segment of a path."""
    return quote(text, safe="")


def _checked(endpoint: str) -> str:
    try:
        url = urllib3.util.parse_url(endpoint)
    except LocationValueError as error:
        raise WrongUsage(f"not an address of a server: {endpoint}", LIKE) from error
    if url.scheme not in ("http", "https") or not url.host:
        raise WrongUsage(f"not an address of a server: {endpoint}", LIKE)
    if url.auth:
        raise WrongUsage("the endpoint must not hold a password", "put a token into SCHEMABOT_TOKEN instead")
    return endpoint


def _header_safe(token: str) -> str:
    token = token.strip()
    if not token.isascii() or not token.isprintable() or " " in token:
        raise WrongUsage(
            "SCHEMABOT_TOKEN holds characters that no token has", "set it again, without quotes or line ends"
        )
    return token


def _decoded(status: int, data: bytes) -> dict[str, Any]:
    try:
        body = json.loads(data)
    except ValueError:
        body = None
    if status != 200:
        raise _refusal(status, data, body)
    if isinstance(body, dict):
        return body
    if data.lstrip()[:1] == b"<":
        raise ApiError(status, "unexpected response from server (received HTML, expected JSON)")
    raise ApiError(status, f"unexpected response from server: {_start(data)}")


def _refusal(status: int, data: bytes, body: Any) -> ApiError:
    fields = body if isinstance(body, dict) else {}
    texts = [fields[key] for key in ERROR_KEYS if isinstance(fields.get(key), str) and fields[key]]
    message = texts[0] if texts else f"HTTP {status}: {_start(data)}"
    return ApiError(status, message, str(fields.get("error_code") or ""), fields)


def _start(data: bytes) -> str:
    return data[:100].decode("utf-8", "replace").strip()
