"""The gate before changes that lose data: what the client says, and what the server does when it says nothing."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from server.config import Config, DatabaseConfig, EnvironmentConfig, ServerConfig, Token
from storage.records import Apply
from tests.server.http.api import Api, change, running

DROPS = change("orders", "DROP COLUMN c loses 3 rows")


def config(server: str, production: str = "", tokens: tuple[Token, ...] = ()) -> Config:
    environments = {
        "staging": EnvironmentConfig(dsn="a.db"),
        "production": EnvironmentConfig(dsn="b.db", unsafe_without_option=production),
    }
    return Config(
        server=ServerConfig(unsafe_without_option=server, tokens=tokens),
        databases={"shop": DatabaseConfig(type="sqlite", environments=environments)},
    )


@pytest.fixture(params=["allow", "refuse"])
def strict(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Api]:
    with running(tmp_path, config(request.param)) as made:
        yield made


def asked(api: Api, environment: str, **body: object) -> dict[str, object]:
    plan_id = api.planned(DROPS, environment=environment)["plan_id"]
    answer = api.post("/api/apply", {"plan_id": plan_id, "environment": environment, **body})
    assert answer.status == 200
    found: dict[str, object] = answer.json
    return found


def audit(api: Api, apply: Apply) -> list[tuple[str, str]]:
    events = api.store.events(apply.id)
    return [(event.level, event.message) for event in events if event.event_type == "audit"]


def test_an_explicit_no_is_refused_whatever_the_setting_and_says_what_to_do(strict: Api) -> None:
    answer = asked(strict, "staging", options={"allow_unsafe": "false"})
    assert (answer["accepted"], answer["error_code"]) == (False, "engine_error")
    assert "apply with --allow-unsafe: orders: DROP COLUMN c loses 3 rows" in str(answer["error_message"])
    assert strict.store.recent() == []


def test_an_explicit_yes_runs_whatever_the_setting_and_stands_in_the_log_with_the_caller(strict: Api) -> None:
    answer = asked(strict, "staging", options={"allow_unsafe": "true"}, caller="cli:ann@laptop")
    apply = strict.store.apply(str(answer["apply_id"]))
    assert audit(strict, apply) == [
        ("warn", "Unsafe changes allowed by cli:ann@laptop: orders: DROP COLUMN c loses 3 rows")
    ]


def test_a_client_that_does_not_say_is_allowed_by_default_and_that_stands_in_the_log(tmp_path: Path) -> None:
    token = Token(name="deploy", secret="s3cret-one")
    with running(tmp_path, config("allow", tokens=(token,))) as api:
        api.headers["Authorization"] = "Bearer s3cret-one"
        answer = asked(api, "staging", caller="cli:ann@laptop")
        (said,) = audit(api, api.store.apply(str(answer["apply_id"])))
        assert said == (
            "warn",
            (
                "Unsafe changes run because cli:ann@laptop (token deploy) did not send allow_unsafe: "
                "orders: DROP COLUMN c loses 3 rows"
            ),
        )


@pytest.mark.parametrize(
    ("server", "production", "accepted"),
    [("refuse", "", False), ("allow", "refuse", False), ("refuse", "allow", True), ("allow", "", True)],
)
def test_an_environment_decides_before_the_server(
    tmp_path: Path, server: str, production: str, accepted: bool
) -> None:
    with running(tmp_path, config(server, production)) as api:
        answer = asked(api, "production")
        assert answer["accepted"] is accepted
        if not accepted:
            text = str(answer["error_message"])
            assert "in production, and this client did not send the option" in text
            assert 'send options.allow_unsafe "true" (schemabot apply --allow-unsafe)' in text
        assert asked(api, "staging")["accepted"] is (server == "allow")


def test_safe_changes_need_no_option_and_leave_no_warning(strict: Api) -> None:
    for options in ({}, {"allow_unsafe": "false"}):
        apply = strict.applied(change("orders"), options=options)
        assert audit(strict, apply) == []
        strict.post(
            "/api/cancel", {"database": "shop", "environment": "staging", "apply_id": apply.apply_uid}
        )


def test_what_was_accepted_is_accepted_again_after_the_setting_has_changed(tmp_path: Path) -> None:
    with running(tmp_path, config("allow")) as api:
        plan_id = api.planned(DROPS)["plan_id"]
        body = {"plan_id": plan_id, "environment": "staging", "idempotency_key": "k"}
        accepted = api.post("/api/apply", body).json
        assert accepted["accepted"]
    with running(tmp_path, config("refuse")) as api:
        assert api.post("/api/apply", body).json == accepted
        assert api.post("/api/apply", {**body, "caller": "somebody else"}).status == 409
        assert not api.post("/api/apply", {**body, "idempotency_key": "other"}).json["accepted"]
