"""Addresses of stores on servers: their form, and that no error shows the password."""

import pytest

from storage.errors import StoreError
from storage.mysql.address import parse_address
from storage.registry import open_store, sqlite_path


def test_every_part_is_found_and_percent_decoded() -> None:
    address = parse_address(
        "bot%40x:p%40ss%2Fw%3Ard@db.example:3307/sto%20re?ssl_ca=/etc/ca.pem&ssl_mode=VERIFY_IDENTITY"
    )
    assert (address.host, address.port, address.user, address.password, address.database) == (
        "db.example",
        3307,
        "bot@x",
        "p@ss/w:rd",
        "sto re",
    )
    assert (address.ssl_ca, address.ssl_mode) == ("/etc/ca.pem", "verify_identity")


def test_port_password_and_options_may_be_left_out() -> None:
    address = parse_address("bot@db/store")
    assert (address.port, address.password, address.ssl_mode, address.ssl_ca) == (3306, "", "preferred", None)
    assert parse_address("bot@[::1]:1/store").host == "::1"


@pytest.mark.parametrize("reference", ["env:STORE_PASSWORD", "file:/run/secrets/store"])
def test_the_password_may_be_a_reference_as_it_is_written_elsewhere(reference: str) -> None:
    assert parse_address(f"bot:{reference}@db/store").password == reference


def test_a_certificate_authority_means_that_it_is_checked() -> None:
    assert parse_address("bot@db/store?ssl_ca=/etc/ca.pem").ssl_mode == "verify_ca"


@pytest.mark.parametrize(
    ("rest", "words"),
    [
        ("bot:hunter2@db", "must look like"),
        ("bot:hunter2@/store", "must look like"),
        ("db/store", "must look like"),
        ("bot:hunter2@db:port/store", "must look like"),
        ("bot:hunter2@db/store?ssl=1&tls=2", "unknown in the address of the store: ssl, tls"),
        ("bot:hunter2@db/store?ssl_mode=maybe", "ssl_mode"),
        ("bot:hunter2@db/store?ssl_ca=ca.pem", "ssl_ca in the address of the store must be a whole path"),
        (
            "bot:hunter2@db/store?ssl_key=~/key.pem",
            "ssl_key in the address of the store must be a whole path",
        ),
        ("bot:hunter2@db/store?ssl_mode=required&ssl_ca=/ca.pem", "nobody looks at its ssl_ca"),
        ("bot:hunter2@db/store?answer_seconds=0", "answer_seconds"),
        ("bot:hunter2@db/store?answer_seconds=soon", "answer_seconds"),
    ],
)
def test_another_form_is_refused_without_quoting_it(rest: str, words: str) -> None:
    with pytest.raises(StoreError, match=words) as refusal:
        open_store(f"mysql://{rest}")
    assert "hunter2" not in str(refusal.value)


def test_the_password_is_in_no_text_made_of_an_address() -> None:
    address = parse_address("bot:hunter2@db/store")
    assert "hunter2" not in f"{address} {address!r}"
    assert str(address) == "db:3306/store"


@pytest.mark.parametrize(
    "address",
    [
        "bot:S3cr3t@tcp(db:3306)/store?parseTime=true",
        "bot:S3/cr3t@tcp(db:3306)",
        "bot:S3cr3t@unix(/run/mysqld.sock)/store",
        "bot:S3cr3t@/store",
        "mysql:bot:S3cr3t@db/store",
    ],
)
def test_the_address_of_a_server_in_another_form_is_not_taken_for_a_path(address: str) -> None:
    for ask in (open_store, sqlite_path):
        with pytest.raises(StoreError, match="must look like mysql://") as caught:
            ask(address)
        assert "cr3t" not in str(caught.value)


@pytest.mark.parametrize("path", ["store.db", "/srv/me@host/a:b.db", "C:store.db", "notes@home.db"])
def test_odd_paths_are_paths(path: str) -> None:
    assert str(sqlite_path(path)) == path
