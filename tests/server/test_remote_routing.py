"""Routing: which deployment serves a database, in the wire contract's words."""

from pathlib import Path

import pytest

from server.config import Config, DatabaseConfig, DeploymentConfig, EnvironmentConfig
from server.secrets import SecretError
from server.targets import Targets, UnknownTarget
from tests.server.http.api import plan_request, running

CONFIG = Config(
    databases={
        "shop": DatabaseConfig(type="sqlite", environments={"staging": EnvironmentConfig(dsn="shop.db")})
    },
    deployments={
        "default": DeploymentConfig(environments={"staging": "http://far:1", "production": ""}),
        "eu": DeploymentConfig(environments={"staging": "http://eu:1"}, token="env:NO_SUCH_TOKEN"),
    },
)


@pytest.mark.parametrize(
    ("database", "explicit", "deployment"),
    [("shop", "", "shop"), ("shop", "eu", "eu"), ("other", "", "default"), ("other", "eu", "eu")],
)
def test_the_explicit_deployment_else_the_databases_own_else_the_default(
    database: str, explicit: str, deployment: str
) -> None:
    assert Targets(CONFIG).deployment(database, explicit) == deployment


@pytest.mark.parametrize(
    ("deployment", "environment", "text"),
    [
        ("us", "staging", "unknown deployment: us"),
        ("shop", "production", "unknown deployment: shop"),
        ("default", "qa", 'unknown environment "qa" for deployment "default"'),
        ("default", "production", "endpoint not configured for default/production"),
    ],
)
def test_what_is_not_configured_is_refused_in_the_contracts_words(
    deployment: str, environment: str, text: str
) -> None:
    targets = Targets(CONFIG)
    for ask in (
        lambda: targets.engine(deployment, environment, "other"),
        lambda: targets.check(deployment, environment, "other"),
    ):
        with pytest.raises(UnknownTarget) as caught:
            ask()
        assert str(caught.value) == text


def test_the_engine_is_the_remote_one_there_and_the_local_one_here() -> None:
    targets = Targets(CONFIG)
    assert targets.engine("default", "staging", "other").name == "Remote"
    assert targets.engine("shop", "staging", "shop").name == "SQLite"
    assert targets.engine("default", "staging", "other") is targets.engine("default", "staging", "other")
    assert targets.engine("default", "staging", "a") is not targets.engine("default", "staging", "b")


def test_a_database_that_nobody_configured_is_not_the_one_called_default(tmp_path: Path) -> None:
    """A slip in a schemabot.yaml would change that one, and drop what only it has."""
    here = DatabaseConfig(type="sqlite", environments={"staging": EnvironmentConfig(dsn="main.db")})
    with running(tmp_path, Config(databases={"default": here})) as api:
        answers = [
            api.post("/api/plan", plan_request(database="shpo")),
            api.post("/api/plan", plan_request(database="shpo", deployment="default")),
            api.get("/api/pull/shpo?environment=staging"),
            api.get("/api/databases/shpo/environments"),
            api.get("/api/progress/shpo?environment=staging"),
        ]
        assert [answer.status for answer in answers] == [500, 500, 404, 404, 404]
        assert answers[0].json["error"] == "plan failed: tern client: unknown deployment: default"
        assert api.post("/api/plan", plan_request(database="default")).status == 200
        assert api.get("/tern-health/default/staging").status == 200


def test_beside_a_database_called_default_the_default_deployment_serves_the_others() -> None:
    here = DatabaseConfig(type="sqlite", environments={"staging": EnvironmentConfig(dsn="main.db")})
    targets = Targets(Config(databases={"default": here}, deployments=CONFIG.deployments))
    assert targets.engine("default", "staging", "other").name == "Remote"
    assert targets.engine("default", "staging", "default").name == "SQLite"


def test_rc_5_a_token_that_cannot_be_read_is_named_by_its_reference() -> None:
    with pytest.raises(SecretError, match="NO_SUCH_TOKEN"):
        Targets(CONFIG).engine("eu", "staging", "other")


def test_the_api_says_which_environments_and_deployments_there_are(tmp_path: Path) -> None:
    with running(tmp_path, CONFIG) as api:
        assert api.get("/api/databases").json == {
            "databases": [
                {
                    "name": "shop",
                    "database": "shop",
                    "type": "sqlite",
                    "environments": [{"environment": "staging"}],
                }
            ],
            "deployments": [
                {"name": "default", "environments": ["production", "staging"]},
                {"name": "eu", "environments": ["staging"]},
            ],
        }
        assert api.get("/api/databases/x/environments?deployment=eu").json["environments"] == ["staging"]
        missing = api.get("/api/databases/x/environments?deployment=us")
        assert missing.status == 404
        assert missing.json["error"] == (
            'no environments found for database "x" — no matching deployment (available: [default eu]). '
            "Add a 'deployment' field to schemabot.yaml or configure a 'default' deployment on the server."
        )
        assert api.get("/tern-health/default/staging").json["status"] == "ok"
        assert api.get("/tern-health/default/qa").status == 404


def test_a_plan_for_an_unknown_place_says_which(tmp_path: Path) -> None:
    with running(tmp_path, CONFIG) as api:
        answer = api.post("/api/plan", plan_request(database="x", environment="qa"))
    assert answer.status == 500
    assert answer.json["error"] == (
        'plan failed: tern client: unknown environment "qa" for deployment "default"'
    )
