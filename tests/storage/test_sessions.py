"""How connections to a server are made: their settings, TLS, passwords that change, users that may not do everything."""

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest

from storage.errors import Refused, Unavailable
from storage.mysql.store import MysqlStore
from storage.registry import open_store
from storage.states import State
from tests.servers.flavours import FLAVOURS, Flavour
from tests.servers.private import PrivateServer
from tests.servers.server import Server
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
    assert len(links) == 2, "one to work, one to beat"
    for one in found:
        assert (one["zone"], one["collation"], one["committing"]) == ("+00:00", "utf8mb4_bin", 1)
        assert one["isolation"] == "READ-COMMITTED"
        assert "STRICT_TRANS_TABLES" in one["mode"]
        assert one["idle"] == 30
    assert [one["row_lock"] for one in found] == [5, 2]
    assert all(0 < limit <= 15 for one in limits for limit in one)
    assert all(0 < limit <= 5 for limit in limits[1]), "the heart's"


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


# -- TLS ------------------------------------------------------------------------------------------------------------------


def has_tls(server: Server) -> bool:
    """Whether it has a certificate; MariaDB 11.4 and newer make themselves one that is in no file."""
    return has_authority(server) or _variable(server, "have_ssl") == "YES"


def has_authority(server: Server) -> bool:
    """Whether it made one that can be checked, as MySQL does."""
    return bool(_variable(server, "ssl_ca"))


def _variable(server: Server, name: str) -> str:
    with server.connect() as link, link.cursor() as cursor:
        cursor.execute("SHOW VARIABLES LIKE %s", (name,))
        row = cursor.fetchone()
    return row[1] if row else ""


def test_tls_is_had_where_the_server_has_it(server: Server, database: str) -> None:
    ciphers: list[str] = []

    def look(link: Any) -> None:
        with link.cursor() as cursor:
            cursor.execute("SHOW STATUS LIKE 'Ssl_cipher'")
            ciphers.append(cursor.fetchone()["Value"])

    with MysqlStore(server.url(database).removeprefix("mysql://"), _on_connect=look) as store:
        store.ping()
    assert [bool(cipher) for cipher in ciphers] == [has_tls(server)] * len(ciphers) != []


@pytest.mark.parametrize("mode", ["required", "verify_ca", "verify_identity"])
def test_tls_that_is_insisted_on_is_had_or_nothing_is_sent(
    own_server: Server, database: str, tmp_path: Path, mode: str
) -> None:
    folder = own_server.needs_control().folder / "data"
    query = f"ssl_mode={mode}" + (
        f"&ssl_ca={folder}/ca.pem" if mode != "required" and has_authority(own_server) else ""
    )
    ciphers: list[str] = []

    def look(link: Any) -> None:
        with link.cursor() as cursor:
            cursor.execute("SHOW STATUS LIKE 'Ssl_cipher'")
            ciphers.append(cursor.fetchone()["Value"])

    with MysqlStore(
        own_server.url(database, query=query).removeprefix("mysql://"), _on_connect=look
    ) as store:
        if (mode == "required" and has_tls(own_server)) or (
            mode == "verify_ca" and has_authority(own_server)
        ):
            store.ping()
            assert ciphers
            assert all(ciphers)
        else:
            # It has no certificate, or one that is made out to nobody.
            with pytest.raises(Unavailable, match=r"TLS|SSL"):
                store.ping()
            assert ciphers == []


def test_a_certificate_of_another_authority_is_refused(own_server: Server, database: str) -> None:
    if not has_tls(own_server):
        pytest.skip(f"this {own_server.title} makes itself no certificate")
    query = "ssl_mode=verify_ca"  # against the authorities that this machine trusts
    with (
        open_store(own_server.url(database, query=query)) as store,
        pytest.raises(Unavailable, match="certificate verify failed"),
    ):
        store.ping()


@pytest.mark.parametrize("flavour", FLAVOURS.values(), ids=list(FLAVOURS))
def test_certificates_on_both_sides_and_the_name_of_the_server_are_checked(
    flavour: Flavour, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    request.getfixturevalue(flavour.name)  # skips, or fails, where there is no such server
    authority(tmp_path)
    options = [
        f"--ssl-ca={tmp_path}/ca.pem",
        f"--ssl-cert={tmp_path}/server.pem",
        f"--ssl-key={tmp_path}/server.key",
    ]
    with PrivateServer(flavour, options=options) as own:
        link = pymysql.connect(unix_socket=str(own.socket), user="schemabot", autocommit=True)
        with link, link.cursor() as cursor:
            cursor.execute("CREATE DATABASE store")
            cursor.execute("CREATE USER 'careful'@'127.0.0.1' IDENTIFIED BY 'secret-1' REQUIRE X509")
            cursor.execute("GRANT ALL ON store.* TO 'careful'@'127.0.0.1'")
        place = f"mysql://careful:secret-1@127.0.0.1:{own.port}/store?ssl_ca={tmp_path}/ca.pem&ssl_mode=verify_identity"
        with open_store(f"{place}&ssl_cert={tmp_path}/client.pem&ssl_key={tmp_path}/client.key") as store:
            store.upgrade()
            store.ping()
        with open_store(place) as store, pytest.raises(Unavailable):
            store.ping()
        elsewhere = place.replace("127.0.0.1", "localhost")
        with open_store(elsewhere) as store, pytest.raises(Unavailable, match=r"(?i)hostname|certificate"):
            store.ping()


def authority(folder: Path) -> None:
    """A certificate authority, and certificates for a server at 127.0.0.1 and for a client."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl on this machine to make certificates with")
    subject = ("-subj", "/CN=authority")
    _openssl(
        folder,
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-keyout",
        "ca.key",
        "-out",
        "ca.pem",
        *subject,
    )
    for name, extra in (("server", "subjectAltName=IP:127.0.0.1"), ("client", "subjectAltName=DNS:client")):
        files = ("-keyout", f"{name}.key", "-out", f"{name}.csr")
        _openssl(folder, "req", "-newkey", "rsa:2048", "-nodes", *files, "-subj", f"/CN={name}")
        (folder / "extra").write_text(extra)
        signed = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-extfile", "extra")
        _openssl(folder, "x509", "-req", "-in", f"{name}.csr", "-out", f"{name}.pem", *signed)


def _openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


# -- what a server may refuse ---------------------------------------------------------------------------------------------


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
