"""From database and environment to the engine that serves it, as contract.md's routing says."""

import threading

from engine.base import Engine, Target
from engine.registry import open_engine
from server.config import Config
from server.secrets import resolve


class UnknownTarget(Exception):
    """No back end for the database and environment; the text is the wire contract's."""


class Targets:
    """The engines of the configured databases, made at first use and kept."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._engines: dict[tuple[str, str], Engine] = {}
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

    def environments(self, database: str) -> list[str]:
        """The environments configured for *database*, sorted; empty for an unknown one."""
        found = self._config.databases.get(database)
        return sorted(found.environments) if found else []

    def engine(self, deployment: str, environment: str) -> Engine:
        """The engine of the target. UnknownTarget; server.secrets.SecretError when its DSN cannot be resolved."""
        found = self._config.databases.get(deployment)
        if found is None or environment not in found.environments:
            raise UnknownTarget(f"unknown deployment: {deployment}")
        with self._lock:
            key = (deployment, environment)
            if key not in self._engines:
                dsn = resolve(found.environments[environment].dsn)
                self._engines[key] = open_engine(
                    Target(kind=found.type, database=deployment, environment=environment, dsn=dsn)
                )
            return self._engines[key]
