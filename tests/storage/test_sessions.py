"""How connections to a server are made: their settings, passwords that change, users that may not do everything."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from storage.errors import Refused, Unavailable
from storage.mysql.store import MysqlStore
from storage.registry import open_store
from storage.states import State
from tests.servers.impostor import OTHER_PROTOCOLS, greeter
from tests.servers.server import Server
from tests.servers.silence import hears_soon_of_a_silent_end
from tests.storage.scene import a_request, claimed, driven_to, queued

USER = "restricted"


@pytest.fixture
def admin(server: Server) -> Iterator[Callable[[str], list[Any]]]:
    """Runs a statement with every right; the user it may have made is removed."""

    def run(sql: str) -> list[Any]:
        with server.connect(autocommit=True) as link, link.cursor() as cursor:
            cursor.execute(sql)
            return list(cursor.fetchall())

    yield run
    server.revive()
    run(f"DROP USER IF EXISTS '{USER}'@'%'")


def address(server: Server, database: str, password: str, query: str = "") -> str:
    """Where the restricted user finds the store."""
    return f"mysql://{USER}:{password}@{server.host}:{server.port}/{database}?{query}"


def make_user(admin: Callable[[str], Any], database: str, password: str, limits: str = "") -> None:
    """A user with what the manual tells people to grant, and no more."""
    admin(f"CREATE USER '{USER}'@'%' IDENTIFIED BY '{password}' {limits}")
    manual = (Path(__file__).resolve().parents[2] / "docs/production.md").read_text()
    (rights,) = re.findall(r"GRANT ([A-Z, ]+) ON schemabot\.\*", manual)
    admin(f"GRANT {rights} ON {database}.* TO '{USER}'@'%'")


# -- settings -----------------------------------------------------------------------------------------------------------


def test_every_connection_is_set_up_alike_and_waits_for_nothing_for_ever(
    server: Server, database: str
) -> None:
    links: list[Any] = []
    with MysqlStore(
        server.url(database, query="ssl_mode=disabled").removeprefix("mysql://"), _on_connect=links.append
    ) as store:
        queued(store)
        store.heartbeat([claimed(store)])
        found = [settings(link) for link in links]
        limits = [(link._read_timeout, link._write_timeout, link.connect_timeout) for link in links]
        kept_alive = [hears_soon_of_a_silent_end(link._sock) for link in links]
    assert len(links) == 2, "one to work, one to beat"
    for one in found:
        assert (one["zone"], one["collation"], one["committing"]) == ("+00:00", "utf8mb4_bin", 1)
        assert one["isolation"] == "READ-COMMITTED"
        assert "STRICT_TRANS_TABLES" in one["mode"]
        assert one["idle"] == 30
    assert [one["row_lock"] for one in found] == [5, 2]
    assert all(0 < limit <= 15 for one in limits for limit in one)
    assert all(0 < limit <= 5 for limit in limits[1]), "the heart's"
    assert all(kept_alive)


def settings(link: Any) -> dict[str, Any]:
    """What the server has been told on this connection."""
    with link.cursor() as cursor:
        cursor.execute("SHOW SESSION VARIABLES LIKE '%isolation'")
        isolation = cursor.fetchall()[-1]["Value"]
        cursor.execute(
            """
            SELECT @@session.time_zone AS zone, @@session.sql_mode AS mode, @@session.autocommit AS committing,
                   @@session.collation_connection AS collation, @@session.wait_timeout AS idle,
                   @@session.innodb_lock_wait_timeout AS row_lock
            """
        )
        return dict(cursor.fetchone()) | {"isolation": isolation}


def test_the_rights_that_the_manual_names_are_enough(server: Server, admin: Callable[[str], Any]) -> None:
    empty = server.fresh_database()
    make_user(admin, empty, "secret-1")
    with open_store(address(server, empty, "secret-1")) as store:
        store.upgrade()
        store.ping()
        for n, state in enumerate((State.COMPLETED, State.FAILED, State.STOPPED)):
            driven_to(store, state, f"db{n}")
        store.expire_retryable()
        store.acquire_lock("a", "sqlite", "ann")
        store.release_lock("a", "sqlite", "ann")


# -- passwords ------------------------------------------------------------------------------------------------------------


def test_a_password_that_was_changed_takes_effect_by_itself_and_is_in_no_error(
    server: Server, admin: Callable[[str], Any], database: str, tmp_path: Path
) -> None:
    secret = tmp_path / "password"
    secret.write_text("first-secret")
    make_user(admin, database, "first-secret")
    asked: list[str] = []

    def resolve(text: str) -> str:
        asked.append(text)
        return Path(text.removeprefix("file:")).read_text()

    with open_store(address(server, database, f"file:{secret}"), resolve) as store:
        store.set_setting("a", "1")
        admin(f"ALTER USER '{USER}'@'%' IDENTIFIED BY 'second-secret'")
        store.set_setting("a", "2")  # what is open stays open
        kill_user(admin)
        with pytest.raises(Unavailable, match="user or password is wrong") as refusal:
            store.set_setting("a", "3")
        assert "secret" not in str(refusal.value).replace(str(secret), "")
        secret.write_text("second-secret")
        store.set_setting("a", "4")
        assert store.setting("a") == "4"
    assert set(asked) == {f"file:{secret}"}


def test_a_password_may_have_any_letters(server: Server, admin: Callable[[str], Any], database: str) -> None:
    make_user(admin, database, "gr\u00fcn\u20ac")
    with open_store(address(server, database, "gr%C3%BCn%E2%82%AC")) as store:
        store.ping()


def kill_user(admin: Callable[[str], list[Any]]) -> None:
    """Kill the restricted user's connections."""
    for (number,) in admin(f"SELECT id FROM information_schema.processlist WHERE user = '{USER}'"):
        admin(f"KILL {number}")


def test_a_secret_that_cannot_be_read_is_unavailable_not_the_end(server: Server, database: str) -> None:
    def resolve(_text: str) -> str:
        raise Unavailable("the secret file x cannot be read")

    with (
        open_store(server.url(database, query="ssl_mode=disabled"), resolve) as store,
        pytest.raises(Unavailable, match="cannot be read"),
    ):
        store.ping()


# -- what a server may refuse ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", OTHER_PROTOCOLS)
def test_where_another_protocol_is_spoken_the_store_is_unavailable(protocol: str) -> None:
    with (
        greeter(OTHER_PROTOCOLS[protocol]) as port,
        open_store(f"mysql://u@127.0.0.1:{port}/x?ssl_mode=disabled") as store,
        pytest.raises(Unavailable, match=f"the store 127.0.0.1:{port}"),
    ):
        store.ping()


def test_what_is_no_name_of_a_host_is_unavailable() -> None:
    with open_store("mysql://u@db2..example.com/x") as store, pytest.raises(Unavailable):
        store.ping()


def test_an_account_that_may_not_work_for_a_while_is_unavailable(
    server: Server, admin: Callable[[str], Any], database: str
) -> None:
    make_user(admin, database, "one")
    with open_store(address(server, database, "one")) as store:
        store.ping()
        admin(f"ALTER USER '{USER}'@'%' PASSWORD EXPIRE")
        with (
            open_store(address(server, database, "one")) as late,
            pytest.raises(Unavailable, match="expired"),
        ):
            late.ping()
        admin(f"ALTER USER '{USER}'@'%' IDENTIFIED BY 'one'")
        store.ping()


def test_a_server_that_turned_read_only_surfaces_and_can_still_be_read(
    server: Server, admin: Callable[[str], Any], database: str
) -> None:
    make_user(admin, database, "secret-1")
    with open_store(address(server, database, "secret-1")) as store:
        apply = queued(store)
        admin("SET GLOBAL read_only = 1")
        try:
            for call in (store.ping, lambda: store.claim("worker", 60.0), lambda: queued(store, "other")):
                with pytest.raises(Unavailable, match="read-only"):
                    call()
            assert store.apply(apply.apply_uid) == apply
        finally:
            admin("SET GLOBAL read_only = 0")
        assert claimed(store).apply_id == apply.id


def test_a_user_with_too_many_connections_is_told_so(
    server: Server, admin: Callable[[str], Any], database: str
) -> None:
    make_user(admin, database, "secret-1", "WITH MAX_USER_CONNECTIONS 1")
    with open_store(address(server, database, "secret-1")) as store:
        queued(store)
        claim = claimed(store)
        with pytest.raises(Unavailable, match=r"too many connections|used up"):
            store.heartbeat([claim])


def test_a_text_too_long_for_its_column_is_refused_by_name(server: Server, database: str) -> None:
    with open_store(server.url(database, query="ssl_mode=disabled")) as store:
        queued(store, "shop")
        with pytest.raises(Refused, match=r"too long.*idempotency_key"):
            store.enqueue(a_request("shop", environment="prod", idempotency_key="k" * 1_000))
        assert len(store.history("shop")) == 1
