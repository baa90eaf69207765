"""What goes over the wire to a store is encrypted where it can be, and its password is told to no stranger."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pymysql
import pytest

from storage.errors import Unavailable
from storage.mysql.store import MysqlStore
from storage.registry import open_store
from tests.servers.flavours import FLAVOURS, Flavour
from tests.servers.impostor import IN_CLEAR, impostor
from tests.servers.private import PrivateServer
from tests.servers.server import Server


@pytest.mark.parametrize("plugin", IN_CLEAR)
def test_a_server_that_asks_for_it_in_clear_is_not_told_the_password(plugin: str) -> None:
    with impostor(plugin) as peer:
        address = f"mysql://u:s3cret@127.0.0.1:{peer.port}/x?ssl_mode=disabled"
        with (
            open_store(address) as store,
            pytest.raises(Unavailable, match="password in clear: say ssl_mode=verify_identity"),
        ):
            store.ping()
    assert peer.heard == [b""]


@pytest.mark.parametrize("kind", ["missing", "no PEM"])
@pytest.mark.parametrize("option", ["ssl_ca", "ssl_cert"])
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, option: str, kind: str) -> None:
    file = tmp_path / "some.pem"
    if kind == "no PEM":
        file.write_text("nothing")
    said = "cannot be read: No such file" if kind == "missing" else "in PEM"
    with (
        open_store(f"mysql://u@h/store?{option}={file}") as store,
        pytest.raises(
            Unavailable, match=rf"store h:3306/store: {option} {file}.*{said}.*correct its address"
        ),
    ):
        store.ping()


def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked_for_it(tmp_path: Path) -> None:
    authority(tmp_path)
    _openssl(tmp_path, "rsa", "-in", "client.key", "-aes128", "-passout", "pass:hidden", "-out", "locked.key")
    files = f"ssl_cert={tmp_path}/client.pem&ssl_key={tmp_path}/locked.key"
    with (
        open_store(f"mysql://u@h/store?{files}") as store,
        pytest.raises(Unavailable, match="without a passphrase"),
    ):
        store.ping()


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
def test_certificates_on_both_sides_and_the_name_of_the_server_are_checked_and_renewed_ones_read(
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
        with open_store(f"{place}&ssl_cert={tmp_path}/mine.pem&ssl_key={tmp_path}/client.key") as store:
            with pytest.raises(Unavailable, match="mine"):
                store.ping()
            shutil.copy(tmp_path / "client.pem", tmp_path / "mine.pem")
            store.upgrade()  # files that were renewed are read again
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
