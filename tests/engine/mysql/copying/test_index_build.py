"""Indexes that were put off are built while rows are compared; what either meets is told at once and mended by the next run."""

import threading
from contextlib import suppress
from functools import partial
from typing import Literal

import pytest

from engine.base import Progress, Signal
from engine.mysql.catalog import read_table
from engine.mysql.copying.chunker import Chunk, Chunker
from engine.mysql.copying.table_copy import TableCopy
from engine.mysql.link import Link
from engine.mysql.names import names_of
from engine.mysql.ownership.ending import end
from engine.mysql.process_list import process_list
from engine.mysql.shadow.checkpoints import Checkpoint, Phase
from engine.mysql.shadow.shape import FILLING
from engine.mysql.trouble import Lost, ServerRefused, Trouble, Waited
from engine.mysql.waiting import running
from tests.engine.mysql.copying.rig import INDEXED, Rig, Watcher, make_rig, prepare
from tests.servers.server import Server
from tests.waiting import until

BOTH = "building indexes and comparing rows"


class Reader:
    """Somebody who reads the shadow in a transaction: it can be written to, but gets no index until that is over."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._link = rig.link()
        self._reads = False

    def begin(self) -> None:
        if not self._reads:
            self._reads = True
            self._link.run("START TRANSACTION")
            self._link.rows(f"SELECT 1 FROM {self._rig.shadow} LIMIT 1")

    def end(self) -> None:
        self._link.close()


def indexes(rig: Rig) -> set[str]:
    with rig.link() as link:
        shadow = read_table(link, rig.schema, names_of(rig.source).shadow)
    assert shadow is not None
    return {index.name for index in shadow.indexes}


def test_rows_are_compared_while_indexes_are_built(server: Server) -> None:
    rig = make_rig(server, INDEXED, ["MODIFY k BIGINT NOT NULL"])
    reader = Reader(rig)

    def hook(progress: Progress) -> None:
        if progress.detail == "copying rows":
            reader.begin()
        if progress.detail.startswith(BOTH):
            reader.end()

    watcher = Watcher(hook)
    with rig.copying(rig.step()) as copy:
        prepare(copy, watcher)
        assert copy.checkpoint.phase is Phase.READY
        assert copy.checkpoint.deferred == ()
    assert any(detail.startswith(BOTH) for detail in watcher.details())
    assert indexes(rig) == {"PRIMARY", "k", "v"}
    rig.assert_as_altered()


@pytest.mark.parametrize(("volume", "threads"), [(3, 2), (6, 3)])
def test_a_build_has_as_many_threads_as_the_copy(
    server: Server, monkeypatch: pytest.MonkeyPatch, volume: int, threads: int
) -> None:
    run = Link.run
    rig = make_rig(server, INDEXED, ["MODIFY k BIGINT NOT NULL"])
    seen: list[object] = []

    def looked(self: Link, sql: str, *args: object) -> int:
        if "ADD KEY" in sql and server.flavour == "mysql":
            seen.append(self.row("SELECT @@innodb_parallel_read_threads, @@innodb_ddl_threads"))
        return run(self, sql, *args)

    monkeypatch.setattr(Link, "run", looked)
    with rig.copying(rig.step()) as copy:
        prepare(copy, Watcher(volume=volume))
    assert seen == [(threads, threads)] * (server.flavour == "mysql")  # MariaDB builds with one


def test_a_build_is_not_lost_while_somebody_locks_the_live_table(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    halves, run = Chunker.halves, Link.run
    rig = make_rig(server, INDEXED, ["MODIFY k BIGINT NOT NULL"])
    reader, locked, refused, builds = Reader(rig), threading.Event(), threading.Event(), []

    def cut(self: Chunker, link: Link, chunk: Chunk) -> list[Chunk]:
        try:
            return halves(self, link, chunk)
        except Waited:
            refused.set()
            raise

    def looked(self: Link, sql: str, *args: object) -> int:
        if "ADD KEY" in sql:
            builds.append(sql)
        return run(self, sql, *args)

    def hook(progress: Progress) -> None:
        if progress.detail == "copying rows":
            reader.begin()
        if refused.is_set():
            reader.end()
            locker.run("UNLOCK TABLES")
        elif progress.detail.startswith(BOTH) and not locked.is_set():
            locker.run("LOCK TABLES t WRITE")
            locked.set()

    monkeypatch.setattr(Chunker, "halves", cut)
    monkeypatch.setattr(Link, "run", looked)
    monkeypatch.setattr(TableCopy, "filling", {**FILLING, "lock_wait_timeout": 1})
    with rig.link() as locker, rig.copying(rig.step()) as copy:
        prepare(copy, Watcher(hook))
        assert copy.checkpoint.phase is Phase.READY
    assert refused.is_set()
    assert len(builds) == 1
    rig.assert_as_altered()


def test_a_build_is_ended_when_a_backup_and_all_writers_wait_for_it(server: Server) -> None:
    rig = make_rig(server, INDEXED, ["MODIFY k BIGINT NOT NULL"])
    rig.run("CREATE TABLE other (id INT PRIMARY KEY)")
    reader, written = Reader(rig), threading.Event()

    def back_up() -> None:
        with rig.link() as link:
            link.set({"lock_wait_timeout": 30})
            link.run("FLUSH TABLES WITH READ LOCK")

    def write() -> None:
        with rig.link() as link:
            link.set({"lock_wait_timeout": 30})
            link.run("INSERT INTO other VALUES (1)")
        written.set()

    others = [threading.Thread(target=back_up), threading.Thread(target=write)]

    def hook(progress: Progress) -> None:
        if progress.detail == "copying rows":
            reader.begin()
        if progress.detail.startswith((BOTH, "building indexes")):
            for thread, wanted in zip(others, ("FLUSH", "INSERT"), strict=True):
                if thread.ident is None:
                    thread.start()
                    until(f"{wanted} waits", partial(waits, rig, wanted))

    with rig.copying(rig.step()) as copy, pytest.raises(Waited, match="built again later"):
        prepare(copy, Watcher(hook))
    assert written.wait(10)
    reader.end()
    for thread in others:
        thread.join()
    assert indexes(rig) == {"PRIMARY"}
    with rig.copying(rig.step()) as copy:
        prepare(copy, Watcher())
        assert copy.checkpoint.phase is Phase.READY
    rig.assert_as_altered()


def waits(rig: Rig, statement: str) -> bool:
    with rig.link() as link:
        return any(
            one.statement.startswith(statement) and one.state.startswith("Waiting for")
            for one in process_list(link)
        )


def test_a_build_that_ends_is_told_while_rows_are_compared_and_made_again(server: Server) -> None:
    rig = make_rig(server, INDEXED, ["MODIFY k BIGINT NOT NULL"])
    reader = Reader(rig)

    def hook(progress: Progress) -> None:
        if progress.detail == "copying rows":
            reader.begin()
        if progress.detail.startswith((BOTH, "building indexes")):
            kill_builds(rig)

    with rig.copying(rig.step()) as copy, pytest.raises(Trouble):
        prepare(copy, Watcher(hook))
    reader.end()
    assert indexes(rig) == {"PRIMARY"}
    with rig.copying(rig.step()) as copy:
        phases = [copy.checkpoint.phase]
        prepare(copy, Watcher())
        assert [*phases, copy.checkpoint.phase] == [Phase.INDEX, Phase.READY]
    assert indexes(rig) == {"PRIMARY", "k", "v"}
    rig.assert_as_altered()


def test_what_is_compared_beside_a_build_that_fails_is_no_progress(server: Server) -> None:
    """A build that fails each time would never spend its attempts."""
    rig = make_rig(server, INDEXED, ["MODIFY k BIGINT NOT NULL"])
    reader = Reader(rig)
    saved: list[Checkpoint] = []

    def copied(progress: Progress) -> None:
        if progress.detail == "copying rows":
            reader.begin()
        if "building indexes" in progress.detail:
            kill_builds(rig)

    def compared(progress: Progress) -> None:
        if saved:
            kill_builds(rig)
        elif copy.checkpoint.low is not None:
            copy.place.save()
            saved.append(copy.checkpoint)

    watchers = [Watcher(copied), Watcher(compared)]
    for watcher in watchers:
        with rig.copying(rig.step()) as copy, pytest.raises(Trouble):
            prepare(copy, watcher)
    reader.end()
    assert [checkpoint.phase for checkpoint in saved] == [Phase.INDEX]
    assert [any(progress.durable for progress in watcher.reports) for watcher in watchers] == [True, False]


def kill_builds(rig: Rig) -> None:
    with rig.link() as link:
        for (thread,) in link.rows(
            "SELECT id FROM information_schema.processlist WHERE info LIKE 'ALTER TABLE%%' AND db = %s",
            rig.schema,
        ):
            link.run(f"KILL QUERY {thread}")


def test_a_build_of_whose_end_nothing_is_heard_is_over_and_is_found_by_the_next_run(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network has forgotten its connection."""
    run = Link.run
    rig = make_rig(server, INDEXED, ["MODIFY k BIGINT NOT NULL"])

    def unheard(self: Link, sql: str, *args: object) -> int:
        found = run(self, sql, *args)
        if "ADD KEY" in sql:
            with suppress(OSError):
                self._connection._sock.recv(1)  # type: ignore[attr-defined]
            run(self, "DO 0")
        return found

    monkeypatch.setattr(running, "LOOK_SECONDS", 0.0)
    monkeypatch.setattr(running, "UNHEARD_SECONDS", 0.2)
    with monkeypatch.context() as silence, rig.copying(rig.step()) as copy:
        silence.setattr(Link, "run", unheard)
        with pytest.raises(Lost):
            prepare(copy, Watcher())
    assert indexes(rig) == {"PRIMARY", "k", "v"}
    with rig.copying(rig.step()) as copy:
        prepare(copy, Watcher())
        assert copy.checkpoint.phase is Phase.READY
    rig.assert_as_altered()


@pytest.mark.parametrize(
    "error",
    [
        Trouble("more was written than innodb_online_alter_log_max_size holds", 1799),
        ServerRefused("Duplicate entry for key 'k'", 1859),
    ],
)
def test_indexes_that_the_server_cannot_keep_up_with_are_built_while_changes_wait(
    server: Server, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    run = Link.run
    statements: list[str] = []

    def outrun(self: Link, sql: str, *args: object) -> int:
        if "ADD KEY" in sql:
            statements.append(sql)
            if "LOCK=NONE" in sql:
                raise error
        return run(self, sql, *args)

    def hook(progress: Progress) -> None:
        if "building indexes" in progress.detail:
            rig.run("UPDATE t SET k = k + 1 WHERE id = 3")

    monkeypatch.setattr(Link, "run", outrun)
    rig = make_rig(server, INDEXED, ["MODIFY k BIGINT NOT NULL"])
    with rig.copying(rig.step()) as copy:
        prepare(copy, Watcher(hook))
        with rig.locked(copy) as link:
            rig.assert_same(link)
    assert [sql.rsplit("LOCK=")[1] for sql in statements] == ["NONE", "SHARED"]
    assert indexes(rig) == {"PRIMARY", "k", "v"}


def test_a_build_that_is_stopped_between_two_of_its_statements_is_ended_in_the_second(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Link.run
    rig = make_rig(server, INDEXED, ["MODIFY k BIGINT NOT NULL"])
    reader = Reader(rig)
    ended = threading.Event()
    ends = 0

    def outrun(self: Link, sql: str, *args: object) -> int:
        if "LOCK=NONE" in sql:
            reader.begin()
            assert ended.wait(10)
            raise Trouble("more was written than innodb_online_alter_log_max_size holds", 1799)
        return run(self, sql, *args)

    def counted(link: Link, what: Literal["QUERY"], connection: int) -> None:
        nonlocal ends
        end(link, what, connection)
        ends += 1
        ended.set()

    monkeypatch.setattr(Link, "run", outrun)
    monkeypatch.setattr("engine.mysql.ownership.watch.end", counted)
    watcher = Watcher(lambda p: Signal.STOP if "building indexes" in p.detail else None)
    with rig.copying(rig.step()) as copy:
        assert copy.open(Watcher()) is Signal.GO
        assert copy.fill(watcher) is Signal.STOP
    reader.end()
    assert ends == 2
    assert indexes(rig) == {"PRIMARY"}
