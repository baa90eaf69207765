"""A SQLite file without a server: the daemon runs inside this process, on a store beside the file."""

import os
import re
import sys
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

from cli.errors import INTERRUPTED, CliError, Exit, Interrupted
from cli.interrupts import interrupt_on_signals
from server.config import Config, DatabaseConfig, EnvironmentConfig, ServerConfig, StorageConfig, WorkerConfig
from server.daemon import CannotStart, Daemon
from server.ownership import StoreOwned

ENVIRONMENT = "local"
OWNER_STARTS_SECONDS = 40.0
"""How long to wait for a daemon that owns the store but does not listen: it is starting, or draining before its end."""


def database_name(file: Path) -> str:
    """What the database in *file* is called: the file's stem, fit for a URL."""
    return re.sub(r"[^A-Za-z0-9_.@-]", "_", file.stem).lstrip("@-")[:128] or "database"


def store_beside(file: Path) -> Path:
    """Where the applies of the database in *file* are remembered."""
    return file.with_name(file.name + "-schemabot.db")


class LocalServer:
    """The daemon of one SQLite file: ours, or that of whoever owns the store already; a context manager.

    *drive*: whether our daemon goes on with an unfinished apply; a command that only looks must not.
    """

    def __init__(self, file: Path, *, drive: bool) -> None:
        self.file = file.resolve()
        self.store = store_beside(self.file)
        self._drive = drive
        self._stack = ExitStack()
        self._ours: Daemon | None = None
        self._interrupted = False

    @property
    def ours(self) -> bool:
        """Whether the work is done inside this process, and rests when it ends."""
        return self._ours is not None

    def open(self) -> str:
        """The address of the daemon, started here unless another process owns the store.

        Called again after that process has ended, it takes over.
        """
        deadline = time.monotonic() + OWNER_STARTS_SECONDS
        while self._ours is None:
            try:
                self._ours = self._stack.enter_context(Daemon(self._config(), self._leave))
            except StoreOwned as error:
                if error.url:
                    return error.url
                if time.monotonic() > deadline:
                    raise CliError(
                        str(error), "wait for that process to end, or look at it with ps"
                    ) from error
                time.sleep(0.1)
            except CannotStart as error:
                raise CliError(
                    f"cannot keep the record of changes in {self.store}: {error}",
                    f"{self.store.parent} must be writable, and the file one of SchemaBot",
                ) from error
        return self._ours.url

    def _config(self) -> Config:
        environment = EnvironmentConfig(dsn=str(self.file))
        return Config(
            server=ServerConfig(listen_port=0, http_threads=4),
            storage=StorageConfig(url=str(self.store)),
            workers=WorkerConfig(count=1 if self._drive else 0),
            databases={
                database_name(self.file): DatabaseConfig(
                    type="sqlite", environments={ENVIRONMENT: environment}
                )
            },
        )

    def __enter__(self) -> Self:
        interrupt_on_signals()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._interrupted = isinstance(error, KeyboardInterrupt | Interrupted)
        try:
            self._stack.close()
        except KeyboardInterrupt:
            # A second Ctrl-C does not wait for the checkpoint: the next call goes on from the last one.
            _exit_now(Exit.INTERRUPTED)

    def _leave(self, why: str) -> NoReturn:
        _exit_now(
            Exit.INTERRUPTED if self._interrupted else Exit.FAILED,
            INTERRUPTED if self._interrupted else f"Error: {why}",
        )


def _exit_now(code: int, word: str = "") -> NoReturn:
    """Without waiting for anything; the terminal, or whoever reads the output, may be gone."""
    with suppress(OSError):
        if word:
            print(word, file=sys.stderr, flush=True)
        sys.stdout.flush()
    os._exit(code)
