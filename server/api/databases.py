"""Which databases this server changes, and what their live schemas are."""

from server.api.answers import Answer, Invalid, Missing
from server.api.backends import NoBackend, engine_for, environment_or_default, kind_of
from server.app import App
from server.bodies import sparse
from server.requests import Request


def databases(app: App, _request: Request) -> Answer:
    """Every configured database, and the other SchemaBots that change more of them."""
    found = [
        {"name": name, "type": database.type, "environments": sorted(database.environments)}
        for name, database in sorted(app.config.databases.items())
    ]
    elsewhere = [
        {"name": name, "environments": sorted(deployment.environments)}
        for name, deployment in sorted(app.config.deployments.items())
    ]
    return {"databases": found, **sparse(deployments=elsewhere)}


def environments(app: App, request: Request) -> Answer:
    """The environments of one database."""
    database = request.params["database"]
    explicit = "" if database in app.config.databases else request.query.get("deployment", "")
    found = app.targets.environments(app.targets.deployment(database, explicit))
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
    environment = environment_or_default(app, database, request.query.get("environment", ""))
    deployment = app.targets.deployment(database, request.query.get("deployment", ""))
    try:
        engine = engine_for(app, deployment, environment, database)
    except NoBackend as error:
        known = app.targets.environments(deployment)
        if known and environment not in known:
            raise Invalid(
                f"database {database} has no environment {environment}; it has: {', '.join(known)}"
            ) from error
        raise Missing(str(error), "deployment_not_found") from error
    files = {namespace: dict(texts) for namespace, texts in engine.pull().items()}
    return {
        "database": database,
        "environment": environment,
        "type": kind_of(app, deployment, engine),
        "files": files,
    }
