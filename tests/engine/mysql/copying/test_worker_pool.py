"""A pool of worker threads: whether it is through, and what ended it."""

import threading

import pytest

from engine.mysql.copying.chunker import Chunk
from engine.mysql.copying.worker_pool import RECONNECTS, WorkerPool
from engine.mysql.trouble import Lost, Waited


class Unneeded:
    """Nothing to walk; there is no connection either."""

    exhausted = False

    class sizer:  # noqa: N801
        chunk_seconds = 0.01


class Slow(threading.Thread):
    """A thread that ends at the moment when somebody looks whether it is alive."""

    def is_alive(self) -> bool:
        struck.set()
        self.join()
        return super().is_alive()


struck = threading.Event()


def test_a_pool_whose_last_thread_fails_at_the_moment_of_looking_is_not_finished() -> None:
    def opened() -> None:
        struck.wait()
        raise ConnectionError("lost at the last moment")

    workers = WorkerPool("test", Unneeded(), None, opened, lambda _: None, 1)  # type: ignore[arg-type]
    workers._threads = [Slow(target=workers._run, args=(0,))]
    with workers, pytest.raises(ConnectionError):
        assert not workers.finished


def over(workers: WorkerPool) -> None:
    """Wait until the threads are through."""
    for thread in workers._threads:
        thread.join()
    assert workers.finished


class Ended(Unneeded):
    """A walk whose first question meets a connection that the server has ended."""

    def __init__(self) -> None:
        self.asked: list[object] = []

    def next(self, link: object) -> None:
        self.asked.append(link)
        if len(self.asked) == 1:
            raise Lost("ended while it was silent", 0)
        self.exhausted = True


def test_a_connection_that_was_ended_between_two_ranges_is_let_go_of_and_made_anew() -> None:
    walk = Ended()
    closed: list[object] = []
    with WorkerPool("test", walk, None, object, closed.append, 1) as workers:  # type: ignore[arg-type]
        over(workers)
    first, second = walk.asked
    assert first is not second
    assert closed == [first, second]


class Single(Unneeded):
    """A walk of one range, which hears what it took."""

    def __init__(self) -> None:
        self.noted: list[tuple[int, float]] = []

    def next(self, link: object) -> Chunk:
        self.exhausted = True
        return Chunk(number=0, low=None, high=("7",))

    def note(self, chunk: Chunk, rows: int, seconds: float) -> None:
        self.noted.append((rows, seconds))

    def done(self, chunk: Chunk) -> None:
        pass


def test_what_a_range_waits_for_its_turn_and_its_commit_makes_the_next_one_no_smaller() -> None:
    walk = Single()

    def work(link: object, chunk: Chunk) -> tuple[int, float]:
        return 300, 0.004  # without its turn and its commit, which are not counted here either

    with WorkerPool("test", walk, work, object, lambda _: None, 1) as workers:  # type: ignore[arg-type]
        over(workers)
    assert walk.noted == [(300, 0.004)]


class Locked(Single):
    """A walk over a table that nobody may read for a while: neither the first question nor a cut is answered at once."""

    def __init__(self) -> None:
        super().__init__()
        self.refusals = [Waited("locked", 1205)] * 2

    def next(self, link: object) -> Chunk:
        self._refuse()
        return super().next(link)

    def halves(self, link: object, chunk: Chunk) -> list[Chunk]:
        raise Waited("locked", 1205)

    def _refuse(self) -> None:
        if self.refusals:
            raise self.refusals.pop()


def test_a_pool_waits_for_whoever_locks_the_table_whatever_it_asks_there() -> None:
    walk = Locked()
    refusals: list[Exception] = [Waited("nobody may write", 1205), Waited("locked", 1205)]
    waiting: list[bool] = []

    def opened() -> object:
        if len(refusals) > 1:
            raise refusals.pop()
        return object()

    def work(link: object, chunk: Chunk) -> tuple[int, float]:
        waiting.append(workers.waiting_since is not None)
        if refusals:
            raise refusals.pop()
        return 7, 0.0

    with WorkerPool("test", walk, work, opened, lambda _: None, 1) as workers:  # type: ignore[arg-type]
        over(workers)
    assert walk.noted == [(7, 0.0)]
    assert waiting == [False, True]
    assert workers.waiting_since is None


def test_a_pool_gives_up_a_connection_that_breaks_again_and_again() -> None:
    made: list[object] = []

    def opened() -> object:
        made.append(object())
        return made[-1]

    def work(link: object, chunk: Chunk) -> tuple[int, float]:
        raise Lost("gone again", 0)

    workers = WorkerPool("test", Single(), work, opened, lambda _: None, 1)  # type: ignore[arg-type]
    with workers, pytest.raises(Lost):
        over(workers)
    assert len(made) == RECONNECTS + 1
