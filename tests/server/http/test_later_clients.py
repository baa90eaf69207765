"""What later clients of the original ask for beyond contract.md: an apply by its id alone, a list by question, and more."""

from typing import Any

import pytest

from storage.states import State
from tests.server.http.api import Api, change


def named(apply_id: str, **more: object) -> dict[str, object]:
    """A later client's command: no database."""
    return {"environment": "staging", "apply_id": apply_id, "caller": "cli:ann@laptop", **more}


# -- commands ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", ["stop", "cancel"])
def test_a_command_may_name_the_apply_alone(api: Api, verb: str) -> None:
    apply = api.applied()
    answer = api.post(f"/api/{verb}", named(apply.apply_uid))
    assert (answer.status, answer.json["accepted"]) == (200, True)
    event = next(event for event in api.store.events(apply.id) if "ann" in event.message)
    assert event.event_type == f"{verb}_requested"


def test_a_stopped_apply_is_started_again_by_its_id(api: Api) -> None:
    apply = api.applied()
    api.post("/api/stop", named(apply.apply_uid))
    assert api.post("/api/start", named(apply.apply_uid)).json["accepted"]
    assert api.store.apply(apply.apply_uid).state is State.PENDING


@pytest.mark.parametrize("verb", ["stop", "start", "cancel", "cutover", "volume", "revert", "release"])
def test_a_command_that_names_nothing_is_refused(api: Api, verb: str) -> None:
    answer = api.post(f"/api/{verb}", {"environment": "staging", "volume": 3})
    assert (answer.status, answer.json["error"]) == (400, "database is required")


def test_an_apply_named_alone_still_belongs_to_its_environment(api: Api) -> None:
    apply = api.applied()
    answer = api.post("/api/stop", {"environment": "production", "apply_id": apply.apply_uid})
    text = f"{apply.apply_uid} belongs to shop/staging, not to shop/production"
    assert (answer.status, answer.json["error"]) == (400, text)
    answer = api.post("/api/rollback/plan", {"environment": "production", "apply_id": apply.apply_uid})
    text = f"{apply.apply_uid} belongs to shop/staging, not to production"
    assert (answer.status, answer.json["error"]) == (400, text)


def test_nothing_here_is_a_paused_rollout(api: Api) -> None:
    apply = api.applied()
    answer = api.post("/api/release", named(apply.apply_uid))
    text = f"{apply.apply_uid} is no paused rollout; it is pending"
    assert (answer.status, answer.json) == (200, {"accepted": False, "error_message": text})


# -- status -----------------------------------------------------------------------------------------------------


def listed(api: Api, query: str) -> list[str]:
    return [found["apply_id"] for found in api.get(f"/api/status?{query}").json["applies"]]


def history(api: Api) -> dict[str, str]:
    """One apply in each of four states, on three targets; by state."""
    ended = api.applied()
    api.store.complete(api.claim())
    failed = api.applied(change("users"))
    api.store.fail(api.claim(), None, "no room left")
    plan_id = api.planned(environment="production")["plan_id"]
    body = {"plan_id": plan_id, "environment": "production"}
    stopped = api.post("/api/apply", body).json["apply_id"]
    api.post("/api/stop", {"apply_id": stopped})
    waiting = api.applied(change("notes"))
    return {
        "completed": ended.apply_uid,
        "failed": failed.apply_uid,
        "stopped": stopped,
        "pending": waiting.apply_uid,
    }


def test_the_list_of_applies_answers_questions(api: Api) -> None:
    made = history(api)
    everything = [made[state] for state in ("pending", "stopped", "failed", "completed")]
    assert listed(api, "") == everything
    assert listed(api, "environment=staging&limit=1000") == [
        made["pending"],
        made["failed"],
        made["completed"],
    ]
    assert listed(api, "environment=production") == [made["stopped"]]
    assert listed(api, "deployment=shop&last=1h30m") == everything
    assert listed(api, "deployment=other") == []
    assert listed(api, "failed=true") == [made["failed"]]
    assert listed(api, "state=STOPPED") == [made["stopped"]]
    assert listed(api, "active=true&environment=staging") == [made["pending"]], "stopped is not active"
    assert listed(api, "active=true&environment=production") == []
    assert listed(api, "active=true&failed=true") == []


def test_the_list_says_how_it_was_cut(api: Api) -> None:
    made = history(api)
    body = api.get("/api/status?limit=2&failed=false").json
    assert [found["apply_id"] for found in body["applies"]] == [made["pending"], made["stopped"]]
    assert (body["active_count"], body["limit"], body["max_limit"], body["has_more"]) == (1, 2, 1000, True)
    body = api.get("/api/status?failed=1&state=failed&last=24h0m0s").json
    assert (body["failures_only"], body["state"], body["last"]) == (True, "failed", "24h0m0s")
    assert "has_more" not in body
    (failed,) = body["applies"]
    assert (failed["error_message"], failed["deployment"]) == ("no room left", "shop")
    assert api.get("/api/status?limit=99999").json["limit"] == 1000


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("limit=0", "limit must be a positive integer"),
        ("limit=-1", "limit must be a positive integer"),
        ("limit=ten", "limit must be a positive integer"),
        ("failed=maybe", "failed must be a boolean"),
        ("active=2", "active must be a boolean"),
        ("state=asleep", "state must be one of applying_branch_changes"),
        ("last=yesterday", "last must be a duration"),
        ("last=5", "last must be a duration"),
        ("last=0s", "last must be a duration above 0"),
    ],
)
def test_a_question_nobody_can_answer_is_refused(api: Api, query: str, text: str) -> None:
    answer = api.get(f"/api/status?{query}")
    assert (answer.status, answer.json["error"].startswith(text)) == (400, True), answer.json


# -- pull -------------------------------------------------------------------------------------------------------


def test_a_live_schema_is_pulled_by_table(api: Api) -> None:
    wanted: dict[str, Any] = {"database": "shop", "environment": "staging", "type": "sqlite"}
    table = {"orders": "CREATE TABLE orders (id INTEGER PRIMARY KEY);\n"}
    assert api.post("/api/pull", wanted).json == {
        **wanted,
        "namespaces": {"main": {"tables": table}},
        "table_count": 1,
    }
    body = api.post("/api/pull", {**wanted, "namespaces": ["other"]}).json
    assert (body["namespaces"], body["table_count"]) == ({}, 0)
    assert api.post("/api/pull", {"environment": "staging"}).json["error"] == "database is required"
    assert api.post("/api/pull", {**wanted, "namespaces": "main"}).status == 400
    assert api.post("/api/pull", {**wanted, "database": "other"}).json["error_code"] == "deployment_not_found"
