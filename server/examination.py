"""What has to be mended before the daemon can do its work: its configuration, its store and every target, looked at only."""

import socket
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from engine.base import Observation, Verdict, bad, doubtful, good
from engine.errors import EngineError
from server.config import Config, ServerConfig, is_loopback
from server.ownership import owner_of
from server.secrets import SecretError, resolve, resolve_for_store
from server.targets import Targets
from server.texts import clean
from server.tls import BadCertificate, Certificate
from storage.errors import StoreError
from storage.registry import open_store, sqlite_path

NOT_MADE_YET = "no such table"
"""In the words of every store on which no daemon was started yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Everything seen about one thing: "server", "store", or a target as database/environment."""

    about: str
    found: tuple[Observation, ...]

    @property
    def bad(self) -> bool:
        """Whether something there has to be mended."""
        return any(observation.verdict is Verdict.BAD for observation in self.found)


def examine(config: Config) -> Iterator[Section]:
    """One section after the other, as soon as it is known; nothing is changed anywhere. Raises nothing of ours."""
    yield Section(about="server", found=tuple(_server(config)))
    yield Section(about="store", found=(_store(config.storage.url),))
    targets = Targets(config)
    for deployment, environment, database in targets.places():
        yield _target(targets, deployment, environment, database)


# -- the server itself --------------------------------------------------------------------------------------------


def _server(config: Config) -> Iterator[Observation]:
    yield _listening(config.server, _daemon_on(config.storage.url))
    if config.server.tls_certificate:
        yield _certificate(config.server)
    yield from _secrets((f"token {token.name}", token.secret) for token in config.server.tokens)
    served = len(config.databases)
    if config.databases or config.deployments:
        yield good(
            "databases", f"{served} served here, {len(config.deployments)} deployments served by others"
        )
    else:
        yield doubtful(
            "databases", "there is none to change", "add a [databases.NAME], or: serve -d NAME=FILE"
        )


def _listening(server: ServerConfig, daemon: dict[str, str]) -> Observation:
    host, port = server.listen_host, server.listen_port
    reach = "this machine only" if is_loopback(host) else "everybody who can reach this machine, with a token"
    if port == 0:
        return good("address", f"any free port on {host}, for {reach}")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with closing(socket.socket(family, socket.SOCK_STREAM)) as probe:
        # As the daemon does: connections of its predecessor that are not forgotten yet are in nobody's way.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), port))
        except OSError as error:
            if daemon.get("url", "").endswith(f":{port}"):
                return good(
                    "address", f"{host}:{port} is held by this daemon, at work with pid {daemon['pid']}"
                )
            remedy = "end the program that has it, or choose another listen_port"
            return bad("address", f"{host}:{port} cannot be listened on: {error.strerror}", remedy)
    return good("address", f"{host}:{port} is free, for {reach}")


def _certificate(server: ServerConfig) -> Observation:
    try:
        Certificate(Path(server.tls_certificate), Path(server.tls_key))
    except BadCertificate as error:
        return bad(
            "certificate", str(error), "correct tls_certificate and tls_key, or the files' owner and mode"
        )
    return good("certificate", f"{server.tls_certificate} and its key belong together")


def _daemon_on(store: str) -> dict[str, str]:
    path = sqlite_path(store)
    return owner_of(path) if path is not None else {}


def _secrets(named: Iterable[tuple[str, str]]) -> Iterator[Observation]:
    for name, reference in named:
        try:
            resolve(reference)
        except SecretError as error:
            yield bad(name, str(error), "set it where the daemon runs, or correct the reference")
        else:
            yield good(name, "can be read")


# -- the store ----------------------------------------------------------------------------------------------------


def _store(url: str) -> Observation:
    path = sqlite_path(url)
    return _new_file(path) if path is not None and not path.exists() else _answering(url)


def _new_file(path: Path) -> Observation:
    if path.parent.is_dir():
        return good("file", f"{path} does not exist yet: the first start makes it")
    return bad("file", f"the folder {path.parent} does not exist", f"run: mkdir -p {path.parent}")


def _answering(url: str) -> Observation:
    try:
        with open_store(url, resolve_for_store) as store:
            store.ping()
    except StoreError as error:
        text = clean(str(error))
        if NOT_MADE_YET in text:
            return good("tables", "there are none yet: the first start makes them")
        remedy = "see that it is up and reachable from here, and its user, password and privileges"
        return bad("answer", text, remedy if error.retryable else "name another store in [storage] url")
    return good("answer", "it can be read and written")


# -- targets ------------------------------------------------------------------------------------------------------


def _target(targets: Targets, deployment: str, environment: str, database: str) -> Section:
    try:
        found = tuple(targets.engine(deployment, environment, database).examine())
    except SecretError as error:
        found = (bad("secret", str(error), "set it where the daemon runs, or correct the reference"),)
    except EngineError as error:
        remedy = "see that it is up and reachable from here, and its user, password and privileges"
        if not error.retryable:
            remedy = f"correct the configuration of {deployment} ({environment})"
        found = (bad("reach", str(error), remedy),)
    return Section(about=f"{deployment}/{environment}", found=tuple(map(_fit, found)))


def _fit(found: Observation) -> Observation:
    """Without secrets and control characters: part of it comes from the target."""
    return Observation(
        verdict=found.verdict,
        subject=clean(found.subject),
        text=clean(found.text),
        remedy=clean(found.remedy),
    )
