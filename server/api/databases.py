"""Which databases this server changes, and what their live schemas are."""

from collections.abc import Mapping
from dataclasses import dataclass

from server.api.answers import Answer, Invalid, Missing
from server.api.backends import NoBackend, engine_for, environment_or_default, kind_of
from server.app import App
from server.bodies import LONGEST_ENVIRONMENT, decode, sparse
from server.config import DATABASE_TYPES
from server.requests import Request


def databases(app: App, request: Request) -> Answer:
    """Every configured database, and the other SchemaBots that change more of them."""
    kind, part = request.query.get("type", ""), request.query.get("name", "").lower()
    if kind and kind not in DATABASE_TYPES:
        raise Invalid(f"type must be one of {', '.join(sorted(DATABASE_TYPES))}")
    found = [
        {
            "name": name,
            "database": name,
            "type": database.type,
            "environments": [{"environment": environment} for environment in sorted(database.environments)],
        }
        for name, database in sorted(app.config.databases.items())
        if kind in ("", database.type) and part in name.lower()
    ]
    elsewhere = [
        {"name": name, "environments": sorted(deployment.environments)}
        for name, deployment in sorted(app.config.deployments.items())
        if not kind
    ]
    return {"databases": found, **sparse(deployments=elsewhere)}


def environments(app: App, request: Request) -> Answer:
    """The environments of one database."""
    database = request.params["database"]
    explicit = "" if database in app.config.databases else request.query.get("deployment", "")
    found = app.targets.environments(app.targets.deployment(database, explicit), database)
    if not found:
        raise Missing(f'no environments found for database "{database}" — {_why_none(app)}')
    return {"database": database, "environments": found}


def _why_none(app: App) -> str:
    if app.config.deployments:
        return (
            f"no matching deployment (available: [{' '.join(sorted(app.config.deployments))}]). Add a 'deployment' "
            "field to schemabot.yaml or configure a 'default' deployment on the server."
        )
    if app.config.databases:
        return f"this server has: [{' '.join(sorted(app.config.databases))}]"
    return "no databases or deployments configured on this server"


def pull(app: App, request: Request) -> Answer:
    """The live schema as files that plan as no change. Asks the engine."""
    database = request.params["database"]
    explicit = request.query.get("deployment", "")
    pulled = _pulled(app, database, request.query.get("environment", ""), explicit)
    return {**pulled.place, "files": pulled.files}


def pull_tables(app: App, request: Request) -> Answer:
    """The live schema by table, as later clients of the original ask for it. Asks the engine."""
    fields = decode(request.body)
    database, environment = fields.text("database"), fields.text("environment", LONGEST_ENVIRONMENT)
    wanted = fields.texts("namespaces")
    if not database:
        raise Invalid("database is required")
    pulled = _pulled(app, database, environment, "")
    namespaces = {
        namespace: {"tables": {name.removesuffix(".sql"): text for name, text in texts.items()}}
        for namespace, texts in pulled.files.items()
        if not wanted or namespace in wanted
    }
    count = sum(len(found["tables"]) for found in namespaces.values())
    return {**pulled.place, "namespaces": namespaces, "table_count": count}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pulled:
    place: Mapping[str, str]
    files: Mapping[str, Mapping[str, str]]


def _pulled(app: App, database: str, given: str, explicit: str) -> _Pulled:
    environment = environment_or_default(app, database, given)
    deployment = app.targets.deployment(database, explicit)
    try:
        engine = engine_for(app, deployment, environment, database)
    except NoBackend as error:
        known = app.targets.environments(deployment, database)
        if known and environment not in known:
            raise Invalid(
                f"database {database} has no environment {environment}; it has: {', '.join(known)}"
            ) from error
        raise Missing(str(error), "deployment_not_found") from error
    files = {namespace: dict(texts) for namespace, texts in engine.pull().items()}
    kind = kind_of(app, deployment, engine)
    return _Pulled(place={"database": database, "environment": environment, "type": kind}, files=files)
