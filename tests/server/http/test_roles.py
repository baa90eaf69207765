"""What each role may do, on every route there is; who did what stands in the log."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from server.config import ROLES, Config, ServerConfig, Token
from server.routes import OPEN, ROUTES, Route
from tests.server.http.api import DATABASES, Api, concrete, plan_request, running

SECRETS = {role: f"s3cret-of-{role}" for role in ROLES}
READS = {("POST", "/api/plan"), ("POST", "/api/pull"), ("POST", "/api/rollback/plan")}
ADMINS = {("POST", "/api/settings")}
GUARDED = [route for route in ROUTES if route.pattern not in OPEN]


@pytest.fixture
def roles(tmp_path: Path) -> Iterator[Api]:
    tokens = tuple(Token(name=f"the-{role}", secret=secret, role=role) for role, secret in SECRETS.items())
    with running(tmp_path, Config(server=ServerConfig(tokens=tokens), databases=DATABASES)) as made:
        yield made


def bearer(role: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {SECRETS[role]}"}


def wanted(route: Route) -> str:
    if route.method == "GET" or (route.method, route.pattern) in READS:
        return "read"
    return "admin" if (route.method, route.pattern) in ADMINS else "write"


@pytest.mark.parametrize("route", GUARDED, ids=lambda route: f"{route.method} {route.pattern}")
def test_every_route_is_for_its_role_and_those_above(roles: Api, route: Route) -> None:
    for role in ROLES:
        answer = roles.call(route.method, concrete(route.pattern), b"{}", bearer(role))
        allowed = ROLES.index(role) >= ROLES.index(wanted(route))
        assert (answer.status != 403) is allowed, f"{role}: {answer.status} {answer.text}"
        if not allowed:
            assert answer.json == {
                "error": f"{route.method} {route.pattern} needs the role {wanted(route)}, "
                f"the token the-{role} has {role}: use another token",
                "error_code": "",
            }


def test_only_an_admin_releases_other_peoples_locks(roles: Api) -> None:
    lock = {"database": "shop", "database_type": "sqlite", "owner": "cli:ann@laptop"}
    forced = {"database": "shop", "database_type": "sqlite", "force": True}
    assert roles.call("POST", "/api/locks/acquire", lock, bearer("write")).status == 200
    refused = roles.call("DELETE", "/api/locks", forced, bearer("write"))
    assert (refused.status, "force needs the role admin" in refused.json["error"]) == (403, True)
    assert roles.call("DELETE", "/api/locks", forced, bearer("admin")).status == 200
    roles.call("POST", "/api/locks/acquire", lock, bearer("write"))
    assert roles.call("DELETE", "/api/locks", lock, bearer("write")).status == 200


def test_every_change_and_every_refusal_is_in_the_log_with_the_token_and_the_address(
    roles: Api, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "server.handler"):
        roles.call("POST", "/api/settings", {"key": "k", "value": "v"}, bearer("admin"))
        roles.call("POST", "/api/settings", {"key": "k", "value": "v"}, bearer("read"))
        roles.call("POST", "/api/settings", {"key": "k", "value": "v"}, {"Authorization": "Bearer guess"})
        roles.call("GET", "/api/status", headers=bearer("read"))
        roles.call("POST", "/api/plan", plan_request(), bearer("read"))
    assert [line for line in caplog.messages if line.startswith("audit")] == [
        "audit: POST /api/settings by token the-admin from 127.0.0.1: 200",
        "audit: POST /api/settings by token the-read from 127.0.0.1: 403",
        "audit: POST /api/settings by nobody known from 127.0.0.1: 401",
    ]
    assert "guess" not in caplog.text


def test_a_command_stands_in_the_log_of_its_apply_with_caller_and_token(roles: Api) -> None:
    roles.headers.update(bearer("write"))
    apply = roles.applied(caller="cli:ann@laptop")
    place = {"database": "shop", "environment": "staging", "apply_id": apply.apply_uid}
    roles.post("/api/stop", {**place, "caller": "cli:bob@desk"})
    roles.post("/api/start", place)
    said = [event.message for event in roles.store.events(apply.id)]
    assert "Stop requested by cli:bob@desk (token the-write)" in said
    assert "Start requested by the-write" in said
