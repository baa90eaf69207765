"""Looks once at every target when the daemon has started: a slip in a DSN is better read now than in the log of an apply."""

import logging
import threading

from engine.errors import EngineError
from server.config import Config
from server.secrets import SecretError
from server.targets import Targets
from server.texts import clean

log = logging.getLogger(__name__)


class FirstLook:
    """One thread, which ends by itself, early when *stopping*.

    Nobody waits for it, not even the end of the process: it holds nothing, and a server that froze is waited for half a minute.
    """

    def __init__(self, config: Config, stopping: threading.Event) -> None:
        self._targets = Targets(config)
        self._stopping = stopping
        self.thread = threading.Thread(target=self._run, name="first-look", daemon=True)

    def begin(self) -> None:
        """Look; called once."""
        self.thread.start()

    def _run(self) -> None:
        for deployment, environment, database in self._targets.places():
            if self._stopping.is_set():
                return
            try:
                self._targets.engine(deployment, environment, database).ping()
            except (EngineError, SecretError) as error:
                log.warning(
                    "%s/%s cannot be used now: %s; `schemabot doctor` tells what to do, and its plans and applies "
                    "look at it again",
                    deployment,
                    environment,
                    clean(str(error)),
                )
