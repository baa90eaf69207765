"""The original's client, command by command, against the whole daemon and a real database (contract.md section 2)."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.config import Config, DatabaseConfig, EnvironmentConfig, ServerConfig, StorageConfig
from server.daemon import Daemon
from tests.server.http.original import Exit, Original

BEFORE = (
    "CREATE TABLE orders (id INTEGER PRIMARY KEY, quantity TEXT NOT NULL);\nCREATE TABLE notes (text TEXT);\n"
)
AFTER = BEFORE.replace("quantity TEXT", "quantity INTEGER").replace("text TEXT", "text TEXT, author TEXT")
UNSAFE = BEFORE.replace("CREATE TABLE notes (text TEXT);\n", "")
ENVIRONMENTS = ("production", "staging")


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    for name in ENVIRONMENTS:
        connection = sqlite3.connect(tmp_path / f"{name}.db")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.executescript(BEFORE)
        connection.executemany("INSERT INTO orders VALUES (?, ?)", [(n, "7") for n in range(200)])
        connection.commit()
        connection.close()
    environments = {name: EnvironmentConfig(dsn=str(tmp_path / f"{name}.db")) for name in ENVIRONMENTS}
    config = Config(
        server=ServerConfig(listen_port=0, http_threads=4),
        storage=StorageConfig(url=str(tmp_path / "store.db")),
        databases={"shop": DatabaseConfig(type="sqlite", environments=environments)},
    )
    with Daemon(config) as daemon:
        yield daemon.url


@pytest.fixture
def client(url: str) -> Original:
    return Original(url=url, database="shop", files={"shop.sql": AFTER})


def parked(client: Original) -> str:
    """An apply that waits for its cutover."""
    apply_id = client.apply("staging", defer_cutover=True)
    assert client.watch(apply_id, until=("waiting_for_cutover",)) == "waiting_for_cutover"
    return apply_id


def test_plan_asks_for_every_environment(client: Original) -> None:
    plans = client.plan()
    assert sorted(plans) == ["production", "staging"]
    for plan in plans.values():
        tables = [change["table_name"] for group in plan["changes"] for change in group["table_changes"]]
        assert sorted(tables) == ["notes", "orders"]
    with pytest.raises(Exit, match='no environments found for database "other"'):
        Original(client.url, "other").plan()


@pytest.mark.parametrize("namespace", [".", "default", "schema", "shop"])
def test_plan_takes_the_namespaces_the_client_makes_up(client: Original, namespace: str) -> None:
    client.namespace = namespace
    assert client.plan("staging")["staging"]["changes"]


def test_plan_says_what_is_wrong_with_a_file(client: Original) -> None:
    client.files = {"shop.sql": "CREATE TABLE nonsense (;"}
    with pytest.raises(Exit, match=r"^plan failed: .*shop\.sql"):
        client.plan("staging")


def test_apply_in_interactive_output_from_the_lock_to_the_end(client: Original) -> None:
    apply_id = client.apply("staging")
    assert client.watch(apply_id) == "completed"
    held = client.lock()
    assert held is not None, "without --yield the lock stays"
    assert held["owner"] == client.owner
    body = client.progress(apply_id)
    assert body["options"] == {"defer_deploy": "true"}
    assert body["caller"] == client.owner
    assert [table["status"] for table in body["tables"]] == ["completed", "completed"]
    assert [table["percent_complete"] for table in body["tables"]] == [100, 100]
    assert client.apply("staging") == ""
    assert client.printed[-1] == "No changes. Your schema is up-to-date."


def test_apply_in_json_output_without_watching(client: Original) -> None:
    apply_id = client.apply("staging", watch=False, no_lock=True)
    assert "options" not in client.progress(apply_id)
    assert client.watch(apply_id) == "completed"
    assert client.lock() is None


def test_apply_refuses_while_another_one_runs(client: Original) -> None:
    parked(client)
    with pytest.raises(Exit, match="already waiting_for_cutover"):
        client.apply("staging")
    plan_id = client.plan("staging")["staging"]["plan_id"]
    with pytest.raises(Exit, match="apply not accepted: schema change already in progress for this database"):
        client._submit(plan_id, "staging")
    assert client.watch(client.apply("production")) == "completed", "the other environment is free"


def test_apply_stops_at_unsafe_changes_and_never_says_allow_unsafe(client: Original) -> None:
    client.files = {"shop.sql": UNSAFE}
    with pytest.raises(Exit, match="Unsafe Changes Detected"):
        client.apply("staging")
    apply_id = client.apply("staging", allow_unsafe=True)
    assert client.watch(apply_id) == "completed"
    assert "allow_unsafe" not in client.progress(apply_id).get("options", {})


def test_a_failed_apply_shows_its_error_everywhere(client: Original, tmp_path: Path) -> None:
    plan_id = client.plan("staging")["staging"]["plan_id"]
    connection = sqlite3.connect(tmp_path / "staging.db")
    connection.execute("ALTER TABLE orders ADD COLUMN stranger TEXT")
    connection.close()
    apply_id = client._submit(plan_id, "staging")
    assert client.watch(apply_id) == "failed"
    by_id = client.progress(apply_id)
    assert (by_id["error_code"], "orders" in by_id["error_message"]) == ("engine_error", True)
    by_database = client.ask("GET", "/api/progress/shop?environment=staging").body
    assert (by_database["state"], by_database["error_message"]) == ("failed", by_id["error_message"])
    (past,) = client.history()
    assert (past["state"], past["error_code"], past["error"]) == (
        "failed",
        "engine_error",
        by_id["error_message"],
    )


def test_stop_start_and_cutover_of_a_change_that_waits(client: Original) -> None:
    apply_id = parked(client)
    stopped = client.control("stop", apply_id)
    assert (stopped["accepted"], stopped["stopped_count"]) == (True, 2)
    assert client.progress(apply_id)["state"] == "stopped", "the store says so before the answer does"
    with pytest.raises(Exit, match="cannot stop: stopped"):
        client.control("stop", apply_id)
    started = client.control("start", apply_id)
    assert (started["accepted"], started["started_count"]) == (True, 2)
    assert client.watch(apply_id, until=("waiting_for_cutover",)) == "waiting_for_cutover"
    assert client.control("cutover", apply_id)["accepted"] is True
    assert client.watch(apply_id) == "completed"
    late = client.ask(
        "POST", "/api/stop", {"database": "shop", "environment": "staging", "apply_id": apply_id}
    )
    assert (late.status, late.body["accepted"]) == (200, True), "a finished change is stopped gladly"


def test_what_an_engine_cannot_do_is_an_error_the_client_prints(client: Original) -> None:
    apply_id = parked(client)
    with pytest.raises(Exit, match="volume failed: volume not supported for SQLite engine"):
        client.control("volume", apply_id, volume=5)
    for verb, text in (
        ("revert", "revert failed: revert failed: revert not supported for SQLite engine"),
        (
            "skip-revert",
            "skip-revert failed: skip revert failed: skip revert not supported for SQLite engine",
        ),
    ):
        with pytest.raises(Exit, match=f"cannot {verb}"):
            client.control(verb, apply_id)
        answer = client.ask("POST", f"/api/{verb}", {"database": "shop", "environment": "staging"})
        assert (answer.status, answer.body) == (500, {"error": text, "error_code": ""})


def test_rollback_goes_back_to_the_schema_before_that_apply(client: Original, tmp_path: Path) -> None:
    apply_id = client.apply("staging")
    assert client.watch(apply_id) == "completed"
    back = client.rollback(apply_id, "staging")
    assert client.watch(back) == "completed"
    connection = sqlite3.connect(tmp_path / "staging.db")
    kinds = connection.execute("SELECT DISTINCT typeof(quantity) FROM orders").fetchall()
    connection.close()
    assert kinds == [("text",)]
    with pytest.raises(Exit, match="apply not found: apply-0"):
        client.rollback("apply-0", "staging")


def test_progress_status_and_history_of_what_happened(client: Original) -> None:
    nothing = client.ask("GET", "/api/progress/shop?environment=staging").body
    assert nothing["state"] == ""
    first = client.apply("staging")
    client.watch(first)
    second = client.apply("production", watch=False)
    client.watch(second)
    status = client.status()
    assert (status["active_count"], [row["apply_id"] for row in status["applies"]]) == (0, [second, first])
    assert [row["engine"] for row in status["applies"]] == ["sqlite", "sqlite"]
    assert [row["apply_id"] for row in client.history("staging")] == [first]
    answer = client.ask("GET", "/api/progress/apply/apply-none")
    assert (answer.status, answer.code) == (404, "not_found")


def test_following_the_logs_sees_every_entry_once(client: Original) -> None:
    apply_id = client.apply("staging")
    seen: list[int] = []
    while True:
        state = client.progress(apply_id)["state"]
        seen += [entry["id"] for entry in client.logs(apply_id, limit=100) if entry["id"] > (seen or [0])[-1]]
        if state == "completed":
            break
    assert seen == sorted(set(seen))
    assert seen == [entry["id"] for entry in client.logs(apply_id, limit=1000)]
    assert [entry["id"] for entry in client.logs(environment="staging", limit=2)] == seen[-2:]
    assert client.logs(environment="production") == []


def test_locks_between_two_people(client: Original, url: str) -> None:
    client.watch(client.apply("staging"))
    bob = Original(url=url, database="shop", files={"shop.sql": UNSAFE}, owner="cli:bob@desk")
    with pytest.raises(Exit, match="database is locked"):
        bob.apply("production", allow_unsafe=True)
    with pytest.raises(Exit, match="lock is not owned by you"):
        bob.unlock()
    assert [found["owner"] for found in bob.locks()] == [client.owner]
    assert bob.unlock(force=True) == "released"
    assert client.unlock() == "No lock found"
    client._lock(force=False)
    apply_id = bob.apply("staging", allow_unsafe=True, force=True)
    assert bob.watch(apply_id) == "completed"
    assert [found["owner"] for found in client.locks()] == [bob.owner]


def test_settings_are_read_even_by_a_name_with_a_slash(client: Original) -> None:
    assert client.settings("require_review") == "(not set)"
    client.settings("require_review", "true")
    client.settings("require_review:owner/repo", "false")
    assert client.settings("require_review:owner/repo") == "false"
    assert [row["key"] for row in client.settings()] == ["require_review", "require_review:owner/repo"]


def test_a_server_without_a_github_app_says_so(client: Original) -> None:
    answer = client.ask("POST", "/webhook", {"action": "opened"})
    assert (answer.status, answer.body["error"]) == (
        503,
        "GitHub App credentials not available — webhook endpoint is disabled",
    )
