"""From a request's database and environment to the engine behind it, in the wire contract's words."""

from engine.base import Engine
from engine.errors import EngineError
from server.app import App
from server.secrets import SecretError
from server.targets import UnknownTarget

DEFAULT_ENVIRONMENT = "staging"


class NoBackend(Exception):
    """No engine for the database and environment; the text says why."""


def engine_for(app: App, deployment: str, environment: str, database: str) -> Engine:
    """The engine of the target, or NoBackend."""
    place, local = f"{deployment}/{environment}", deployment in app.config.databases
    try:
        return app.targets.engine(deployment, environment, database)
    except UnknownTarget as error:
        raise NoBackend(str(error)) from error
    except SecretError as error:
        raise NoBackend(f"resolve {'DSN' if local else 'token'} for {place}: {error}") from error
    except EngineError as error:
        raise NoBackend(f"create {'local ' if local else ''}tern client for {place}: {error}") from error


def kind_of(app: App, deployment: str, engine: Engine) -> str:
    """The type of the database: as configured, or as the engine learns it elsewhere. EngineError."""
    return engine.kind() or app.targets.kind(deployment)


def check_known(app: App, deployment: str, environment: str, database: str) -> None:
    """NoBackend unless the configuration names the target; nothing is opened."""
    try:
        app.targets.check(deployment, environment, database)
    except UnknownTarget as error:
        raise NoBackend(str(error)) from error


def environment_or_default(app: App, database: str, given: str) -> str:
    """The environment a request means: *given*, else the database's only one, else `staging`."""
    if given:
        return given
    known = app.targets.environments(app.targets.deployment(database), database)
    return known[0] if len(known) == 1 else DEFAULT_ENVIRONMENT


def labels(app: App, database: str, environment: str) -> dict[str, str]:
    """Metric labels of a target; names nobody configured become `unknown`, or anybody could make series at will."""
    known = app.targets.environments(database, database)
    return {
        "database": database if known else "unknown",
        "environment": environment if environment in known else "unknown",
    }
