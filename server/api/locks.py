"""Locks: who has reserved a database."""

from typing import Any

from server.api.answers import Answer, Forbidden, Invalid, Missing, Reply
from server.app import App
from server.bodies import LONGEST_TYPE, decode, sparse, stamp
from server.requests import Request
from server.tokens import User
from storage.errors import LockHeld, NotFound, NotOwner
from storage.records import Lock


def acquire(app: App, request: Request) -> Answer:
    """Take the lock; 409 with the holder when another has it."""
    fields = decode(request.body)
    database, kind, owner = (
        fields.text("database"),
        fields.text("database_type", LONGEST_TYPE),
        fields.text("owner"),
    )
    repository, pull_request = fields.text("repository"), fields.integer("pull_request")
    if not (database and kind and owner):
        raise Invalid("database, database_type, and owner are required")
    try:
        lock = app.store.acquire_lock(database, kind, owner, repository, pull_request or None)
    except LockHeld:
        _count(app, "acquire", database, "conflict")
        return _conflict(app, database, kind)
    _count(app, "acquire", database, "success")
    return {"lock": _body(lock)}


def release(app: App, request: Request) -> Answer:
    """Give the lock back; `force` takes it from whoever has it."""
    fields = decode(request.body)
    database, kind, owner = (
        fields.text("database"),
        fields.text("database_type", LONGEST_TYPE),
        fields.text("owner"),
    )
    force = fields.flag("force")
    if not (database and kind):
        raise Invalid("database and database_type are required")
    if not owner and not force:
        raise Invalid("owner is required (or use force: true)")
    if force and not User(request.user, request.role).may("admin"):
        raise Forbidden(
            f"the token {request.user} may release its own locks only: force needs the role admin"
        )
    try:
        app.store.release_lock(database, kind, owner, force=force)
    except NotFound as error:
        _count(app, "release", database, "not_found")
        raise Missing("lock not found") from error
    except NotOwner as error:
        _count(app, "release", database, "not_owned")
        raise Forbidden("lock is not owned by you") from error
    _count(app, "release", database, "success")
    return {"status": "released"}


def lock(app: App, request: Request) -> Answer:
    """One lock; 404 means free."""
    try:
        return {"lock": _body(app.store.lock(request.params["database"], request.params["dbtype"]))}
    except NotFound as error:
        raise Missing("lock not found") from error


def locks(app: App, _request: Request) -> Answer:
    """All locks, newest first."""
    return {"locks": [_body(found) for found in app.store.locks()]}


def _conflict(app: App, database: str, kind: str) -> Answer:
    """The one error of another shape: it shows the holder."""
    try:
        holder = app.store.lock(database, kind)
    except NotFound:
        return Reply(409, {"error": "lock is already held", "error_code": ""})
    text = "lock is already held by another owner"
    return Reply(409, {"error": text, "error_code": "", "current_lock": _body(holder)})


def _body(lock: Lock) -> dict[str, Any]:
    return {
        "database": lock.database,
        "database_type": lock.database_type,
        "owner": lock.owner,
        **sparse(
            repository=lock.repository,
            pull_request=lock.pull_request,
            created_at=stamp(lock.created_at),
            updated_at=stamp(lock.updated_at),
        ),
    }


def _count(app: App, operation: str, database: str, status: str) -> None:
    name = database if database in app.config.databases else "unknown"
    app.metrics.lock_operations.labels(operation=operation, database=name, status=status).inc()
