"""The routes as a table: methods, unknown paths, tokens, health, the shapes every answer shares."""

import logging
import re
from dataclasses import replace
from pathlib import Path

import pytest

from engine.errors import TargetUnavailable
from server.config import Config, ServerConfig, Token
from server.handler import ApiHandler
from server.routes import ROUTES
from server.secrets import SecretError
from tests.server.http.api import DATABASES, Api, concrete, running


def test_an_unknown_path_is_404_in_text(api: Api) -> None:
    for path in (
        "/api",
        "/api/nothing",
        "/api/progress",
        "/api/progress/",
        "/api/progress/apply/a/b",
        "//livez",
    ):
        answer = api.get(path)
        assert (answer.status, answer.text) == (404, "404 page not found\n"), path
        assert answer.headers["content-type"].startswith("text/plain")


@pytest.mark.parametrize("pattern", sorted({route.pattern for route in ROUTES}))
def test_a_known_path_refuses_other_methods_and_names_its_own(api: Api, pattern: str) -> None:
    methods = {route.method for route in ROUTES if route.pattern == pattern}
    answer = api.call("PUT", concrete(pattern), {})
    assert answer.status == 405
    assert answer.headers["allow"] == ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))


def test_head_answers_where_get_does(api: Api) -> None:
    got, head = api.get("/api/status"), api.call("HEAD", "/api/status")
    assert (head.status, head.text, head.headers["content-length"]) == (
        200,
        "",
        got.headers["content-length"],
    )


@pytest.mark.parametrize(
    "route",
    [route for route in ROUTES if route.method != "GET" and route.pattern != "/webhook"],
    ids=lambda route: route.pattern,
)
def test_every_route_with_a_body_names_what_is_wrong_with_it(api: Api, route: object) -> None:
    assert hasattr(route, "method")
    for body, text in (
        (b"", "invalid request body: EOF"),
        (b"{", "invalid request body: "),
        (b"[" * 100_000, "invalid request body: nested too deeply"),
        (b"[]", "invalid request body: must be an object, not an array"),
        (
            b'{"database":3,"apply_id":3,"plan_id":3,"key":3}',
            "must be a string, not a number",
        ),
    ):
        answer = api.call(route.method, route.pattern, body)  # type: ignore[attr-defined]
        assert answer.status == 400, body[:20]
        assert text in answer.json["error"]
        assert answer.json["error_code"] == ""


def test_json_is_escaped_for_html_and_ends_with_a_line(api: Api) -> None:
    api.post("/api/settings", {"key": "k", "value": "<a href='x'>&\u2028é"})
    text = api.get("/api/settings/k").text
    assert text == '{"key":"k","value":"\\u003ca href=\'x\'\\u003e\\u0026\\u2028é"}\n'


def test_health_tells_alive_from_ready(api: Api) -> None:
    """AV-1."""
    assert api.get("/livez").json == {"status": "ok"}
    assert api.get("/health").json == {"status": "ok"}
    api.store.close()
    assert api.get("/livez").status == 200
    answer = api.get("/health")
    assert (answer.status, answer.json) == (503, {"error": "database unavailable", "error_code": ""})
    assert api.get("/tern-health/shop/staging").json["error"] == "tern unavailable"


def test_tern_health_knows_the_configured_targets(api: Api) -> None:
    ready = {"deployment": "shop", "environment": "staging", "status": "ok"}
    assert api.get("/tern-health/shop/staging").json == ready
    for path in ("/tern-health/other/staging", "/tern-health/shop/moon"):
        answer = api.get(path)
        assert (answer.status, answer.json["error"]) == (404, f"unknown deployment: {path.split('/')[2]}")


def test_an_unreachable_store_is_a_retryable_answer_on_every_route(api: Api) -> None:
    """AV-1."""
    plan_id = api.planned()["plan_id"]
    api.store.close()
    for answer in (
        api.get("/api/status"),
        api.get("/api/history/shop"),
        api.get("/api/locks"),
        api.post("/api/apply", {"plan_id": plan_id, "environment": "staging"}),
        api.post("/api/stop", {"database": "shop", "environment": "staging"}),
    ):
        assert (answer.status, answer.json["error_code"]) == (503, "storage_error")
        assert answer.headers["retry-after"] == "1"
    for path in ("/api/progress/shop", "/api/progress/apply/apply-1"):
        answer = api.get(path)
        assert (answer.status, answer.json["error_code"]) == (500, "storage_error")
    text = api.get("/metrics").text
    assert re.search(r"^schemabot_store_errors_total [1-9]", text, re.MULTILINE)
    assert "schemabot_active_applies{" not in text


def test_a_bug_shows_its_number_and_not_its_text(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    """AV-3."""
    api.engine.answer = ZeroDivisionError("internals")
    with caplog.at_level(logging.ERROR):
        answer = api.post(
            "/api/plan",
            {"database": "shop", "environment": "staging", "type": "sqlite", "schema_files": {"main": {}}},
        )
    assert answer.status == 500
    number = answer.json["error"].split()[-1]
    assert "internals" not in answer.text
    assert number in caplog.text
    assert "internals" in caplog.text
    assert api.get("/livez").status == 200


def test_databases_and_environments_come_from_the_configuration(api: Api) -> None:
    assert api.get("/api/databases").json == {
        "databases": [
            {
                "name": "shop",
                "database": "shop",
                "type": "sqlite",
                "environments": [{"environment": "production"}, {"environment": "staging"}],
            },
            {
                "name": "solo",
                "database": "solo",
                "type": "sqlite",
                "environments": [{"environment": "local"}],
            },
        ]
    }
    assert [found["name"] for found in api.get("/api/databases?name=OL").json["databases"]] == ["solo"]
    assert api.get("/api/databases?type=mysql").json == {"databases": []}
    assert api.get("/api/databases?type=oracle").status == 400
    answer = api.get("/api/databases/shop/environments").json
    assert answer == {"database": "shop", "environments": ["production", "staging"]}
    missing = api.get("/api/databases/other/environments")
    assert missing.status == 404
    assert (
        missing.json["error"] == 'no environments found for database "other" — this server has: [shop solo]'
    )


def test_a_server_without_databases_says_so(tmp_path: Path) -> None:
    with running(tmp_path, Config()) as api:
        assert api.get("/api/databases").json == {"databases": []}
        answer = api.get("/api/databases/x/environments")
    text = 'no environments found for database "x" — no databases or deployments configured on this server'
    assert (answer.status, answer.json["error"]) == (404, text)


def test_pull_gives_the_live_schema_as_files(api: Api) -> None:
    answer = api.get("/api/pull/shop?environment=production").json
    assert (answer["database"], answer["environment"], answer["type"]) == ("shop", "production", "sqlite")
    assert answer["files"] == {"main": {"orders.sql": "CREATE TABLE orders (id INTEGER PRIMARY KEY);\n"}}
    assert api.get("/api/pull/solo").json["environment"] == "local"
    assert api.get("/api/pull/other").json["error_code"] == "deployment_not_found"
    wrong = api.get("/api/pull/shop?environment=moon")
    assert (wrong.status, wrong.json["error"]) == (
        400,
        "database shop has no environment moon; it has: production, staging",
    )


def test_pull_from_an_unreachable_database_says_why_without_secrets(api: Api) -> None:
    """AV-6."""
    api.engine.answer = TargetUnavailable("mysql://u:hunter2@db is away\x1b[31m")
    answer = api.get("/api/pull/shop")
    assert (answer.status, answer.json["error"]) == (500, "pull failed: mysql://u:[hidden]@db is away")


# -- tokens -----------------------------------------------------------------------------------------------------


def guarded(listen_host: str = "127.0.0.1") -> Config:
    tokens = (Token(name="ci", secret="s3cret-one"), Token(name="ops", secret="s3cret-two"))
    return Config(server=ServerConfig(listen_host=listen_host, tokens=tokens), databases=DATABASES)


def test_with_tokens_every_api_route_needs_one(tmp_path: Path) -> None:
    with running(tmp_path, guarded()) as api:
        for header in (
            {},
            {"Authorization": "Bearer wrong"},
            {"Authorization": "Basic s3cret-one"},
            {"Authorization": "s3cret-one"},
        ):
            for path in ("/api/status", "/api/nothing", "/tern-health/shop/staging"):
                answer = api.call("GET", path, headers=header)
                assert (answer.status, answer.headers["www-authenticate"]) == (401, "Bearer")
                assert answer.json["error_code"] == ""
        for path in ("/livez", "/health", "/metrics"):
            assert api.get(path).status == 200
        for secret in ("s3cret-one", "s3cret-two"):
            assert api.call("GET", "/api/status", headers={"Authorization": f"Bearer {secret}"}).status == 200


def test_metrics_need_a_token_where_others_can_reach_them(tmp_path: Path) -> None:
    with running(tmp_path, guarded("0.0.0.0")) as api:
        assert api.get("/metrics").status == 401
        assert api.get("/livez").status == 200


def test_the_token_says_who_gave_a_command(tmp_path: Path) -> None:
    with running(tmp_path, guarded()) as api:
        api.headers["Authorization"] = "Bearer s3cret-two"
        apply = api.applied()
        assert apply.caller == "ops"
        api.post("/api/stop", {"database": "shop", "environment": "staging", "apply_id": apply.apply_uid})
        assert any("by ops" in event.message for event in api.store.events(apply.id))


def test_a_token_that_cannot_be_read_stops_the_start(api: Api) -> None:
    server = ServerConfig(tokens=(Token(name="ci", secret="env:SB_TEST_NO_SUCH_VARIABLE"),))
    with pytest.raises(SecretError, match="SB_TEST_NO_SUCH_VARIABLE"):
        ApiHandler(replace(api.app, config=Config(server=server)))


def test_a_web_page_cannot_use_the_browser_to_get_at_the_server(api: Api) -> None:
    answer = api.call("POST", "/api/settings", {"key": "k", "value": "v"}, {"Origin": "https://evil.example"})
    assert answer.status == 403
    assert api.store.settings() == {}


# -- locks and settings -----------------------------------------------------------------------------------------


def test_a_lock_is_taken_shown_refused_and_given_back(api: Api) -> None:
    mine = {"database": "shop", "database_type": "sqlite", "owner": "cli:me@here"}
    assert api.get("/api/locks/shop/sqlite").status == 404
    lock = api.post("/api/locks/acquire", {**mine, "repository": "o/r", "pull_request": 7}).json["lock"]
    assert {key: lock[key] for key in mine} == mine
    assert (lock["repository"], lock["pull_request"]) == ("o/r", 7)
    assert lock["created_at"].endswith("Z")
    assert api.post("/api/locks/acquire", mine).json["lock"]["owner"] == "cli:me@here"
    theirs = api.post("/api/locks/acquire", {**mine, "owner": "cli:you@there"})
    assert theirs.status == 409
    assert theirs.json["error"] == "lock is already held by another owner"
    assert theirs.json["current_lock"]["owner"] == "cli:me@here"
    assert api.get("/api/locks/shop/sqlite").json["lock"]["owner"] == "cli:me@here"
    assert [found["database"] for found in api.get("/api/locks").json["locks"]] == ["shop"]
    wrong = api.call("DELETE", "/api/locks", {**mine, "owner": "cli:you@there"})
    assert (wrong.status, wrong.json["error"]) == (403, "lock is not owned by you")
    assert api.call("DELETE", "/api/locks", mine).json == {"status": "released"}
    gone = api.call("DELETE", "/api/locks", mine)
    assert (gone.status, gone.json["error"]) == (404, "lock not found")
    api.post("/api/locks/acquire", mine)
    forced = {"database": "shop", "database_type": "sqlite", "force": True}
    assert api.call("DELETE", "/api/locks", forced).json == {"status": "released"}
    line = 'schemabot_lock_operations_total{database="shop",operation="acquire",status="conflict"} 1.0'
    assert api.metric(line)


def test_incomplete_lock_requests_say_what_is_missing(api: Api) -> None:
    for method, path, body, text in (
        ("POST", "/api/locks/acquire", {"database": "d"}, "database, database_type, and owner are required"),
        ("DELETE", "/api/locks", {"database": "d"}, "database and database_type are required"),
        (
            "DELETE",
            "/api/locks",
            {"database": "d", "database_type": "t"},
            "owner is required (or use force: true)",
        ),
    ):
        answer = api.call(method, path, body)
        assert (answer.status, answer.json["error"]) == (400, text)


def test_settings_are_kept_replaced_and_listed_by_key(api: Api) -> None:
    assert api.get("/api/settings").json == {"settings": []}
    assert api.get("/api/settings/b").json["error"] == "setting not found"
    for key, value in (("b", "1"), ("a", "2"), ("b", "3"), ("require_review:o/r", "true")):
        assert api.post("/api/settings", {"key": key, "value": value}).json == {"key": key, "value": value}
    assert api.get("/api/settings").json["settings"][:2] == [
        {"key": "a", "value": "2"},
        {"key": "b", "value": "3"},
    ]
    assert api.get("/api/settings/require_review:o%2Fr").json["value"] == "true"
    assert api.post("/api/settings", {"value": "x"}).json["error"] == "key is required"


def test_metrics_name_the_routes_and_never_what_strangers_send(api: Api) -> None:
    api.get("/api/history/anything-at-all")
    api.get("/no/such/thing")
    api.call("BREW", "/livez")
    api.post(
        "/api/plan",
        {"database": "madeup", "environment": "madeup2", "type": "sqlite", "schema_files": {"a": {}}},
    )
    text = api.get("/metrics").text
    assert 'route="/api/history/{database}"' in text
    assert 'method="any",route="unmatched",status="404"' in text
    for stranger in ("anything-at-all", "BREW", "madeup", "/no/such"):
        assert stranger not in text
    for name in ("schemabot_plans_total", "schemabot_plan_duration_seconds", "process_resident_memory_bytes"):
        assert name in text


def test_live_applies_are_counted_at_the_scrape(api: Api) -> None:
    api.applied()
    assert api.metric('schemabot_active_applies{state="pending"} 1.0')
    assert api.metric('schemabot_applies_total{database="shop",environment="staging",status="success"} 1.0')
