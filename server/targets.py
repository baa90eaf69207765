"""From database and environment to the engine that serves it, as contract.md's routing says."""

import threading
from collections.abc import Iterator
from pathlib import Path

from engine.base import Engine, Target
from engine.registry import open_engine
from server.config import Config, DatabaseConfig
from server.secrets import resolve


class UnknownTarget(Exception):
    """No back end for the database and environment; the text is the wire contract's."""


class Targets:
    """The engines of the configured databases and deployments, made at first use and kept."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._engines: dict[tuple[str, str, str], tuple[Target, Engine]] = {}
        self._lock = threading.Lock()

    def deployment(self, database: str, explicit: str = "") -> str:
        """The deployment that serves *database*: the explicit one, else its own, else `default`."""
        if explicit:
            return explicit
        return database if database in self._config.databases else "default"

    def kind(self, deployment: str) -> str:
        """The configured type of a local database, or UnknownTarget."""
        if deployment not in self._config.databases:
            raise UnknownTarget(f"unknown deployment: {deployment}")
        return self._config.databases[deployment].type

    def environments(self, deployment: str, database: str) -> list[str]:
        """Where *deployment* has *database*, served here or behind another SchemaBot; sorted, empty for neither."""
        local = self._local(deployment, database)
        if local is not None:
            return sorted(local.environments)
        remote = self._config.deployments.get(deployment)
        return sorted(remote.environments) if remote else []

    def places(self) -> Iterator[tuple[str, str, str]]:
        """Deployment, environment and database of each back end, as `engine` wants them; what is behind another SchemaBot is
        not known here: no database."""
        for database, found in sorted(self._config.databases.items()):
            for environment in sorted(found.environments):
                yield database, environment, database
        for deployment, elsewhere in sorted(self._config.deployments.items()):
            for environment in sorted(elsewhere.environments):
                yield deployment, environment, ""

    def check(self, deployment: str, environment: str, database: str) -> None:
        """UnknownTarget unless the configuration names that place; nothing is opened, no secret is read."""
        local = self._local(deployment, database)
        if local is None or environment not in local.environments:
            self._address(deployment, environment)

    def engine(self, deployment: str, environment: str, database: str) -> Engine:
        """The engine for *database* at that place.

        UnknownTarget; server.secrets.SecretError when its DSN or token cannot be resolved.
        """
        with self._lock:
            key = (deployment, environment, database)
            # Looked up every time: a password or a token may be renewed while a change goes on for weeks.
            target = self._target(deployment, environment, database)
            kept = self._engines.get(key)
            if kept is None or kept[0] != target:
                kept = self._engines[key] = (target, open_engine(target))
            return kept[1]

    def _local(self, deployment: str, database: str) -> DatabaseConfig | None:
        """*database*, if it is served here. One of another name is never it, not even one that is called `default`."""
        return self._config.databases.get(database) if deployment == database else None

    def _target(self, deployment: str, environment: str, database: str) -> Target:
        local = self._local(deployment, database)
        if local is None or environment not in local.environments:
            return self._remote(deployment, environment, database)
        found = local.environments[environment]
        return Target(
            kind=local.type,
            database=database,
            environment=environment,
            dsn=self._sqlite_file(resolve(found.dsn)) if local.type == "sqlite" else resolve(found.dsn),
            workspace=resolve(found.workspace) if found.workspace else "",
        )

    def _sqlite_file(self, dsn: str) -> str:
        """The same file wherever the daemon was started; also when a reference stands for its relative path."""
        if dsn.startswith("file:"):  # SQLite's own kind of address
            return dsn
        return str(self._config.folder / Path(dsn).expanduser())

    def _remote(self, deployment: str, environment: str, database: str) -> Target:
        address = self._address(deployment, environment)
        token = resolve(self._config.deployments[deployment].token)
        return Target(kind="remote", database=database, environment=environment, dsn=address, token=token)

    def _address(self, deployment: str, environment: str) -> str:
        """Where the other SchemaBot is, or UnknownTarget in the contract's words."""
        remote = self._config.deployments.get(deployment)
        if remote is None:
            raise UnknownTarget(f"unknown deployment: {deployment}")
        if environment not in remote.environments:
            raise UnknownTarget(f'unknown environment "{environment}" for deployment "{deployment}"')
        if not remote.environments[environment]:
            raise UnknownTarget(f"endpoint not configured for {deployment}/{environment}")
        return remote.environments[environment]
