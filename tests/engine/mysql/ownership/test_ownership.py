"""Who has the target: fences, connections of predecessors, named locks, and nothing left behind (OW-5)."""

import threading
from collections.abc import Callable

import pytest

from engine.base import Job
from engine.errors import FenceAhead, Fenced, Refused, TargetHeld
from engine.mysql.link import Link
from engine.mysql.ownership.hold import Hold
from engine.mysql.shadow.checkpoints import Checkpoint, Phase, make_table, put, remove
from engine.mysql.trouble import Lost
from storage.errors import LeaseLost
from tests.engine.mysql.planning.places import address_of
from tests.servers.server import Server


def job(fence: int = 1, apply_uid: str = "apply_a", *namespaces: str) -> Job:
    return Job(apply_uid=apply_uid, fence=fence, owner=f"host:1:test:{fence}", namespaces=namespaces)


@pytest.fixture
def database(server: Server) -> str:
    return server.fresh_database()


@pytest.fixture
def hold(server: Server, database: str) -> Callable[..., Hold]:
    def make(fence: int = 1, apply_uid: str = "apply_a") -> Hold:
        return Hold(address_of(server, database), job(fence, apply_uid))

    return make


def tables(server: Server, database: str) -> list[str]:
    with Link(address_of(server, database)) as link:
        return [str(name) for (name,) in link.rows("SHOW TABLES")]


def test_a_hold_leaves_nothing_behind(server: Server, database: str, hold: Callable[..., Hold]) -> None:
    first = hold()
    first.take()
    assert tables(server, database) == ["_schemabot_connection", "_schemabot_owner"]
    assert first.release()
    assert tables(server, database) == []
    first.take()
    assert first.release()
    first.close()
    assert tables(server, database) == []


def test_a_new_owner_ends_every_connection_of_its_predecessor(hold: Callable[..., Hold]) -> None:
    zombie = hold(1)
    zombie.take()
    further = zombie.open_link()
    successor = hold(2)
    successor.take()
    for link in (zombie.link, further):
        with pytest.raises(Lost):
            link.value("SELECT 1")
    with pytest.raises(Fenced, match="fence 1 writes nothing"):
        zombie.open_link()
    with pytest.raises(Fenced, match="older than 2"):
        hold(1).take()
    assert successor.release()


def test_an_older_fence_is_told_when_whoever_raised_it_shows_no_life(
    server: Server, database: str, hold: Callable[..., Hold]
) -> None:
    """As after a store was put back from a backup."""
    first = hold(5)
    first.take()
    with pytest.raises(Fenced, match="fence 4 is older than 5") as alive:
        hold(4).take()
    assert not isinstance(alive.value, FenceAhead)
    with Link(address_of(server, database)) as link:
        link.run("UPDATE _schemabot_connection SET beat_at = beat_at - INTERVAL 61 SECOND WHERE fence = 5")
    with pytest.raises(FenceAhead, match="fence 4 is older than 5") as ahead:
        hold(4).take()
    assert ahead.value.fence == 5
    successor = hold(6)
    successor.take()
    with pytest.raises(Lost):
        first.link.value("SELECT 1")
    assert successor.release()


def test_an_open_transaction_of_the_predecessor_is_undone_before_the_successor_goes_on(
    server: Server, database: str, hold: Callable[..., Hold]
) -> None:
    with Link(address_of(server, database)) as link:
        link.run("CREATE TABLE t (id INT PRIMARY KEY)")
        link.run("CREATE TABLE u (id INT PRIMARY KEY)")
    zombie = hold(1)
    zombie.take()
    further = zombie.open_link()
    further.run("START TRANSACTION")
    further.run("INSERT INTO t VALUES (1)")
    zombie.link.run("LOCK TABLES u WRITE")
    successor = hold(2)
    successor.take()
    assert successor.link.value("SELECT COUNT(*) FROM t") == 0
    successor.link.run("INSERT INTO u VALUES (1)")


def test_a_guarded_transaction_ends_before_the_fence_is_raised(hold: Callable[..., Hold]) -> None:
    """Whatever a predecessor committed was committed while it was the owner."""
    first = hold(1)
    first.take()
    link = first.open_link()
    raised = threading.Event()
    successor = hold(2)

    def take_over() -> None:
        successor.take()
        raised.set()

    thread = threading.Thread(target=take_over)
    with first.transaction(link, "test"):
        thread.start()
        assert not raised.wait(0.3)
    thread.join(20)
    assert raised.is_set()
    with pytest.raises(Lost):
        link.value("SELECT 1")
    assert successor.release()


@pytest.mark.parametrize("looks", [0, 1], ids=["before it connected", "on the way"])
def test_ow_3_whoever_comes_after_its_lease_ran_out_leaves_no_trace(
    server: Server, database: str, looks: int
) -> None:
    """It was stopped while its successor finished, cleaned up and left: no newer fence is there to refuse it."""
    left = [None] * looks

    def lost() -> None:
        if not left:
            raise LeaseLost("another worker took over")
        left.pop()

    late = Job(apply_uid="apply_a", fence=1, owner="host:1:test:1", still_ours=lost)
    zombie = Hold(address_of(server, database), late)
    with pytest.raises(LeaseLost):
        zombie.take()
    zombie.close()
    assert tables(server, database) == []


def test_another_apply_is_told_who_is_here_and_may_come_once_nobody_shows_life(
    hold: Callable[..., Hold],
) -> None:
    first = hold(7)
    first.take()
    with pytest.raises(TargetHeld, match=r"apply_a \(host:1:test:7\)"):
        hold(1, "apply_b").take()
    first.link.run("UPDATE _schemabot_connection SET beat_at = UTC_TIMESTAMP(6) - INTERVAL 70 SECOND")
    other = hold(1, "apply_b")
    other.take()
    with pytest.raises(Lost):
        first.beat(first.link)
    assert other.release()


def test_an_apply_that_is_known_to_be_over_is_not_waited_for(
    server: Server, database: str, hold: Callable[..., Hold]
) -> None:
    """It was given up while its helpers were there: nobody can cancel it any more."""
    first = hold(7)
    first.take()
    other = Hold(
        address_of(server, database),
        Job(apply_uid="apply_b", fence=1, owner="host:1:test:1", is_over=lambda uid: uid == "apply_a"),
    )
    other.take()
    with pytest.raises(Lost):
        first.beat(first.link)
    assert other.release()


def test_an_owner_that_was_struck_off_learns_it_from_its_beat(hold: Callable[..., Hold]) -> None:
    first = hold(1)
    first.take()
    first.beat(first.link)
    first.link.run("DELETE FROM _schemabot_connection")
    with pytest.raises(Fenced):
        first.beat(first.link)


def test_a_stranger_that_has_the_number_of_an_old_connection_is_left_alone(
    server: Server, database: str, hold: Callable[..., Hold]
) -> None:
    """As after a restart of the server, which gives the numbers out again."""
    first = hold(1)
    first.take()
    first.close()
    with Link(address_of(server, database)) as stranger:
        stranger.run("UPDATE _schemabot_connection SET connection_id = %s", stranger.id)
        second = hold(2)
        second.take()
        assert stranger.value("SELECT 1") == 1
    assert second.release()


def test_a_restarted_server_keeps_the_fence(
    own_server: Server, database: str, hold: Callable[..., Hold]
) -> None:
    first = hold(3)
    first.take()
    own_server.restart()
    with pytest.raises(Lost):
        first.link.value("SELECT 1")
    with pytest.raises(Fenced):
        hold(2).take()
    second = hold(4)
    second.take()
    assert second.release()
    assert tables(own_server, database) == []


def test_a_predecessor_that_finished_and_left_takes_nothing_of_its_successor_along(
    server: Server, database: str, hold: Callable[..., Hold]
) -> None:
    first = hold(1)
    first.take()
    link = first.open_link()
    second = hold(2)
    second.take()
    assert second.release()
    with pytest.raises(Lost):
        link.value("SELECT 1")
    with pytest.raises(Fenced, match="finished and left"):
        first.open_link()
    assert tables(server, database) == []


def test_many_that_come_at_once_leave_one_owner(server: Server, database: str) -> None:
    """The highest fence has it in the end, and everybody else knows."""
    won: list[int] = []

    def come(fence: int) -> None:
        hold = Hold(address_of(server, database), job(fence))
        try:
            hold.take()
            won.append(fence)
        except (Fenced, Lost):
            pass

    threads = [threading.Thread(target=come, args=(fence,)) for fence in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert 8 in won
    with Link(address_of(server, database)) as link:
        assert link.rows("SELECT fence FROM _schemabot_owner") == [(8,)]


def test_two_sets_of_schemas_that_overlap_are_not_changed_at_once(server: Server) -> None:
    """Without a database in the dsn the tables of ours are in the first schema of each apply: the locks still meet."""
    a, b, c = sorted(server.fresh_database() for _ in range(3))
    first = Hold(address_of(server, ""), job(1, "apply_a", a, c))
    first.take()
    second = Hold(address_of(server, ""), job(1, "apply_b", b, c))
    with pytest.raises(TargetHeld, match=r"apply_a .* is changing this database"):
        second.take()
    assert first.release()
    second.take()
    assert second.release()


@pytest.mark.parametrize("first", ["one schema", "several schemas"])
def test_an_apply_that_rests_is_seen_in_each_of_its_schemas(server: Server, first: str) -> None:
    """Its own tables are in another schema than those of who comes, and it holds no named lock."""
    a, b = sorted(server.fresh_database() for _ in range(2))

    def holds(apply_uid: str) -> Hold:
        if (apply_uid == "apply_a") == (first == "one schema"):
            return Hold(address_of(server, b), job(1, apply_uid, "shop"))
        return Hold(address_of(server, ""), job(1, apply_uid, a, b))

    resting = holds("apply_a")
    resting.take()
    make_table(resting)
    work = Checkpoint(apply_uid="apply_a", schema=b, source="g", phase=Phase.READY, step="")
    put(resting, resting.link, work)
    resting.link.run(
        f"UPDATE `{resting.home}`._schemabot_connection SET beat_at = UTC_TIMESTAMP(6) - INTERVAL 1 DAY"
    )
    resting.close()
    before = tables(server, a), tables(server, b)
    comer = holds("apply_b")
    with pytest.raises(
        TargetHeld, match=rf"apply_a \(host:1:test:1\) is changing this database.* schema {b}"
    ):
        comer.take()
    assert (tables(server, a), tables(server, b)) == before
    again = holds("apply_a")
    again.take()
    remove(again, work)
    assert again.release()
    comer.take()
    assert comer.release()
    assert (tables(server, a), tables(server, b)) == ([], [])


def test_an_apply_that_was_ended_with_nothing_left_is_in_nobodys_way(server: Server) -> None:
    a, b = sorted(server.fresh_database() for _ in range(2))
    ended = Hold(address_of(server, ""), job(1, "apply_a", a, b))
    ended.take()
    ended.link.run(f"UPDATE `{a}`._schemabot_connection SET beat_at = UTC_TIMESTAMP(6) - INTERVAL 70 SECOND")
    ended.close()
    comer = Hold(address_of(server, b), job(1, "apply_b"))
    comer.take()
    assert tables(server, b) == ["_schemabot_connection", "_schemabot_owner"]
    with pytest.raises(TargetHeld, match="apply_b"):
        Hold(address_of(server, ""), job(1, "apply_a", a, b)).take()
    assert comer.release()
    server.drop_database(a)
    last = Hold(address_of(server, ""), job(1, "apply_c", b, server.fresh_database()))
    last.take()
    assert last.release()


def test_an_address_without_any_schema_is_refused(server: Server) -> None:
    with pytest.raises(Refused, match="names a schema"):
        Hold(address_of(server, ""), job())
