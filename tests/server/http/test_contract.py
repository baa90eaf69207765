"""Points of the wire contract that no journey happens to touch."""

import pytest

from engine.base import Finding, Severity
from server.bodies import LONGEST_NAME, LONGEST_PASSAGE
from tests.server.http.api import Api, change, plan_request, result


def test_null_is_an_empty_request_as_in_the_original(api: Api) -> None:
    answer = api.call("POST", "/api/plan", b"null")
    assert (answer.status, answer.json["error"]) == (400, "database is required")


def test_the_conflict_of_a_lock_has_both_keys_of_an_error_too(api: Api) -> None:
    mine = {"database": "shop", "database_type": "mysql", "owner": "cli:ann@laptop"}
    api.post("/api/locks/acquire", mine)
    answer = api.post("/api/locks/acquire", {**mine, "owner": "cli:bob@desk"})
    assert (answer.status, answer.json["error_code"]) == (409, "")
    assert set(answer.json) == {"error", "error_code", "current_lock"}


def test_the_environments_of_a_database_here_are_found_whatever_deployment_is_named(api: Api) -> None:
    answer = api.get("/api/databases/shop/environments?deployment=elsewhere").json
    assert answer == {"database": "shop", "environments": ["production", "staging"]}


def test_a_retrying_apply_says_which_attempt_failed_and_when_the_next_is_due(api: Api) -> None:
    apply = api.applied()
    api.store.retry_later(api.claim(), None, "the target is away", 3600.0)
    body = api.get(f"/api/progress/apply/{apply.apply_uid}").json
    assert (body["state"], body["error_code"]) == ("failed_retryable", "engine_error_retryable")
    assert (body["attempt"], body["max_attempts"], body["error_message"]) == (0, 10, "the target is away")
    assert body["metadata"] == {"status_detail": f"retry 1 of 10 is due at {body['next_attempt_at']}"}
    (past,) = api.get("/api/history/shop").json["applies"]
    assert past["error_code"] == "engine_error_retryable"
    assert api.get("/api/status").json["active_count"] == 1


def test_an_idempotency_key_may_come_in_the_header_or_in_the_body(api: Api) -> None:
    body = {"plan_id": api.planned()["plan_id"], "environment": "staging"}
    first = api.call("POST", "/api/apply", body, {"Idempotency-Key": "once"}).json
    again = api.post("/api/apply", {**body, "idempotency_key": "once"}).json
    assert first == again
    other = api.call("POST", "/api/apply", {**body, "caller": "bob"}, {"Idempotency-Key": "once"})
    assert other.status == 409
    assert first["apply_id"] in other.json["error"]
    two = api.call("POST", "/api/apply", {**body, "idempotency_key": "a"}, {"Idempotency-Key": "b"})
    assert (two.status, two.json["error"]) == (
        400,
        "idempotency_key and the header Idempotency-Key differ: send one of them",
    )
    endless = api.call("POST", "/api/apply", body, {"Idempotency-Key": "k" * 300})
    assert endless.status == 400
    assert len(api.store.recent()) == 1


def test_a_setting_may_have_lines_and_no_more_than_every_store_keeps(api: Api) -> None:
    value = "one\ntwo\té" + "x" * 1000
    assert api.post("/api/settings", {"key": "motd", "value": value}).json["value"] == value
    assert api.get("/api/settings/motd").json["value"] == value
    answer = api.post("/api/settings", {"key": "motd", "value": "é" * LONGEST_PASSAGE})
    assert (answer.status, "must not be longer than 65535 bytes" in answer.json["error"]) == (400, True)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api/plan", plan_request(database="d" * (LONGEST_NAME + 1))),
        ("/api/plan", plan_request(environment="e" * 129)),
        ("/api/plan", plan_request(deployment="d" * (LONGEST_NAME + 1))),
        ("/api/plan", plan_request(schema_files={"n" * 256: {"files": {}}})),
        ("/api/plan", plan_request(schema_files={"n": {"files": {"f" * 256: ""}}})),
        ("/api/apply", {"plan_id": "p", "environment": "e", "idempotency_key": "k" * 256}),
        ("/api/apply", {"plan_id": "p", "environment": "e", "caller": "c" * 256}),
        ("/api/locks/acquire", {"database": "d", "database_type": "t" * 65, "owner": "o"}),
        ("/api/locks/acquire", {"database": "d", "database_type": "t", "owner": "o" * 256}),
        ("/api/settings", {"key": "k" * 256, "value": "v"}),
    ],
)
def test_names_longer_than_any_store_keeps_are_refused(api: Api, path: str, body: object) -> None:
    answer = api.post(path, body)
    assert answer.status == 400
    assert "must not be longer than" in answer.json["error"]


def test_the_lint_gate_and_the_unsafe_mark_agree(api: Api) -> None:
    """The original's client decides by the severity and prints the reason of the change."""
    api.engine.answer = result(
        change("orders", "loses data"),
        change("notes"),
        findings=(Finding(severity=Severity.WARNING, linter="x", message="hm", table="notes"),),
    )
    body = api.post("/api/plan", plan_request()).json
    unsafe = {
        table["table_name"]
        for group in body["changes"]
        for table in group["table_changes"]
        if table.get("is_unsafe")
    }
    flagged = {found["table"] for found in body["lint_violations"] if found["severity"] == "error"}
    assert unsafe == flagged == {"orders"}
