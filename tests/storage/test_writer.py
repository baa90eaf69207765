"""Writes that wait for one another in a process: they share a commit, and nobody notices but by the time it takes."""

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import apsw
import pytest

from storage.errors import LeaseLost, TargetBusy, Unavailable
from storage.lifecycle.statements import Statements
from storage.records import TaskProgress
from storage.sqlite.store import SqliteStore
from tests.storage.kinds import KnownFile
from tests.storage.scene import a_plan, a_request, claimed, queued
from tests.waiting import until


class Commits:
    """Counts the commits of a store's connections, and lets some of them fail."""

    def __init__(self) -> None:
        self.count = 0
        self.failing: Callable[[int], bool] = lambda _number: False
        self.at_commit: Callable[[], object] = lambda: None

    def __call__(self, sql: str) -> None:
        if sql == "COMMIT":
            self.count += 1
            self.at_commit()
            if self.failing(self.count):
                raise apsw.FullError("no space, says the test")


@pytest.fixture
def commits() -> Commits:
    return Commits()


@pytest.fixture
def store(path: Path, commits: Commits) -> Iterator[SqliteStore]:
    with KnownFile(str(path)).open(before=commits) as made:
        assert isinstance(made, SqliteStore)
        yield made


@contextmanager
def held(store: SqliteStore) -> Iterator[None]:
    """Somebody is inside a transaction; whoever writes in the block waits."""
    inside, go_on = threading.Event(), threading.Event()

    def hold(_transaction: Statements) -> None:
        inside.set()
        assert go_on.wait(30)

    holder = threading.Thread(target=store._database.write, args=(hold,))
    holder.start()
    assert inside.wait(30)
    try:
        yield
    finally:
        go_on.set()
        holder.join(30)


def at_once(store: SqliteStore, calls: Sequence[Callable[[], object]]) -> list[Any]:
    """Make all calls wait for the same transaction, in this order; what each returned or raised."""
    with ThreadPoolExecutor(len(calls)) as pool:
        with held(store):
            futures = []
            for number, call in enumerate(calls, 1):
                futures.append(pool.submit(call))
                until("it waits", lambda: len(store._database._writer._waiting) == number)  # noqa: B023
        return [future.exception(30) or future.result(30) for future in futures]


def setting(store: SqliteStore, name: str) -> Callable[[], object]:
    """What sets it."""
    return lambda: store.set_setting(name, "set")


def test_those_that_wait_share_a_commit_and_nobody_is_answered_before_it(
    store: SqliteStore, commits: Commits
) -> None:
    answered: list[str] = []
    seen: list[int] = []
    commits.at_commit = lambda: seen.append(len(answered))
    names = [f"s{number}" for number in range(8)]

    def write(name: str) -> None:
        store.set_setting(name, "set")
        answered.append(name)

    at_once(store, [lambda name=name: write(name) for name in names])  # type: ignore[misc]
    assert seen == [0, 0], "one commit of the holder, one of all eight"
    assert sorted(store.settings()) == names
    assert sorted(answered) == names


def test_of_those_that_share_a_commit_only_the_refused_are_refused(store: SqliteStore) -> None:
    for database in ("one", "two", "three"):
        store.save_plan(a_plan(database))
    queued(store, "driven")
    stale = claimed(store, "old", lease=0.0)
    claimed(store, "new")
    progress = TaskProgress(seq=0, rows_copied=7, rows_total=9)
    answers = at_once(
        store,
        [
            lambda: store.enqueue(a_request("one")),
            lambda: store.record(stale, [progress], durable=True),
            lambda: store.enqueue(a_request("two")),
            lambda: store.enqueue(a_request("one")),
            lambda: store.enqueue(a_request("three")),
        ],
    )
    one, lost, two, busy, three = answers
    assert isinstance(lost, LeaseLost)
    assert isinstance(busy, TargetBusy)
    assert busy.apply_uid == one.apply_uid
    assert [task.rows_copied for task in store.tasks(stale.apply_id)] == [0, 0]
    for made in (one, two, three):
        assert store.history(made.database) == [made]
        assert len(store.tasks(made.id)) == 2
        assert len(store.events(made.id)) == 1


def test_when_a_shared_commit_fails_each_is_written_by_itself(store: SqliteStore, commits: Commits) -> None:
    commits.failing = lambda number: number == 2
    answers = at_once(store, [setting(store, name) for name in "abc"])
    assert answers == [None, None, None]
    assert commits.count == 5
    assert store.settings() == {"a": "set", "b": "set", "c": "set"}


def test_when_no_commit_succeeds_everybody_is_told_and_nothing_is_written(
    store: SqliteStore, commits: Commits
) -> None:
    commits.failing = lambda number: number > 1
    answers = at_once(store, [setting(store, name) for name in "abc"])
    assert [type(answer) for answer in answers] == [Unavailable] * 3
    assert all("no space left" in str(answer) for answer in answers)
    commits.failing = lambda _number: False
    assert store.settings() == {}
    store.set_setting("d", "set")
    assert store.settings() == {"d": "set"}


def test_an_interrupted_leader_leaves_nobody_waiting_and_nothing_written(store: SqliteStore) -> None:
    def interrupt(transaction: Statements) -> None:
        transaction.put_setting("interrupted", "set")
        raise KeyboardInterrupt

    first, second = at_once(store, [lambda: store._database.write(interrupt), setting(store, "second")])
    assert isinstance(first, KeyboardInterrupt)
    assert isinstance(second, Unavailable)
    assert store.settings() == {}
    store.set_setting("third", "set")
    assert store.settings() == {"third": "set"}


def test_whoever_waited_too_long_is_told_and_never_written(path: Path) -> None:
    with SqliteStore(path, busy_seconds=0.05) as store:
        failures: list[Exception] = []

        def write(name: str) -> None:
            try:
                store.set_setting(name, "set")
            except Unavailable as error:
                failures.append(error)

        threads = [threading.Thread(target=write, args=(name,)) for name in "abc"]
        with held(store):
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(30)
        assert ["no turn to write" in str(failure) for failure in failures] == [True] * 3
        assert store.settings() == {}
        store.set_setting("d", "set")
