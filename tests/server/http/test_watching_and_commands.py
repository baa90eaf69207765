"""Progress, status, history, logs and commands on the wire."""

import re

import pytest

from server.secrets import SecretError
from storage.records import TaskMove, TaskProgress
from storage.states import State
from tests.server.http.api import Api, StubbornEngine, change, meanwhile
from tests.waiting import until

PARSED_BY_THE_ORIGINAL = re.compile(r"(\d+)/(\d+)\s+([\d.]+)%\s+(\w+)(?:\s+ETA\s+([^\(]+))?")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def place(apply_id: str = "") -> dict[str, str]:
    return {"database": "shop", "environment": "staging", **({"apply_id": apply_id} if apply_id else {})}


# -- progress ---------------------------------------------------------------------------------------------------


def test_progress_is_drawn_from_the_store_while_rows_are_copied(api: Api) -> None:
    """ST-5: nobody asks the engine, and nothing is written."""
    apply = api.applied(
        change("orders"), change("users"), caller="cli:me@here", options={"defer_cutover": "true"}
    )
    claim = api.claim()
    api.store.advance(claim, [TaskMove(seq=api.store.tasks(apply.id)[0].seq, state=State.RUNNING)])
    seq = api.store.tasks(apply.id)[0].seq
    row = TaskProgress(
        seq=seq, rows_copied=333, rows_total=1000, eta_seconds=62, rows_per_second=11, detail="copying rows"
    )
    api.store.record(claim, [row], durable=False)
    before = (api.store.apply(apply.apply_uid), api.store.events(apply.id))
    body = api.get(f"/api/progress/apply/{apply.apply_uid}").json
    assert (api.store.apply(apply.apply_uid), api.store.events(apply.id)) == before
    assert api.engine.target.told == []
    assert (body["state"], body["engine"], body["apply_id"]) == ("running", "SQLite", apply.apply_uid)
    assert (body["database"], body["environment"], body["caller"]) == ("shop", "staging", "cli:me@here")
    assert (body["attempt"], body["max_attempts"], body["options"]) == (0, 10, {"defer_cutover": "true"})
    assert TIME.fullmatch(body["started_at"])
    assert "completed_at" not in body
    assert "error_message" not in body
    assert body["summary"] == "0 of 2 changes done; orders: copying rows"
    orders, users = body["tables"]
    detail = PARSED_BY_THE_ORIGINAL.fullmatch(orders["progress_detail"])
    assert detail is not None
    assert detail.groups() == ("333", "1000", "33.3", "copyRows", "1m2s")
    assert {
        key: orders[key] for key in ("table_name", "status", "rows_copied", "rows_total", "percent_complete")
    } == {
        "table_name": "orders",
        "status": "running",
        "rows_copied": 333,
        "rows_total": 1000,
        "percent_complete": 33,
    }
    assert (orders["keyspace"], orders["change_type"], orders["eta_seconds"]) == ("main", "alter", 62)
    assert (orders["strategy"], orders["rows_per_second"], orders["detail"]) == ("online", 11, "copying rows")
    assert orders["task_id"].startswith("task-")
    assert (users["status"], users["rows_copied"], users["percent_complete"]) == ("pending", 0, 0)
    assert "progress_detail" not in users


def test_a_copy_that_is_not_over_never_says_100_percent(api: Api) -> None:
    apply = api.applied()
    claim = api.claim()
    seq = api.store.tasks(apply.id)[0].seq
    api.store.advance(claim, [TaskMove(seq=seq, state=State.RUNNING)])
    api.store.record(claim, [TaskProgress(seq=seq, rows_copied=1000, rows_total=1000)], durable=False)
    (table,) = api.get("/api/progress/shop?environment=staging").json["tables"]
    assert (table["status"], table["percent_complete"]) == ("running", 99)
    api.store.complete(claim)
    body = api.get("/api/progress/shop?environment=staging").json
    assert (body["state"], body["tables"][0]["percent_complete"]) == ("completed", 100)
    assert TIME.fullmatch(body["completed_at"])


def test_an_engine_that_is_not_heard_of_has_no_pace(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its target may be blocked by a full disk: what it did before says nothing of the time left."""
    apply = api.applied()
    claim = api.claim()
    seq = api.store.tasks(apply.id)[0].seq
    api.store.advance(claim, [TaskMove(seq=seq, state=State.RUNNING)])
    row = TaskProgress(
        seq=seq, rows_copied=333, rows_total=1000, eta_seconds=62, rows_per_second=11, detail="copying rows"
    )
    api.store.record(claim, [row], durable=False)
    monkeypatch.setattr("server.api.progress.SILENT_SECONDS", 0.0)
    (table,) = api.get("/api/progress/shop?environment=staging").json["tables"]
    assert re.fullmatch(r"copying rows; nothing heard since \d\d:\d\d:\d\d UTC", table["detail"])
    assert (table["progress_detail"], table["rows_copied"]) == ("333/1000 33.3% copyRows", 333)
    assert not {"eta_seconds", "rows_per_second"} & table.keys()


@pytest.mark.parametrize("state", [State.WAITING_FOR_CUTOVER, State.STOPPED])
def test_an_apply_at_rest_does_nothing(api: Api, state: State) -> None:
    apply = api.applied()
    claim = api.claim()
    seq = api.store.tasks(apply.id)[0].seq
    api.store.advance(claim, [TaskMove(seq=seq, state=State.RUNNING)])
    row = TaskProgress(seq=seq, rows_copied=9, rows_total=9, detail="catching up")
    api.store.record(claim, [row], durable=False)
    if state is State.STOPPED:
        request = api.store.request(apply.apply_uid, "stop", "test")
        api.store.settle_stop(claim, request.id)
    else:
        api.store.advance(claim, [TaskMove(seq=seq, state=state)])
        api.store.park(claim, 30.0)
    (table,) = api.get("/api/progress/shop?environment=staging").json["tables"]
    assert (table["status"], "detail" in table) == (state.value, False)


def test_a_failed_apply_has_its_error_and_a_retrying_one_says_when(api: Api) -> None:
    apply = api.applied()
    claim = api.claim()
    seq = api.store.tasks(apply.id)[0].seq
    api.store.advance(claim, [TaskMove(seq=seq, state=State.RUNNING)])
    api.store.retry_later(claim, seq, "database is locked\x1b[2J", 3600.0)
    body = api.get(f"/api/progress/apply/{apply.apply_uid}").json
    assert (body["state"], body["error_code"]) == ("failed_retryable", "engine_error_retryable")
    assert body["error_message"] == "database is locked"
    assert TIME.fullmatch(body["next_attempt_at"])
    assert body["summary"] == "retry 1 of 10 is due"
    api.store.request(apply.apply_uid, "cancel", "test")
    second = api.store.claim("worker", 60.0)
    assert second is not None
    api.store.fail(second, None, "duplicate key")
    body = api.get(f"/api/progress/apply/{apply.apply_uid}").json
    assert (body["state"], body["error_code"], body["error_message"]) == (
        "failed",
        "engine_error",
        "duplicate key",
    )


def test_progress_by_database_shows_the_live_apply_then_the_last_one(api: Api) -> None:
    body = api.get("/api/progress/shop?environment=staging").json
    assert (body["state"], body["engine"]) == ("", "")
    first = api.applied()
    assert api.get("/api/progress/shop").json["apply_id"] == first.apply_uid  # staging is the default
    assert api.get("/api/progress/shop?environment=production").json["state"] == ""
    api.store.request(first.apply_uid, "cancel", "test")
    body = api.get("/api/progress/shop?environment=staging").json
    assert (body["apply_id"], body["state"]) == (first.apply_uid, "cancelled")
    second = api.applied()
    assert api.get("/api/progress/shop?environment=staging").json["apply_id"] == second.apply_uid
    assert api.get(f"/api/progress/shop?apply_id={first.apply_uid}").json["apply_id"] == first.apply_uid


def test_the_only_environment_needs_no_name(api: Api) -> None:
    assert api.get("/api/progress/solo").json["state"] == ""


def test_progress_of_nothing_known_says_so(api: Api) -> None:
    for path, status, code, text in (
        ("/api/progress/apply/apply-x", 404, "not_found", "apply not found: apply-x"),
        (
            "/api/progress/shop?apply_id=apply-x",
            500,
            "storage_error",
            'failed to resolve apply_id: apply "apply-x" not found',
        ),
        ("/api/progress/other", 404, "deployment_not_found", "unknown deployment: default"),
        ("/api/progress/shop?environment=moon", 404, "deployment_not_found", "unknown deployment: shop"),
    ):
        answer = api.get(path)
        assert (answer.status, answer.json) == (status, {"error": text, "error_code": code})


# -- status, history, logs --------------------------------------------------------------------------------------


def test_status_and_history_show_applies_newest_first(api: Api) -> None:
    first = api.applied()
    api.store.request(first.apply_uid, "cancel", "test")
    second = api.applied(caller="cli:me@here")
    status = api.get("/api/status").json
    assert status["active_count"] == 1
    assert {row["apply_id"] for row in status["applies"]} == {first.apply_uid, second.apply_uid}
    row = next(row for row in status["applies"] if row["apply_id"] == second.apply_uid)
    assert {key: row[key] for key in ("database", "environment", "state", "engine", "caller")} == {
        "database": "shop",
        "environment": "staging",
        "state": "pending",
        "engine": "sqlite",
        "caller": "cli:me@here",
    }
    assert TIME.fullmatch(row["updated_at"])
    history = api.get("/api/history/shop").json
    assert [row["apply_id"] for row in history["applies"]] == [second.apply_uid, first.apply_uid]
    assert (history["database"], history["applies"][1]["caller"]) == ("shop", "cli")
    assert TIME.fullmatch(history["applies"][1]["completed_at"])
    assert api.get("/api/history/shop?environment=production").json["applies"] == []
    assert api.get("/api/history/unheard-of").json == {"database": "unheard-of", "applies": []}


def test_a_stopped_apply_is_not_counted_as_active(api: Api) -> None:
    apply = api.applied()
    api.store.request(apply.apply_uid, "stop", "test")
    assert api.get("/api/status").json["active_count"] == 0


def test_logs_are_the_newest_in_the_order_they_happened(api: Api) -> None:
    apply = api.applied()
    claim = api.claim()
    for number in range(60):
        api.store.log(claim, "info", "info", f"line {number}")
    body = api.get(f"/api/logs?apply_id={apply.apply_uid}&limit=3").json
    assert body["apply_id"] == apply.apply_uid
    assert [entry["message"] for entry in body["logs"]] == ["line 57", "line 58", "line 59"]
    ids = [entry["id"] for entry in body["logs"]]
    assert ids == sorted(ids)
    entry = body["logs"][0]
    assert (entry["level"], entry["event_type"], entry["apply_id"]) == ("info", "info", apply.apply_uid)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entry["created_at"])
    for limit in ("", "0", "-3", "many", "1e3", "٣"):
        assert (
            len(api.call("GET", f"/api/logs?apply_id={apply.apply_uid}&limit={quoted(limit)}").json["logs"])
            == 50
        )
    assert api.get("/api/logs/shop?environment=staging&limit=1").json["logs"][0]["message"] == "line 59"
    assert api.get("/api/logs/shop?environment=production").json == {"logs": []}


def quoted(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text.encode())


def test_logs_of_nothing_say_what_is_missing(api: Api) -> None:
    for path, status, text in (
        ("/api/logs", 400, "apply_id is required"),
        ("/api/logs/shop", 400, "environment or apply_id is required"),
        ("/api/logs?apply_id=apply-x", 404, "apply not found"),
        ("/api/logs/shop?apply_id=apply-x", 404, "apply not found"),
    ):
        answer = api.get(path)
        assert (answer.status, answer.json) == (status, {"error": text, "error_code": ""})


# -- commands ---------------------------------------------------------------------------------------------------


def test_stop_of_an_apply_nobody_drives_is_settled_at_once(api: Api) -> None:
    """CO-1."""
    apply = api.applied(change("orders"), change("users"))
    answer = api.post("/api/stop", {**place(apply.apply_uid), "deployment": "ignored"}).json
    assert answer == {"accepted": True, "stopped_count": 2, "skipped_count": 0}
    assert api.store.apply(apply.apply_uid).state is State.STOPPED
    assert api.post("/api/stop", place()).json == {
        "accepted": True,
        "stopped_count": 0,
        "skipped_count": 2,
        "error_message": "Schema change already stopped",
    }


def test_the_answer_to_a_stop_comes_after_the_store_says_stopped(api: Api) -> None:
    """CO-1: a driver holds the apply; it takes its time, and no thread of the server waits meanwhile."""
    apply = api.applied()
    claim = api.claim()
    answers: list[State] = []

    def ask() -> None:
        body = api.post("/api/stop", place(apply.apply_uid)).json
        assert (body["accepted"], body["stopped_count"]) == (True, 1)
        answers.append(api.store.apply(apply.apply_uid).state)

    with meanwhile(ask), meanwhile(ask), meanwhile(ask), meanwhile(ask), meanwhile(ask):
        until("it is asked for", lambda: api.store.pending_requests(apply.id))
        for _ in range(20):  # five clients wait, four threads serve
            assert api.get("/livez").status == 200
        assert answers == []
        (request,) = api.store.pending_requests(apply.id)
        api.store.settle_stop(claim, request.id)
    assert answers == [State.STOPPED] * 5


def test_a_stop_that_meets_a_finished_change_says_finished(api: Api) -> None:
    """CO-3."""
    apply = api.applied()
    claim = api.claim()
    bodies: list[dict[str, object]] = []
    with meanwhile(lambda: bodies.append(api.post("/api/stop", place(apply.apply_uid)).json)):
        until("it is asked for", lambda: api.store.pending_requests(apply.id))
        api.store.complete(claim)
    finished = {
        "accepted": True,
        "stopped_count": 0,
        "skipped_count": 1,
        "error_message": "Schema change already completed",
    }
    assert bodies == [finished]
    assert api.post("/api/stop", place(apply.apply_uid)).json == finished


def test_a_stop_the_driver_does_not_confirm_is_recorded_and_says_so(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.api.controls.STOP_SECONDS", 0.2)
    apply = api.applied()
    api.claim()
    body = api.post("/api/stop", place(apply.apply_uid)).json
    assert body["accepted"] is False
    assert "recorded, but not yet confirmed" in body["error_message"]
    assert [request.kind for request in api.store.pending_requests(apply.id)] == ["stop"]


def test_start_makes_a_stopped_apply_due_again(api: Api) -> None:
    apply = api.applied(change("orders"), change("users"))
    early = api.post("/api/start", place(apply.apply_uid)).json
    assert (early["accepted"], early["error_code"], early["started_count"]) == (False, "engine_error", 0)
    assert "only a stopped schema change can be started" in early["error_message"]
    api.post("/api/stop", place())
    api.woken.clear()
    answer = api.post("/api/start", place(apply.apply_uid)).json
    assert answer == {"accepted": True, "started_count": 2, "skipped_count": 0}
    assert api.store.apply(apply.apply_uid).state is State.PENDING
    assert api.woken == [True]


def test_cancel_ends_an_apply_that_never_began(api: Api) -> None:
    apply = api.applied()
    answer = api.post("/api/cancel", {**place(apply.apply_uid), "caller": "cli:me@here"}).json
    assert answer == {"accepted": True, "cancelled_count": 1, "skipped_count": 0}
    assert api.store.apply(apply.apply_uid).state is State.CANCELLED
    again = api.post("/api/cancel", place(apply.apply_uid)).json
    assert (again["accepted"], again["error_message"]) == (True, "Schema change already cancelled")
    line = 'schemabot_control_operations_total{database="shop",environment="staging",operation="cancel",status="success"} 2.0'
    assert api.metric(line)
    assert any("cli:me@here" in event.message for event in api.store.events(apply.id))


def test_cancel_of_a_driven_apply_is_acknowledged_once_it_is_durable(api: Api) -> None:
    apply = api.applied()
    api.claim()
    assert api.post("/api/cancel", place(apply.apply_uid)).json["accepted"] is True
    assert [request.kind for request in api.store.pending_requests(apply.id)] == ["cancel"]
    refused = api.post("/api/stop", place(apply.apply_uid)).json
    assert refused["accepted"] is False
    assert "being cancelled" in refused["error_message"]


def test_cancel_of_a_finished_change_is_refused(api: Api) -> None:
    """ST-1."""
    apply = api.applied()
    api.store.complete(api.claim())
    answer = api.post("/api/cancel", place(apply.apply_uid)).json
    assert answer["accepted"] is False
    assert "already completed" in answer["error_message"]


def test_cutover_needs_a_change_that_waits_for_it(api: Api) -> None:
    """CO-2."""
    apply = api.applied(options={"defer_cutover": "true"})
    early = api.post("/api/cutover", place(apply.apply_uid)).json
    assert early["accepted"] is False
    assert "waiting_for_cutover" in early["error_message"]
    claim = api.claim()
    seq = api.store.tasks(apply.id)[0].seq
    api.store.advance(claim, [TaskMove(seq=seq, state=State.WAITING_FOR_CUTOVER)])
    api.store.park(claim, 3600.0)
    assert api.get(f"/api/progress/apply/{apply.apply_uid}").json["state"] == "waiting_for_cutover"
    assert api.post("/api/cutover", place()).json == {"accepted": True}
    assert api.store.next_due() == pytest.approx(0.0, abs=1.0)


def test_an_engine_that_cannot_pause_names_what_it_can(api: Api) -> None:
    """CO-2."""
    apply = api.applied()
    api.targets.scripted = StubbornEngine()
    answer = api.post("/api/stop", place(apply.apply_uid)).json
    assert answer["accepted"] is False
    assert answer["error_message"] == "SQLite cannot stop a schema change: it cannot pause; cancel it instead"
    assert api.store.apply(apply.apply_uid).state is State.PENDING


@pytest.mark.parametrize(
    ("operation", "none"),
    [
        ("stop", "no active schema change"),
        ("cancel", "no active schema change"),
        ("start", "no stopped schema change to resume"),
        ("cutover", "no active schema change"),
        ("volume", "no active schema change"),
        ("revert", "no active schema change"),
        ("skip-revert", "no active schema change"),
    ],
)
def test_a_command_about_nothing_says_so(api: Api, operation: str, none: str) -> None:
    path = f"/api/{operation}"
    for body, status, text in (
        ({}, 400, "database is required"),
        ({"database": "shop"}, 500, f"{operation} failed: {none}"),
        ({"database": "other"}, 404, "unknown deployment: default"),
        ({"database": "shop", "apply_id": "apply-x"}, 500, 'resolve apply_id: apply "apply-x" not found'),
    ):
        answer = api.post(path, body)
        assert (answer.status, answer.json) == (status, {"error": text, "error_code": ""})


@pytest.mark.parametrize(
    ("operation", "text"),
    [
        ("volume", "volume failed: volume not supported for SQLite engine"),
        ("revert", "revert failed: revert failed: revert not supported for SQLite engine"),
        (
            "skip-revert",
            "skip-revert failed: skip revert failed: skip revert not supported for SQLite engine",
        ),
    ],
)
def test_what_no_engine_here_can_do_is_refused(api: Api, operation: str, text: str) -> None:
    apply = api.applied()
    api.targets.scripted = StubbornEngine()
    answer = api.post(f"/api/{operation}", {**place(apply.apply_uid), "volume": 5})
    assert (answer.status, answer.json["error"]) == (500, text)
    if operation == "volume":
        answer = api.post("/api/volume", {**place(apply.apply_uid), "volume": 12})
        assert (answer.status, answer.json["error"]) == (400, "volume must be between 1 and 11")


def test_a_command_never_reaches_another_target_than_its_sender_meant(api: Api) -> None:
    apply = api.applied()
    for body in ({"database": "solo"}, {"database": "shop", "environment": "production"}):
        answer = api.post("/api/stop", {**body, "apply_id": apply.apply_uid})
        assert answer.status == 400
        assert answer.json["error"].startswith(f"{apply.apply_uid} belongs to shop/staging, not to ")
    assert api.store.apply(apply.apply_uid).state is State.PENDING
    assert api.post("/api/stop", {"database": "shop", "apply_id": apply.apply_uid}).json["accepted"]


def test_commands_work_without_a_back_end(api: Api) -> None:
    """RC-5: a target nobody can reach any more can still be given up."""
    apply = api.applied()
    api.targets.broken = SecretError("the environment variable SHOP_DSN is not set (or empty)")
    assert api.post("/api/stop", place(apply.apply_uid)).json["accepted"]
    assert api.post("/api/cancel", place(apply.apply_uid)).json["accepted"]
    assert api.store.apply(apply.apply_uid).state is State.CANCELLED


def test_the_volume_is_kept_with_the_apply_and_shown(api: Api) -> None:
    apply = api.applied(options={"volume": "2"})
    asked = {**place(apply.apply_uid), "volume": 9, "caller": "cli:me@here"}
    assert api.post("/api/volume", asked).json == {"accepted": True, "previous_volume": 2, "new_volume": 9}
    body = api.get(f"/api/progress/apply/{apply.apply_uid}").json
    assert (body["volume"], body["options"]["volume"]) == (9, "9")
    assert api.get("/api/status").json["applies"][0]["volume"] == 9
    assert any("by cli:me@here" in event.message for event in api.store.events(apply.id))
    for wrong in (0, 12, -1):
        answer = api.post("/api/volume", {**place(apply.apply_uid), "volume": wrong})
        assert (answer.status, answer.json["error"]) == (400, "volume must be between 1 and 11")
    api.post("/api/cancel", place(apply.apply_uid))
    over = api.post("/api/volume", asked).json
    assert (over["accepted"], over["previous_volume"], over["new_volume"]) == (False, 9, 9)
    assert "already cancelled" in over["error_message"]


def test_nobody_asks_for_a_volume_that_means_nothing(api: Api) -> None:
    plan_id = api.planned()["plan_id"]
    for wrong in ("0", "12", "loud", "٣", "03x"):
        body = {"plan_id": plan_id, "environment": "staging", "options": {"volume": wrong}}
        answer = api.post("/api/apply", body)
        assert (answer.status, "options.volume" in answer.json["error"]) == (400, True)
    api.targets.scripted = StubbornEngine()
    body = {"plan_id": plan_id, "environment": "staging", "options": {"volume": "5"}}
    refused = api.post("/api/apply", body).json
    assert (refused["accepted"], refused["error_message"]) == (
        False,
        "SQLite cannot change the volume of a copy: apply without volume",
    )
