"""A crew of threads: whether it is through, and what ended it."""

import threading

import pytest

from engine.mysql.copying.crew import Crew


class Unneeded:
    """Nothing to walk; there is no connection either."""

    exhausted = False

    class pace:  # noqa: N801
        chunk_seconds = 0.01


class Slow(threading.Thread):
    """A thread that ends at the moment when somebody looks whether it is alive."""

    def is_alive(self) -> bool:
        struck.set()
        self.join()
        return super().is_alive()


struck = threading.Event()


def test_a_crew_whose_last_thread_fails_at_the_moment_of_looking_is_not_finished() -> None:
    def opened() -> None:
        struck.wait()
        raise ConnectionError("lost at the last moment")

    crew = Crew("test", Unneeded(), None, opened, lambda _: None, 1)  # type: ignore[arg-type]
    crew._threads = [Slow(target=crew._run, args=(0,))]
    with crew, pytest.raises(ConnectionError):
        assert not crew.finished
