"""Two real daemons: what a person at the near one sees of a change that the far one makes."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.engine.remote.rig import BEFORE, QUICK, Sides, two_daemons


def rows_of(body: Any) -> dict[str, tuple[int, int]]:
    return {table["table_name"]: (table["rows_copied"], table["rows_total"]) for table in body["tables"]}


def test_a_plan_is_made_there_and_applied_there_and_shown_here(sides: Sides) -> None:
    status, plan = sides.plan()
    assert status == 200
    assert plan["engine"] == "Remote"
    changes = [change for group in plan["changes"] for change in group["table_changes"]]
    assert {change["table_name"]: change["strategy"] for change in changes} == {
        "notes": "instant",
        "orders": "online",
    }

    uid = sides.apply()
    sides.near.when(uid, "completed")

    sides.check_done(uid)
    body = sides.near.progress(uid)
    assert body["database_type"] == "sqlite"
    assert sides.far.asked("POST /api/apply") == 1
    status, again = sides.plan()
    assert (status, again["changes"]) == (200, [])


def test_the_schema_there_is_pulled_and_planning_it_changes_nothing(unchanged: Sides) -> None:
    pulled = unchanged.near.get("/api/pull/shop?environment=staging")
    assert pulled["type"] == "sqlite"

    (files,) = pulled["files"].values()
    status, plan = unchanged.plan("\n".join(files.values()))

    assert (status, plan["changes"]) == (200, [])


def test_what_is_found_there_is_said_here_and_what_is_unsafe_there_is_unsafe_here(unchanged: Sides) -> None:
    status, plan = unchanged.plan("CREATE TABLE orders (id INTEGER PRIMARY KEY, quantity TEXT NOT NULL);")
    assert status == 200
    (dropped,) = plan["changes"][0]["table_changes"]
    assert (dropped["change_type"], dropped["is_unsafe"]) == ("drop", True)
    assert dropped["unsafe_reason"] == plan["lint_violations"][0]["message"]

    request = {
        "plan_id": plan["plan_id"],
        "environment": "staging",
        "options": {"allow_unsafe": "false"},
    }
    _, answer = unchanged.near.call("POST", "/api/apply", request)

    assert answer["accepted"] is False
    assert "unsafe changes need allow_unsafe" in answer["error_message"]
    assert unchanged.far.applies() == []


def test_a_rollback_is_planned_from_what_was_there_before(sides: Sides) -> None:
    uid = sides.apply(QUICK)
    sides.near.when(uid, "completed")

    status, plan = sides.near.call("POST", "/api/rollback/plan", {"apply_id": uid})

    assert status == 200, plan
    (change,) = plan["changes"][0]["table_changes"]
    assert (change["table_name"], change["is_unsafe"]) == ("notes", True)


def test_a_rollback_of_a_rename_keeps_the_values_that_are_there(sides: Sides) -> None:
    with closing(sqlite3.connect(sides.target, isolation_level=None)) as target:
        target.execute("INSERT INTO notes VALUES (1, 'kept')")
    uid = sides.apply(BEFORE.replace("text TEXT", "words TEXT /* renamed from: text */"))
    sides.near.when(uid, "completed")

    status, plan = sides.near.call("POST", "/api/rollback/plan", {"apply_id": uid})
    assert status == 200, plan
    (finding,) = plan["lint_violations"]
    assert finding["message"] == 'Column rename detected in table "notes": "words" becomes "text"'
    request = {"plan_id": plan["plan_id"], "environment": "staging", "options": {"allow_unsafe": "false"}}
    _, answer = sides.near.call("POST", "/api/apply", request)
    sides.near.when(answer["apply_id"], "completed")

    with closing(sqlite3.connect(sides.target)) as target:
        assert target.execute("SELECT text FROM notes").fetchall() == [("kept",)]


def test_files_that_are_wrong_are_refused_in_the_words_of_the_far_side(unchanged: Sides) -> None:
    status, body = unchanged.plan("CREATE TABLE orders (id INTEGER PRIMARY KEY,, x);")

    assert status == 500
    assert body["error"].startswith("plan failed: the SchemaBot at http://127.0.0.1:")
    assert "shop.sql:1:" in body["error"]


def test_a_database_that_is_unknown_there_is_refused_with_what_the_far_side_says(unchanged: Sides) -> None:
    status, body = unchanged.plan(database="other")

    assert status == 500
    assert "unknown deployment: default" in body["error"]


def test_a_wrong_token_is_refused_and_never_shown(tmp_path: Path) -> None:
    with two_daemons(tmp_path, near_token="not-the-right-token") as sides:
        status, body = sides.plan()

        assert status == 500
        assert "a valid token is needed" in body["error"]
        assert "not-the-right-token" not in json.dumps(body) + sides.near.log()


def test_a_token_that_was_renewed_is_used_without_a_restart(tmp_path: Path) -> None:
    with two_daemons(tmp_path, near_token="not-the-right-token") as sides:
        assert sides.plan()[0] == 500

        (tmp_path / "token").write_text("far-and-secret-token")

        assert sides.plan()[0] == 200


def test_rc_3_a_plan_that_no_longer_fits_there_fails_here(sides: Sides) -> None:
    status, plan = sides.plan()
    assert status == 200
    with closing(sqlite3.connect(sides.target)) as target:
        target.execute("ALTER TABLE notes ADD COLUMN surprise TEXT")

    _, answer = sides.near.call("POST", "/api/apply", {"plan_id": plan["plan_id"], "environment": "staging"})
    body = sides.near.when(answer["apply_id"], "failed")

    assert "plan again" in body["error_message"]
    assert sides.kinds() == {"text"}


def test_ow_4_a_target_that_is_changed_there_by_others_makes_us_wait(sides: Sides) -> None:
    uid, _ = sides.copying()
    sides.near.end()
    (sides.near.folder / "schemabot.db").rename(sides.near.folder / "forgotten.db")
    for left in sides.near.folder.glob("schemabot.db-*"):
        left.unlink()
    sides.near.start()

    second = sides.apply()
    body = sides.near.when(second, "failed_retryable")

    assert "already in progress" in body["error_message"]
    assert "external_id" not in body
    assert uid != second


def test_i8_tables_that_are_live_there_are_completed_here_while_the_rest_goes_on(sides: Sides) -> None:
    uid, _ = sides.copying()

    body = sides.near.once(
        uid,
        lambda body: "completed" in [table["status"] for table in body["tables"]],
        "one table completed before the other",
    )

    assert body["state"] == "running"
    assert {table["table_name"]: table["status"] for table in body["tables"]} == {
        "notes": "completed",
        "orders": "running",
    }
    sides.far.set("slow", on=False)
    near = sides.near.when(uid, "completed")
    sides.check_done(uid)
    far = sides.far.progress(near["external_id"])
    assert rows_of(near) == rows_of(far)
    assert sum(copied for copied, _ in rows_of(near).values()) > 0


def test_st_4_completed_there_is_not_success_when_the_live_table_differs(sides: Sides) -> None:
    uid, far_uid = sides.copying()
    sides.near.end()
    sides.far.set("slow", on=False)
    sides.far.when(far_uid, "completed")
    with closing(sqlite3.connect(sides.target)) as target:
        target.execute("ALTER TABLE orders ADD COLUMN surprise TEXT")

    sides.near.start()
    body = sides.near.when(uid, "failed")

    assert "orders is not what the plan wanted" in body["error_message"]


@pytest.mark.parametrize("path", ["/api/databases/shop/environments", "/api/databases/never/environments"])
def test_the_environments_of_the_deployment_are_those_of_its_databases(unchanged: Sides, path: str) -> None:
    assert unchanged.near.get(path)["environments"] == ["staging"]
    assert unchanged.near.get("/api/databases")["deployments"] == [
        {"name": "default", "environments": ["staging"]}
    ]
