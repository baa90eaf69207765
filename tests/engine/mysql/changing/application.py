"""The application at work beside a change."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from tests.engine.mysql.changing.plans import Shop


@contextmanager
def at_work(shop: Shop, statement: str) -> Iterator[list[float]]:
    """It runs *statement* again and again; the seconds that each took so far."""
    stalls: list[float] = []
    over = threading.Event()

    def work() -> None:
        with shop.link(settings={"lock_wait_timeout": 50}) as link:
            while not over.is_set():
                began = time.monotonic()
                link.run(statement)
                stalls.append(time.monotonic() - began)
                over.wait(0.01)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield stalls
    finally:
        over.set()
        thread.join()
