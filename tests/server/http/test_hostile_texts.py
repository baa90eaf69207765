"""Names and texts made to mislead, on their way through plan, apply, progress, events and the daemon's own log."""

import logging
import sqlite3
import sys
import unicodedata
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from server.config import Config, DatabaseConfig, EnvironmentConfig, ServerConfig, StorageConfig
from server.daemon import Daemon
from server.logs import FORMAT, OneLine
from tests.server.http.api import Api, change
from tests.server.http.original import Original

NAMES = {
    "backtick": "a`b",
    "quotes": 'it\'s "quoted"',
    "newline": "two\nlines",
    "forged": "x\n2026-01-01 00:00:00,000 ERROR   worker-1 all is lost",
    "bidi": "gnp.\u202ecod\u2066",
    "escape": "red\x1b[31m\x07",
    "markup": "<img src=x onerror=alert(1)>&amp;",
    "format": "%s%n{0}${jndi:x}",
    "statement": "t; DROP TABLE orders; --",
    "longest": "é" * 64,
}


@pytest.fixture
def target(tmp_path: Path) -> Path:
    path = tmp_path / "shop.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
        connection.commit()
    return path


@pytest.fixture
def client(tmp_path: Path, target: Path) -> Iterator[Original]:
    environments = {"local": EnvironmentConfig(dsn=str(target))}
    config = Config(
        server=ServerConfig(listen_port=0, http_threads=2),
        storage=StorageConfig(url=str(tmp_path / "store.db")),
        databases={"shop": DatabaseConfig(type="sqlite", environments=environments)},
    )
    with Daemon(config) as daemon:
        yield Original(url=daemon.url, database="shop", kind="sqlite")


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def misleading(text: str) -> list[str]:
    """What in *text* would begin a line, move a cursor or reorder a line."""
    return [
        char
        for char in text
        if unicodedata.category(char) in ("Cc", "Zl", "Zp") or unicodedata.bidirectional(char) in BIDI
    ]


BIDI = ("RLO", "LRO", "RLE", "LRE", "PDF", "RLI", "LRI", "FSI", "PDI")


@pytest.mark.parametrize("kind", NAMES)
def test_a_misleading_table_is_changed_and_told_as_it_is_and_the_log_stays_readable(
    client: Original, target: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    name = NAMES[kind]
    orders = "CREATE TABLE orders (id INTEGER PRIMARY KEY);\n"
    client.files = {"shop.sql": f"{orders}CREATE TABLE {quoted(name)} (id INTEGER PRIMARY KEY, v TEXT);"}
    with caplog.at_level(logging.DEBUG):
        assert client.watch(client.apply("local")) == "completed"
        column = quoted(name + "2")
        text = f"CREATE TABLE {quoted(name)} (id INTEGER PRIMARY KEY, v INTEGER, {column} TEXT);"
        client.files = {"shop.sql": orders + text}
        apply_id = client.apply("local", allow_unsafe=True)
        assert client.watch(apply_id) == "completed"
    body = client.progress(apply_id)
    assert [table["table_name"] for table in body["tables"]] == [name], "data stays as it is"
    with closing(sqlite3.connect(target)) as connection:
        tables = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert {"orders", name} <= tables
    for entry in client.logs(apply_id):
        assert [char for char in misleading(entry["message"]) if char not in "\n\t"] == []
    formatter = OneLine(FORMAT)
    lines = [formatter.format(record) for record in caplog.records]
    assert any(apply_id in line for line in lines)
    assert [line for line in lines if misleading(line.replace("\t", ""))] == []


@pytest.mark.parametrize("kind", NAMES)
def test_a_misleading_name_in_any_field_is_refused_or_told_as_it_is(api: Api, kind: str) -> None:
    name = NAMES[kind]
    plan_id = api.planned(change("orders"))["plan_id"]
    bodies: tuple[tuple[str, dict[str, object]], ...] = (
        ("/api/apply", {"plan_id": plan_id, "environment": "staging", "caller": name}),
        ("/api/stop", {"database": "shop", "environment": "staging", "caller": name}),
        ("/api/apply", {"plan_id": name, "environment": name, "idempotency_key": name}),
        ("/api/stop", {"database": name, "environment": name, "apply_id": name}),
        ("/api/locks/acquire", {"database": name, "database_type": "sqlite", "owner": name}),
        ("/api/settings", {"key": name, "value": name}),
        ("/api/rollback/plan", {"apply_id": name}),
    )
    for path, body in bodies:
        answer = api.post(path, body)
        said = str(answer.json.get("error", ""))
        assert "internal error" not in said
        assert misleading(said) == []
        if "control characters" in said:
            assert misleading(name)
    for apply in api.store.recent():
        for entry in api.get(f"/api/logs?apply_id={apply.apply_uid}").json["logs"]:
            assert misleading(entry["message"]) == []


def test_a_traceback_cannot_forge_a_line_of_the_log() -> None:
    try:
        raise ValueError(NAMES["forged"])
    except ValueError:
        record = logging.LogRecord(
            "x", logging.ERROR, __file__, 1, "bug in %s", (NAMES["newline"],), sys.exc_info()
        )
    first, *rest = OneLine(FORMAT).format(record).split("\n")
    assert first.endswith("bug in two\\nlines")
    assert rest
    assert all(line.startswith("  | ") for line in rest)


def test_hostile_paths_and_queries_are_told_or_refused(api: Api) -> None:
    for path in (
        "/api/progress/%3Cscript%3E",
        "/api/history/%E2%80%AEgnp",
        "/api/progress/apply/two%0Alines",
        "/api/logs/a%60b?environment=%27%22",
        "/api/locks/%3B%20DROP/%25s",
        "/api/settings/" + "%C3%A9" * 300,
        "/api/databases/..%2F..%2Fetc%2Fpasswd/environments",
    ):
        answer = api.get(path)
        assert answer.status in (200, 404)
        assert "<script>" not in answer.text
