"""Plans, applies and rollbacks on the wire: shapes, refusals, gates."""

import pytest

from engine.base import Finding, PlanResult, Severity
from engine.errors import BadFiles, Refused, TargetUnavailable
from server.secrets import SecretError
from storage.states import State
from tests.server.http.api import Api, ScriptedEngine, StubbornEngine, change, meanwhile, plan_request, result

NO_FILES = (
    "schema_files is required: must contain at least one namespace "
    '(JSON field for files is "files", not "sql_files")'
)


def test_a_plan_shows_every_change_with_its_strategy_and_lock(api: Api) -> None:
    warning = Finding(
        severity=Severity.WARNING,
        linter="name_case",
        message="not lower case",
        table="orders",
        file="o.sql",
        line=3,
    )
    api.engine.answer = result(
        change("orders", "DROP COLUMN c loses data"), change("users"), findings=(warning,)
    )
    body = api.post("/api/plan", plan_request()).json
    assert body["plan_id"].startswith("plan-")
    assert (body["engine"], body["errors"], body["unmanaged"]) == ("SQLite", [], ["trigger audit"])
    (group,) = body["changes"]
    assert group["namespace"] == "main"
    orders, users = group["table_changes"]
    assert orders == {
        "table_name": "orders",
        "namespace": "main",
        "ddl": change("orders").ddl,
        "change_type": "alter",
        "is_unsafe": True,
        "unsafe_reason": "DROP COLUMN c loses data",
        "strategy": "online",
        "lock": "blocks writers for an instant",
    }
    assert "is_unsafe" not in users
    unsafe, named = body["lint_violations"]
    assert (unsafe["severity"], unsafe["linter"], unsafe["table"]) == ("error", "unsafe", "orders")
    assert named == {
        "message": "not lower case",
        "severity": "warning",
        "severity_detail": "warning",
        "table": "orders",
        "linter": "name_case",
        "file": "o.sql",
        "line": 3,
    }


def test_the_same_question_has_the_same_plan_id_and_another_one_another(api: Api) -> None:
    ids = [api.post("/api/plan", plan_request()).json["plan_id"] for _ in range(2)]
    assert ids[0] == ids[1]
    others = [
        api.post("/api/plan", plan_request(**more)).json["plan_id"]
        for more in (
            {"environment": "production"},
            {"pull_request": 7, "repository": "o/r"},
            {"schema_files": {"main": {"files": {"a.sql": "x"}}}},
        )
    ]
    api.engine.answer = result(change("orders"), change("users"))
    others.append(api.post("/api/plan", plan_request()).json["plan_id"])
    assert len({ids[0], *others}) == 5


def test_a_plan_without_changes_is_empty_and_kept(api: Api) -> None:
    hint = Finding(severity=Severity.INFO, linter="x", message="could be better")
    api.engine.answer = result(findings=(hint,))
    body = api.post("/api/plan", plan_request()).json
    assert (body["changes"], body["lint_violations"], body["errors"]) == ([], [], [])
    assert not api.store.plan(body["plan_id"]).changes


def test_a_blocked_plan_is_an_error_for_every_client_and_never_accepted(api: Api) -> None:
    blocked = Finding(severity=Severity.BLOCKED, linter="data", message="3 rows hold NULL", table="orders")
    api.engine.answer = result(change("orders"), findings=(blocked,))
    body = api.post("/api/plan", plan_request()).json
    assert body["errors"] == ["3 rows hold NULL"]
    (found,) = body["lint_violations"]
    assert (found["severity"], found["severity_detail"]) == ("error", "blocked")
    answer = api.post(
        "/api/apply",
        {"plan_id": body["plan_id"], "environment": "staging", "options": {"allow_unsafe": "true"}},
    ).json
    assert (answer["accepted"], answer["error_code"]) == (False, "engine_error")
    assert "orders: 3 rows hold NULL" in answer["error_message"]
    assert api.store.recent() == []
    assert api.woken == []


def test_blocked_findings_show_even_when_nothing_changes(api: Api) -> None:
    api.engine.answer = result(findings=(Finding(severity=Severity.BLOCKED, linter="x", message="broken"),))
    body = api.post("/api/plan", plan_request()).json
    assert (body["errors"], len(body["lint_violations"])) == (["broken"], 1)


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"database": ""}, "database is required"),
        ({"environment": None}, "environment is required"),
        ({"type": "postgres"}, "type must be mysql, vitess or sqlite"),
        ({"type": ""}, "type must be mysql, vitess or sqlite"),
        (
            {"schema_files": {}},
            NO_FILES,
        ),
        ({"schema_files": []}, "invalid request body: schema_files must be an object, not an array"),
        (
            {"schema_files": {"main": "x"}},
            'invalid request body: schema_files.main must be an object with "files", not a string',
        ),
        ({"pull_request": "7"}, "invalid request body: pull_request must be a whole number, not a string"),
        ({"database": "a\u0000b"}, "invalid request body: database must not hold control characters"),
    ],
)
def test_a_wrong_plan_request_is_told_what_is_wrong(api: Api, more: dict[str, object], text: str) -> None:
    answer = api.post("/api/plan", plan_request(**more))
    assert (answer.status, answer.json) == (400, {"error": text, "error_code": ""})


def test_a_namespace_without_files_is_valid(api: Api) -> None:
    empties: tuple[dict[str, object], ...] = (
        {"main": {"files": {}}},
        {"main": {}},
        {"main": None},
        {".": {}},
    )
    for empty in empties:
        assert api.post("/api/plan", plan_request(schema_files=empty)).status == 200
    assert api.engine.planned[0] == {"main": {}}


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            BadFiles(["main/o.sql:1:14: syntax error", "main/o.sql:2:1: no"]),
            "plan failed: main/o.sql:1:14: syntax error\nmain/o.sql:2:1: no",
        ),
        (Refused("no verified way"), "plan failed: no verified way"),
        (TargetUnavailable("database is locked"), "plan failed: database is locked"),
    ],
)
def test_a_plan_the_engine_cannot_make_says_why(api: Api, error: Exception, text: str) -> None:
    api.engine.answer = error
    answer = api.post("/api/plan", plan_request())
    assert (answer.status, answer.json) == (500, {"error": text, "error_code": ""})
    assert api.metric('schemabot_plans_total{database="shop",environment="staging",status="error"} 1.0')


def test_a_plan_without_a_back_end_says_so(api: Api) -> None:
    """RC-5."""
    for database, environment, unknown in (("other", "staging", "default"), ("shop", "moon", "shop")):
        answer = api.post("/api/plan", plan_request(database=database, environment=environment))
        text = f"plan failed: tern client: unknown deployment: {unknown}"
        assert (answer.status, answer.json["error"]) == (500, text)
    api.targets.broken = SecretError("the environment variable SHOP_DSN is not set (or empty)")
    answer = api.post("/api/plan", plan_request())
    text = "plan failed: tern client: resolve DSN for shop/staging: the environment variable SHOP_DSN is not set (or empty)"
    assert answer.json["error"] == text


# -- apply ------------------------------------------------------------------------------------------------------


def test_an_apply_is_durable_and_the_workers_are_woken(api: Api) -> None:
    """OW-1: nothing runs in the request."""
    plan_id = api.planned(change("orders"), change("users"))["plan_id"]
    body = {"plan_id": plan_id, "environment": "staging", "database": "ignored", "caller": "cli:me@here"}
    answer = api.post(
        "/api/apply", {**body, "options": {"defer_cutover": "true", "odd": "1", "branch": "b"}}
    ).json
    apply = api.store.apply(answer["apply_id"])
    assert answer == {"accepted": True, "apply_id": apply.apply_uid}
    assert (apply.state, apply.caller, apply.database) == (State.PENDING, "cli:me@here", "shop")
    assert dict(apply.options) == {"defer_cutover": "true", "branch": "b"}
    assert [task.table for task in api.store.tasks(apply.id)] == ["orders", "users"]
    assert api.woken == [True]
    assert api.engine.target.told == []


def test_a_wrong_apply_request_is_told_what_is_wrong(api: Api) -> None:
    plan_id = api.planned()["plan_id"]
    for body, status, text in (
        ({}, 400, "plan_id is required"),
        ({"plan_id": "p"}, 400, "environment is required"),
        ({"plan_id": "plan-x", "environment": "staging"}, 500, "apply failed: plan not found: plan-x"),
        (
            {"plan_id": plan_id, "environment": "staging", "options": {"defer_cutover": True}},
            400,
            "invalid request body: options.defer_cutover must be a string, not true or false",
        ),
        (
            {"plan_id": plan_id, "environment": "staging", "options": {"allow_unsafe": "no"}},
            400,
            'invalid request body: options.allow_unsafe must be "true" or "false"',
        ),
    ):
        answer = api.post("/api/apply", body)
        assert (answer.status, answer.json) == (status, {"error": text, "error_code": ""})
    assert api.store.recent() == []


def refused(api: Api, body: dict[str, object]) -> str:
    answer = api.post("/api/apply", body)
    assert answer.status == 200
    assert (answer.json["accepted"], answer.json["error_code"]) == (False, "engine_error")
    assert "apply_id" not in answer.json
    return str(answer.json["error_message"])


def test_a_plan_whose_cutover_cannot_be_deferred_is_refused_before_anything_begins(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api.engine, "not_deferrable", lambda *_: "the change of c begins late", raising=True)
    body: dict[str, object] = {"plan_id": api.planned()["plan_id"], "environment": "staging"}
    text = refused(api, {**body, "options": {"defer_cutover": "true"}})
    assert text == (
        "the cutover of this plan cannot be deferred: the change of c begins late: "
        "apply without defer_cutover (--defer-cutover)"
    )
    assert api.store.recent() == []
    assert api.post("/api/apply", body).json["accepted"]


def test_unsafe_changes_run_unless_the_client_says_no(api: Api) -> None:
    plan_id = api.planned(change("orders", "DROP COLUMN c"), change("users"), change("log", "DROP TABLE"))[
        "plan_id"
    ]
    body: dict[str, object] = {"plan_id": plan_id, "environment": "staging"}
    text = refused(api, {**body, "options": {"allow_unsafe": "false"}})
    assert text.startswith("unsafe changes need allow_unsafe: look at the plan again")
    assert "--allow-unsafe: orders: DROP COLUMN c; log: DROP TABLE" in text
    assert api.store.recent() == []
    answer = api.post("/api/apply", {**body, "options": {"allow_unsafe": "true"}}).json
    assert answer["accepted"]
    api.store.request(answer["apply_id"], "cancel", "test")
    assert api.post("/api/apply", body).json["accepted"]


def test_a_plan_runs_only_where_it_was_made_for(api: Api) -> None:
    plan_id = api.planned()["plan_id"]
    text = refused(api, {"plan_id": plan_id, "environment": "production"})
    assert text == "the plan was made for environment staging, not production: plan again for production"
    text = refused(api, {"plan_id": plan_id, "environment": "staging", "deployment": "solo"})
    assert "deployment shop, not solo" in text


def test_an_engine_that_cannot_wait_refuses_a_deferred_cutover(api: Api) -> None:
    """CO-2."""
    plan_id = api.planned()["plan_id"]
    api.targets.scripted = StubbornEngine()
    body = {"plan_id": plan_id, "environment": "staging", "options": {"defer_cutover": "true"}}
    assert refused(api, body) == "SQLite cannot defer the cutover: apply without defer_cutover"


def test_a_second_apply_on_the_same_target_is_refused_and_named(api: Api) -> None:
    """OW-4."""
    first = api.applied()
    text = refused(api, {"plan_id": first.plan_id, "environment": "staging"})
    assert text.startswith("schema change already in progress for this database")
    assert first.apply_uid in text
    assert api.metric('schemabot_applies_total{database="shop",environment="staging",status="rejected"} 1.0')


@pytest.mark.parametrize("header", [False, True])
def test_the_same_key_is_the_same_apply_and_another_request_under_it_is_a_conflict(
    api: Api, header: bool
) -> None:
    """Case 21."""
    first, second = api.planned()["plan_id"], api.planned(change("users"))["plan_id"]

    def send(plan_id: str) -> tuple[int, dict[str, object]]:
        body = {"plan_id": plan_id, "environment": "staging", **({} if header else {"idempotency_key": "k1"})}
        answer = api.call("POST", "/api/apply", body, {"Idempotency-Key": "k1"} if header else {})
        return answer.status, answer.json

    status, body = send(first)
    assert (status, body["accepted"]) == (200, True)
    assert send(first) == (200, body)
    status, body = send(second)
    assert status == 409
    assert set(body) == {"error", "error_code"}
    assert len(api.store.recent()) == 1


def test_one_key_sent_32_times_at_once_makes_one_apply(api: Api) -> None:
    """Case 21."""
    plan_id = api.planned()["plan_id"]
    answers: list[object] = []

    def send() -> None:
        for _ in range(8):
            body = {"plan_id": plan_id, "environment": "staging", "idempotency_key": "k"}
            answers.append(api.post("/api/apply", body).json["apply_id"])

    with meanwhile(send), meanwhile(send), meanwhile(send):
        send()
    assert len(answers) == 32
    assert len(set(answers)) == 1
    assert len(api.store.recent()) == 1


def test_an_apply_without_a_back_end_says_so(api: Api) -> None:
    plan_id = api.planned()["plan_id"]
    api.targets.broken = SecretError("the secret file x cannot be read: No such file or directory")
    answer = api.post("/api/apply", {"plan_id": plan_id, "environment": "staging"})
    assert answer.status == 500
    assert answer.json["error"].startswith(
        "apply failed: tern client: resolve DSN for shop/staging: the secret file x"
    )
    assert api.metric('schemabot_applies_total{database="shop",environment="staging",status="error"} 1.0')


# -- rollback ---------------------------------------------------------------------------------------------------


def test_a_rollback_plans_the_schema_before_that_apply(api: Api) -> None:
    uid = api.completed()
    before = api.store.plan(api.store.apply(uid).plan_id).original_schema
    api.engine.planned.clear()
    body = api.post("/api/rollback/plan", {"apply_id": uid}).json
    assert (body["database"], body["database_type"], body["environment"]) == ("shop", "sqlite", "staging")
    assert [dict(files) for files in api.engine.planned] == [dict(before)]
    assert api.store.plan(body["plan_id"]).environment == "staging"
    assert api.post("/api/apply", {"plan_id": body["plan_id"], "environment": "staging"}).json["accepted"]


def test_a_rollback_to_an_empty_database_empties_it(api: Api) -> None:
    found = change("orders")
    api.engine.answer = PlanResult(changes=(found,), findings=(), fingerprints={}, original={})
    plan_id = api.post("/api/plan", plan_request()).json["plan_id"]
    uid = api.post("/api/apply", {"plan_id": plan_id, "environment": "staging"}).json["apply_id"]
    api.store.complete(api.claim())
    assert api.post("/api/rollback/plan", {"apply_id": uid}).status == 200
    assert api.engine.planned[-1] == {"main": {}}


def test_a_rollback_is_refused_where_the_plan_does_not_tell_how_its_renames_go_back(api: Api) -> None:
    renamed = Finding(
        severity=Severity.WARNING,
        linter="rename_column",
        message='Column rename detected in table "orders": "note" becomes "remark"',
        table="orders",
    )
    api.engine.answer = result(change("orders"), findings=(renamed,))
    plan_id = api.post("/api/plan", plan_request()).json["plan_id"]
    uid = api.post("/api/apply", {"plan_id": plan_id, "environment": "staging"}).json["apply_id"]
    api.store.complete(api.claim())
    answer = api.post("/api/rollback/plan", {"apply_id": uid})
    assert answer.status == 500
    assert answer.json["error"].startswith("rollback plan failed: the way back of its renames was not kept")
    assert '"note" becomes "remark"' in answer.json["error"]


def test_a_rollback_that_cannot_be_planned_says_why(api: Api) -> None:
    for body, status, text in (
        ({}, 400, "apply_id is required"),
        ({"apply_id": "apply-x"}, 404, "apply not found: apply-x"),
        (
            {"apply_id": api.applied().apply_uid},
            500,
            "rollback plan failed: no completed schema change found to rollback",
        ),
    ):
        answer = api.post("/api/rollback/plan", body)
        assert (answer.status, answer.json["error"]) == (status, text)


def test_a_rollback_the_engine_refuses_says_why(api: Api) -> None:
    uid = api.completed()
    assert isinstance(api.engine, ScriptedEngine)
    api.engine.answer = Refused("it cannot be undone")
    answer = api.post("/api/rollback/plan", {"apply_id": uid})
    assert (answer.status, answer.json["error"]) == (500, "rollback plan failed: it cannot be undone")
    counted = (
        'schemabot_control_operations_total{database="shop",environment="staging",operation="rollback_plan"'
    )
    assert api.metric(f'{counted},status="error"}} 1.0')
