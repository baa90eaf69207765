"""A statement that needs several tables for itself, one after the other, keeps the application out for no longer than for one."""

import threading
from contextlib import ExitStack
from typing import Any

import pytest

from engine.base import Progress, Signal, Standing
from engine.mysql.changing.statements import StatementRun
from engine.mysql.spec import Algorithm
from engine.mysql.trouble import Waited
from engine.mysql.waiting import lock_retry
from tests.engine.driving import drive
from tests.engine.mysql.changing.application import at_work
from tests.engine.mysql.changing.orders import caller
from tests.engine.mysql.changing.plans import Shop
from tests.servers.server import Server
from tests.waiting import until

CHILDREN = [f"child{n}" for n in range(5)]
HELD_SECONDS = 0.7
"""Shorter than the server waits for any one of them."""
PENDING = """
    SELECT object_name FROM performance_schema.metadata_locks
     WHERE lock_status = 'PENDING' AND object_schema = DATABASE() AND object_name LIKE 'child%'
"""


class Users:
    """One of each child, in a transaction that ends when it was waited for a while."""

    def __init__(self, shop: Shop, stack: ExitStack) -> None:
        self._tells = shop.server.is_one("mysql")
        self._of = {name: stack.enter_context(shop.link()) for name in CHILDREN}
        self._looking = stack.enter_context(shop.link())
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        stack.callback(self._join)

    def begin(self) -> None:
        """At the first try."""
        if self._thread.ident is None:
            for name, link in self._of.items():
                link.run("START TRANSACTION")
                # Who writes has MySQL's lock on the parent, too: it would be waited for all of them at once.
                link.run(f"SELECT n FROM {name}" if self._tells else f"UPDATE {name} SET n = 2")
            self._thread.start()

    def end(self) -> None:
        """All of them."""
        self._over.set()

    def _join(self) -> None:
        self.end()
        self._thread.join()

    def _run(self) -> None:
        while self._of and not self._over.is_set():
            name = until("one is waited for", self._waited_for)
            self._over.wait(HELD_SECONDS)
            self._of.pop(name, self._looking).run("COMMIT")
        for link in self._of.values():
            link.run("COMMIT")

    def _waited_for(self) -> str:
        """MariaDB does not tell, but takes them in the order of names."""
        if self._over.is_set() or not self._tells:
            return min(self._of)
        return str(self._looking.value(PENDING) or "")


@pytest.mark.parametrize(
    "statement",
    [
        ("ALTER TABLE {t} ADD COLUMN c INT", Algorithm.INSTANT),
        ("ALTER TABLE {t} MODIFY v BIGINT", Algorithm.COPY),
    ],
    ids=["instant", "copied"],
)
def test_a_parent_of_many_used_tables_is_kept_for_a_second_in_all(
    server: Server, statement: tuple[str, Algorithm], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock_retry, "FIRST_REST_SECONDS", 0.1)
    child = "(id INT PRIMARY KEY, n INT, FOREIGN KEY (id) REFERENCES parent (id))"
    shop = Shop(
        server,
        "CREATE TABLE parent (id INT PRIMARY KEY, v INT)",
        "INSERT INTO parent VALUES (1, 1)",
        *[f"CREATE TABLE {name} {child}" for name in CHILDREN],
        *[f"INSERT INTO {name} VALUES (1, 1)" for name in CHILDREN],
    )
    change, control = shop.statements("parent", statement), caller()
    told: list[str] = []
    with ExitStack() as stack:
        users = Users(shop, stack)

        def listen(progress: Progress) -> None:
            told.append(progress.detail)
            if "held by connection" in progress.detail:
                users.end()

        control.on_clear, control.on_report = users.begin, listen
        with at_work(shop, "SELECT v FROM parent") as stalls, shop.session() as session:
            assert drive(session, change, control) is Signal.GO
    assert any(
        text.startswith("waiting for a lock on parent") and "held by connection" in text for text in told
    )
    assert max(stalls) < HELD_SECONDS * len(CHILDREN) / 2
    assert shop.left_behind() == []


def test_what_was_ended_and_took_effect_all_the_same_is_not_run_again(
    server: Server, monkeypatch: pytest.MonkeyPatch, begun: list[str]
) -> None:
    shop = Shop(server, "CREATE TABLE parent (id INT PRIMARY KEY, v INT)")
    follow = StatementRun._follow

    def ended(*args: Any) -> Signal:
        follow(*args)
        raise Waited("parent: others would have waited too long", 0)

    monkeypatch.setattr(StatementRun, "_follow", ended)
    change = shop.statements("parent", ("ALTER TABLE {t} ADD COLUMN c INT", Algorithm.INSTANT))
    with shop.session() as session:
        assert drive(session, change, caller()) is Signal.GO
        assert session.standing(change) is Standing.DONE
    assert len(begun) == 1
    assert shop.left_behind() == []


def test_a_parent_that_has_its_numbers_from_a_sequence_is_changed(mariadb: Server) -> None:
    """LOCK TABLES does not have the sequence."""
    shop = Shop(
        mariadb,
        "CREATE TABLE parent (id INT PRIMARY KEY, v INT)",
        "CREATE TABLE child (id INT PRIMARY KEY, FOREIGN KEY (id) REFERENCES parent (id))",
    )
    shop.run("CREATE SEQUENCE numbers", "ALTER TABLE parent MODIFY v INT DEFAULT NEXTVAL(numbers)")
    change = shop.statements("parent", ("ALTER TABLE {t} ADD COLUMN c INT", Algorithm.INSTANT))
    with shop.session() as session:
        assert drive(session, change, caller()) is Signal.GO
        assert session.standing(change) is Standing.DONE
