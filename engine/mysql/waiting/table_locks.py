"""LOCK TABLES within a time for all of them: the server takes one lock after the other, keeps what it has, and waits for each
as long as its own limit allows.
"""

import time
from collections.abc import Callable

from engine.mysql.link import Link
from engine.mysql.ownership.watch import Watch
from engine.mysql.silence import AWAKE_SECONDS
from engine.mysql.trouble import INTERRUPTED, Trouble, Waited
from engine.mysql.waiting.running import Running

NOT_IN_TIME = "the locks were not all to be had in time"


class OutOfTime(Waited):
    """The application has waited long enough: the locks were let go, nothing has changed."""

    def __init__(self, text: str) -> None:
        super().__init__(text, 0)


def lock_tables(
    watch: Watch, link: Link, locks: str, deadline: float, awake: Callable[[], None] = lambda: None
) -> None:
    """Have *locks* ("`s`.`t` WRITE, …") on *link*. OutOfTime: not all were to be had by the *deadline*, and none is kept.

    *awake* is called now and then meanwhile.
    """
    try:
        with Running(link, f"LOCK TABLES {locks}", watch) as running:
            if not _over_in_time(running, deadline, awake):
                running.end()
                running.outcome()
                link.run("UNLOCK TABLES")
                raise OutOfTime(NOT_IN_TIME)
            running.outcome()
    except Trouble as error:
        if error.code != INTERRUPTED:
            raise
        raise OutOfTime(NOT_IN_TIME) from error


def _over_in_time(running: Running, deadline: float, awake: Callable[[], None]) -> bool:
    while not running.over(max(0.0, min(AWAKE_SECONDS, deadline - time.monotonic()))):
        if time.monotonic() >= deadline:
            return False
        awake()
    return True
