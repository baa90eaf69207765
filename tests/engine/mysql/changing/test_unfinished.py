"""A change by several statements that ends between them: people are told what is missing, and a new plan brings it back."""

import re

import pytest

from engine.base import PlanResult, Signal
from engine.errors import Refused
from engine.mysql.planning.planner import plan_mysql
from tests.engine.driving import Caller, drive
from tests.engine.mysql.changing.plans import Shop
from tests.servers.server import Server

TABLES = (
    "CREATE TABLE users (id {0} PRIMARY KEY, n INT);"
    "CREATE TABLE posts (id BIGINT PRIMARY KEY, user_id {0}, "
    "CONSTRAINT fk FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE)"
)
LEFT = r"[12] of the 4 statements for posts have run and stay .*DROP FOREIGN KEY `fk`.*foreign key fk of posts is not enforced"
ORPHANS = "SELECT p.id FROM posts p LEFT JOIN users u ON u.id = p.user_id WHERE u.id IS NULL"


@pytest.fixture
def shop(server: Server) -> Shop:
    return Shop(server)


def plan(shop: Shop, wanted: str) -> PlanResult:
    return plan_mysql(shop.address, {"shop": {"shop.sql": wanted}})


def fill(shop: Shop, kind: str) -> None:
    shop.run(
        *TABLES.format(kind).split(";"), "INSERT INTO users VALUES (1, 1)", "INSERT INTO posts VALUES (1, 1)"
    )


def test_a_change_that_fails_between_its_statements_says_what_is_missing_and_planned_again_brings_it_back(
    shop: Shop,
) -> None:
    fill(shop, "BIGINT")
    wanted = TABLES.format("INT")
    first = plan(shop, wanted)
    told = [f.message for f in first.findings if f.linter == "suspended_key"]
    assert len(told) == 1
    assert told[0].startswith(
        "foreign key fk of posts is not enforced from statement 1 of the change to statement 4:"
    )
    shop.run("INSERT INTO users VALUES (5000000000, 1)")
    with shop.session() as session, pytest.raises(Refused, match=rf"^users: .*Out of range.*{LEFT}"):
        drive(session, first.changes[0], Caller())
    shop.run("DELETE FROM users")
    assert shop.rows(ORPHANS) == [(1,)]
    (blocked,) = plan(shop, wanted).blocked
    assert "FOREIGN KEY" in blocked
    shop.run("DELETE FROM posts")
    with shop.session(fence=2) as session:
        for change in plan(shop, wanted).changes:
            assert drive(session, change, Caller()) is Signal.GO
    assert plan(shop, wanted).changes == ()
    assert "REFERENCES `users`" in str(shop.rows("SHOW CREATE TABLE posts"))


def test_what_a_cancel_leaves_between_the_statements_is_told(shop: Shop) -> None:
    fill(shop, "INT")
    wanted = TABLES.format("BIGINT")
    (change,) = plan(shop, wanted).changes
    control = Caller()
    control.on_clear = lambda: (
        Signal.GO if "REFERENCES" in str(shop.rows("SHOW CREATE TABLE posts")) else Signal.CANCEL
    )
    with shop.session() as session:
        assert session.unfinished([change]) == ""
        assert drive(session, change, control) is Signal.CANCEL
        left = session.unfinished([change])
        assert session.discard(control) is Signal.GO
        assert session.unfinished([change]) == left
    assert re.match(LEFT, left)
