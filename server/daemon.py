"""The daemon: builds the parts, starts them in order, and takes them down in the reverse one."""

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import FrameType, TracebackType
from typing import NoReturn, Self

from server.app import App
from server.config import Config, ServerConfig, is_loopback
from server.first_look import FirstLook
from server.handler import ApiHandler
from server.housekeeping import Housekeeping
from server.http import CannotListen, HttpServer
from server.leases import LeaseKeeper
from server.logs import log_to_stderr
from server.metrics import Metrics
from server.ownership import StoreOwned, StoreOwnership
from server.secrets import SecretError, redact, resolve_for_store
from server.targets import Targets
from server.tls import BadCertificate, Certificate
from server.workers import Workers
from storage.errors import StoreError
from storage.registry import open_store, sqlite_path

log = logging.getLogger(__name__)

SWITCH_SECONDS = 0.0005
"""How long one thread may keep the interpreter while others want it; a tenth of Python's own choice, for answers while
tables are copied (docs/figures.md).
"""
HTTP_DRAIN_SECONDS = 5.0
"""How long running requests may take to end."""
SHARED_POLL_SECONDS = 0.9
"""How often to look into a store that other daemons write to, too: with its jitter, work is seen within a second."""


class CannotStart(Exception):
    """The daemon cannot run here; the message says why and what to do: an unusable store, a port in use, a missing secret."""

    def __init__(self, text: str) -> None:
        super().__init__(redact(text))


class Daemon:
    """Everything between the store and the port; a context manager. Entering raises StoreOwned or CannotStart.

    *leave* ends the process, and is told why, when a thread is still at work after its time to end: that thread holds the store
    or a target, both are left to the kernel, and nothing is lost (AV-4).
    """

    def __init__(self, config: Config, leave: Callable[[str], NoReturn] | None = None) -> None:
        self._config = config
        self._leave = leave or _leave_after_a_signal
        self._stack = ExitStack()
        self._workers: Workers | None = None
        self.url = ""
        """Where the daemon listens, once entered."""

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            try:
                self._start(stack)
            except CannotListen as error:
                advice = "end the program that has it, or choose another address (listen_host, listen_port, --listen)"
                raise CannotStart(f"{error}; {advice}") from error
            except (StoreError, SecretError, BadCertificate, OSError) as error:
                raise CannotStart(str(error)) from error
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _start(self, stack: ExitStack) -> None:
        config = self._config
        path = sqlite_path(config.storage.url)
        ownership = self._own(stack, path) if path is not None else None
        if ownership is None:
            config = _look_often(config)
        store = stack.enter_context(open_store(config.storage.url, resolve_for_store))
        store.upgrade()
        if ownership is not None:
            released = store.release_orphans()
            if released:
                log.warning("%d applies were left by a daemon that died; going on with them", released)
        metrics = Metrics(store.counts)
        keeper = LeaseKeeper(store, metrics, config.workers.lease_seconds)
        wake = threading.Event()
        app = App(config=config, store=store, targets=Targets(config), metrics=metrics, wake=wake.set)
        workers = Workers(app, keeper, wake)
        certificate = _certificate(config.server)
        handler = ApiHandler(app)
        http = HttpServer(
            config.server.listen_host,
            config.server.listen_port,
            handler,
            pace=handler.pace,
            threads=config.server.http_threads,
            max_connections=config.server.max_connections,
            tls=certificate.context if certificate else None,
        )
        http.start()
        stack.callback(self._close, http)
        keeper.start()
        stack.callback(keeper.stop)
        housekeeping = Housekeeping(store, metrics)
        housekeeping.start()
        stack.callback(housekeeping.stop)
        workers.start()
        stack.callback(self._drain, workers)
        host, port = http.address
        scheme = "https" if certificate else "http"
        self.url = f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}"
        if ownership is not None:
            ownership.publish(self.url)

    @staticmethod
    def _own(stack: ExitStack, path: Path) -> StoreOwnership:
        if not path.parent.is_dir():
            raise CannotStart(
                f"[storage] url (or --store): the folder {path.parent} does not exist; "
                f"run mkdir -p {path.parent}, or name another file"
            )
        ownership = StoreOwnership(path)
        stack.callback(ownership.release)
        return ownership

    def _drain(self, workers: Workers) -> None:
        if not workers.stop(self._config.server.drain_seconds):
            self._leave("a worker did not let go in time; its lease will lapse")

    def _close(self, http: HttpServer) -> None:
        if not http.stop(HTTP_DRAIN_SECONDS):
            self._leave("a request did not end in time")


def _certificate(config: ServerConfig) -> Certificate | None:
    if config.tls_certificate:
        return Certificate(Path(config.tls_certificate), Path(config.tls_key))
    if not is_loopback(config.listen_host):
        log.warning("the API on %s is not encrypted: tokens can be read on the way", config.listen_host)
    return None


def _look_often(config: Config) -> Config:
    """For a store of several daemons: another one may enqueue, and nobody wakes us (section 4 of the lifecycle)."""
    poll_seconds = min(config.workers.poll_seconds, SHARED_POLL_SECONDS)
    return replace(config, workers=replace(config.workers, poll_seconds=poll_seconds))


def _leave_after_a_signal(why: str) -> NoReturn:
    log.error("%s; exiting without waiting for it", why)
    logging.shutdown()
    os._exit(0)


def _on_hangup(handler: Callable[[int, FrameType | None], None]) -> None:
    """Unless the process was started so that it outlives its terminal (nohup)."""
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, handler)


def serve(
    config: Config, on_ready: Callable[[str], None] | None = None, log_level: int = logging.INFO
) -> int:
    """Run the daemon until SIGTERM, SIGINT or SIGHUP; a second signal exits at once. Returns the process's exit status."""
    log_to_stderr(log_level)
    sys.setswitchinterval(SWITCH_SECONDS)
    done = threading.Event()

    def stop(number: int, _frame: FrameType | None) -> None:
        if done.is_set():
            if number == signal.SIGHUP:  # one terminal that closes sends it more than once
                return
            os._exit(128 + number)
        done.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    _on_hangup(stop)
    try:
        with Daemon(config) as daemon:
            log.info("listening on %s", daemon.url)
            if config.workers.count == 0:
                log.warning(
                    "nothing is driven: [workers] count is 0; what is stopped or cancelled now does not go on when it is raised"
                )
            if on_ready is not None:
                on_ready(daemon.url)
            FirstLook(config, done).begin()
            done.wait()
            log.info("draining: nothing new is claimed, running changes checkpoint and are handed back")
    except (StoreOwned, CannotStart) as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return 0
