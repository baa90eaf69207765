"""The DSN of a MySQL or MariaDB target, in both forms people have it."""

from pathlib import Path

import pytest

from engine.base import Target
from engine.errors import Refused, TargetUnavailable
from engine.mysql.address import parse_address
from engine.mysql.engine import MysqlEngine
from engine.mysql.link import Link


@pytest.mark.parametrize(
    ("dsn", "host", "port", "user", "password", "database"),
    [
        ("mysql://sb:p%40ss@db.example:3307/shop", "db.example", 3307, "sb", "p@ss", "shop"),
        ("mysql://sb@[::1]/shop", "::1", 3306, "sb", "", "shop"),
        ("mysql://sb:x@h:3306", "h", 3306, "sb", "x", ""),
        ("sb:p@ss:w/rd@tcp(db:3307)/shop?parseTime=true", "db", 3307, "sb", "p@ss:w/rd", "shop"),
        ("root@tcp(127.0.0.1:3306)/", "127.0.0.1", 3306, "root", "", ""),
        ("root:x@tcp(localhost)/shop", "localhost", 3306, "root", "x", "shop"),
    ],
)
def test_both_forms_of_a_dsn_are_understood(
    dsn: str, host: str, port: int, user: str, password: str, database: str
) -> None:
    address = parse_address(dsn)
    found = (address.host, address.port, address.user, address.password, address.database)
    assert found == (host, port, user, password, database)


def test_a_socket_may_stand_for_host_and_port() -> None:
    assert parse_address("sb:x@unix(/run/mysqld.sock)/shop").socket == "/run/mysqld.sock"


@pytest.mark.parametrize(
    "dsn", ["", "mysql://", "postgres://u:secret@h/d", "mysql://u:secret@h/d?what=1", "u:secret@tcp(h:x)/d"]
)
def test_another_form_is_refused_without_quoting_the_dsn(dsn: str) -> None:
    with pytest.raises(Refused) as refusal:
        parse_address(dsn)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("schema", ["mysql", "INFORMATION_SCHEMA", "performance_schema", "sys"])
def test_a_schema_of_the_server_s_own_is_refused(schema: str) -> None:
    with pytest.raises(Refused, match=f"names the database {schema}, which belongs to the server itself"):
        MysqlEngine(
            Target(kind="mysql", database="shop", environment="test", dsn=f"mysql://u:secret@h/{schema}")
        )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            "ssl_mode=verify_ca&ssl_ca=ca.pem",
            "ssl_ca in the dsn must be a whole path, from / on, not 'ca.pem'",
        ),
        ("ssl_mode=required&ssl_ca=/ca.pem", "with ssl_mode=required in the dsn nobody looks at its ssl_ca"),
    ],
)
def test_a_file_that_would_not_be_found_or_not_be_read_is_refused(options: str, said: str) -> None:
    with pytest.raises(Refused, match=said):
        parse_address(f"mysql://u@h/shop?{options}")


@pytest.mark.parametrize("kind", ["missing", "no PEM"])
@pytest.mark.parametrize("option", ["ssl_ca", "ssl_cert"])
def test_a_file_for_tls_that_cannot_be_used_is_named(tmp_path: Path, option: str, kind: str) -> None:
    file = tmp_path / "some.pem"
    if kind == "no PEM":
        file.write_text("nothing")
    said = "cannot be read: No such file" if kind == "missing" else "in PEM"
    with pytest.raises(TargetUnavailable, match=rf"h:3306/shop: {option} {file}.*{said}.*correct the dsn"):
        Link(parse_address(f"mysql://u@h/shop?{option}={file}"))


def test_the_password_is_in_no_text_made_of_an_address() -> None:
    address = parse_address("mysql://sb:topsecret@h/shop?ssl_mode=required")
    assert "topsecret" not in f"{address} {address!r}"
