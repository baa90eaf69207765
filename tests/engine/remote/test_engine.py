"""The remote engine against far sides that misbehave: classed errors, finite answers, nothing believed blindly."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from engine.base import Finding, Job, Severity, Strategy, Target
from engine.errors import EngineError, Refused, TargetHeld, TargetUnavailable
from engine.registry import open_engine
from engine.remote.client import Client
from engine.remote.peer import Peer
from tests.engine.remote.scripted_far import Answer, Script, scripted_far

FILES = {"shop": {"shop.sql": "CREATE TABLE t (id INTEGER PRIMARY KEY);"}}
PULLED = {"type": "sqlite", "files": FILES}


def target(url: str) -> Target:
    return Target(kind="remote", database="shop", environment="staging", dsn=url, token="secret-token")


def test_the_target_keeps_its_token_out_of_its_text() -> None:
    assert "secret-token" not in repr(target("http://far"))


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        ((200, b"<html>hello</html>"), TargetUnavailable, "does not answer like a SchemaBot"),
        ((200, b"[1]"), TargetUnavailable, "does not answer like a SchemaBot"),
        ((200, b"[" * 100_000), TargetUnavailable, "does not answer like a SchemaBot"),
        ((302, b""), Refused, "HTTP 302"),
        ((401, b'{"error":"a token is needed","error_code":""}'), Refused, "a token is needed"),
        ((404, b"404 page not found\n"), Refused, "HTTP 404: 404 page not found"),
        ((500, b'{"error":"database is locked"}'), TargetUnavailable, "database is locked"),
        ((502, b"<html>bad gateway</html>"), TargetUnavailable, "HTTP 502"),
        ((503, b'{"error":"too many connections"}'), TargetUnavailable, "too many connections"),
        ((429, b"slowly"), TargetUnavailable, "slowly"),
    ],
)
def test_answers_are_classed(answer: Answer, error: type[EngineError], text: str) -> None:
    with scripted_far({"GET /api/status": lambda _: answer}) as far, pytest.raises(error) as caught:
        open_engine(target(far.url)).ping()

    assert type(caught.value) is error
    assert text in str(caught.value)
    assert far.url in str(caught.value)


def test_nobody_there_is_unavailable_and_says_so_plainly() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"

    with pytest.raises(TargetUnavailable) as caught:
        open_engine(target(url)).ping()

    assert str(caught.value) == (f"the SchemaBot at {url} cannot be reached: [Errno 111] Connection refused")


@contextmanager
def raw_server(serve: Callable[[socket.socket], None]) -> Iterator[str]:
    listener = socket.create_server(("127.0.0.1", 0))

    def run() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            serve(connection)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        thread.join(30)
        listener.close()


@pytest.mark.parametrize("drips", [True, False])
def test_an_answer_that_never_ends_or_never_comes_is_given_up(drips: bool) -> None:
    done = threading.Event()

    def serve(connection: socket.socket) -> None:
        try:
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n" if drips else b"")
            while not done.wait(0.05) if drips else not done.wait(30):
                connection.sendall(b" ")
        except OSError:
            pass

    with raw_server(serve) as url:
        began = time.monotonic()
        try:
            with pytest.raises(TargetUnavailable):
                Client(url).get("/api/status", {}, seconds=0.5)
        finally:
            done.set()
    assert time.monotonic() - began < 15


def test_an_answer_that_breaks_off_is_unavailable() -> None:
    def serve(connection: socket.socket) -> None:
        connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"state"')

    with raw_server(serve) as url, pytest.raises(TargetUnavailable, match="cannot be reached"):
        Client(url).get("/api/status", {})


def test_a_plan_comes_with_its_findings_its_strategies_and_the_plan_id_of_the_far_side() -> None:
    plan = {
        "plan_id": "plan-1",
        "changes": [
            {
                "namespace": "shop",
                "table_changes": [
                    {
                        "table_name": "t",
                        "ddl": "ALTER TABLE t …;",
                        "change_type": "alter",
                        "strategy": "instant",
                    },
                    {"table_name": "u", "ddl": "DROP TABLE u;", "change_type": "drop", "is_unsafe": True},
                    "nonsense",
                ],
            }
        ],
        "lint_violations": [
            {"message": "gone", "severity": "error", "severity_detail": "blocked", "table": "u", "line": 3},
            {"message": "odd", "severity": "catastrophe"},
        ],
        "unmanaged": ["view v", 7],
    }
    with scripted_far({"GET /api/pull/shop": lambda _: PULLED, "POST /api/plan": lambda _: plan}) as far:
        result = open_engine(target(far.url)).plan(FILES)

    assert [(c.key, c.strategy, c.unsafe, dict(c.spec)) for c in result.changes] == [
        (("shop", "t"), Strategy.INSTANT, (), {"plan_id": "plan-1"}),
        (("shop", "u"), Strategy.ONLINE, ("unsafe",), {"plan_id": "plan-1"}),
    ]
    assert result.findings == (
        Finding(severity=Severity.BLOCKED, linter="", message="gone", table="u", line=3),
        Finding(severity=Severity.ERROR, linter="", message="odd"),
    )
    assert (result.unmanaged, result.original) == (("view v",), FILES)


def test_progress_of_wrong_types_is_read_as_far_as_it_makes_sense() -> None:
    body: dict[str, Any] = {
        "state": "a state of the future",
        "attempt": "three",
        "next_attempt_at": "soon",
        "tables": [{"table_name": 3, "rows_copied": -5, "rows_total": 1.5, "status": None}, None],
    }
    with scripted_far({"GET /api/progress/apply/apply-1": lambda _: body}) as far:
        seen = Peer(target(far.url)).progress("apply-1")

    assert (seen.state, seen.retry_in, seen.tries) == ("a state of the future", None, "")
    assert [(table.table, table.rows_copied, table.rows_total) for table in seen.tables] == [("", 0, 0)]


def test_the_next_try_there_is_told_by_the_clock_there() -> None:
    # `Date` of the answer is the scripted far side's own; the stamp is an hour after it on the same clock.
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))
    with scripted_far(
        {"GET /api/progress/apply/apply-1": lambda _: {"state": "failed_retryable", "next_attempt_at": stamp}}
    ) as far:
        seen = Peer(target(far.url)).progress("apply-1")

    assert seen.retry_in is not None
    assert 3500 < seen.retry_in < 3700


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (
            {"accepted": False, "error_message": "schema change already in progress for this database"},
            TargetHeld,
        ),
        ({"accepted": False, "error_message": "unsafe changes need allow_unsafe"}, Refused),
        ({"accepted": True}, TargetUnavailable),
        ({"accepted": True, "apply_id": "../../etc"}, TargetUnavailable),
        ((500, b'{"error":"apply failed: plan not found: plan-1"}'), Refused),
        ((500, b'{"error":"apply failed: disk full"}'), TargetUnavailable),
        ((409, b'{"error":"the idempotency key was used before"}'), Refused),
    ],
)
def test_a_dispatch_is_classed(answer: Answer, error: type[EngineError]) -> None:
    with scripted_far({"POST /api/apply": lambda _: answer}) as far, pytest.raises(error) as caught:
        Peer(target(far.url)).dispatch("plan-1", "apply-here", {})
    assert type(caught.value) is error


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500])
def test_av_2_progress_that_cannot_be_read_is_never_final(status: int) -> None:
    script: Script = {"GET /api/progress/apply/apply-1": lambda _: (status, b'{"error":"no"}')}
    with scripted_far(script) as far, pytest.raises(TargetUnavailable):
        Peer(target(far.url)).progress("apply-1")


def test_a_session_without_a_hand_over_is_refused() -> None:
    with pytest.raises(Refused):
        open_engine(target("http://far")).open(Job(apply_uid="apply-1", fence=1, owner="me"))
