"""Errors of the driver, classed."""

import re

import pymysql
import pytest

from engine.errors import Refused
from engine.mysql.address import parse_address
from engine.mysql.link import Link
from engine.mysql.trouble import Lost, ServerRefused, Tolerated, Trouble, Waited, translate
from tests.servers.impostor import OTHER_PROTOCOLS, greeter

PASSING = (
    1021,
    1040,
    1047,
    1053,
    1114,
    1180,
    1205,
    1206,
    1213,
    1317,
    1412,
    1637,
    1836,
    1969,
    3024,
    3032,
    4031,
)


@pytest.mark.parametrize("code", PASSING)
def test_what_passes_by_itself_is_tried_again(code: int) -> None:
    assert translate(pymysql.err.OperationalError(code, "said")).retryable


@pytest.mark.parametrize(
    ("option", "passes"),
    [
        ("--read-only", True),
        ("--super-read-only", True),
        ("--innodb-read-only", True),
        ("NO_ENGINE_SUBSTITUTION", False),
        ("--skip-grant-tables", False),
    ],
)
def test_of_what_an_option_forbids_only_writing_is_waited_for(option: str, passes: bool) -> None:
    said = f"The MariaDB server is running with the {option} option so it cannot execute this statement"
    found = translate(pymysql.err.OperationalError(1290, said))
    assert found.retryable is passes
    assert ("read-only (a fail-over?)" in str(found)) is passes
    assert ("enforce_storage_engine" in str(found)) is (option == "NO_ENGINE_SUBSTITUTION")


@pytest.mark.parametrize(
    "error",
    [
        pymysql.err.InternalError("Packet sequence number wrong - got 3 expected 1"),
        pymysql.err.OperationalError("unexpected packet during authentication"),
        pymysql.err.InterfaceError(0, ""),
        pymysql.err.OperationalError(2013, "Lost connection"),
        ConnectionResetError(104, "reset"),
    ],
    ids=repr,
)
def test_an_answer_that_is_not_understood_is_a_lost_connection(error: Exception) -> None:
    assert isinstance(translate(error), Lost)


@pytest.mark.parametrize("protocol", OTHER_PROTOCOLS)
def test_where_another_protocol_is_spoken_the_server_is_not_reached(protocol: str) -> None:
    with greeter(OTHER_PROTOCOLS[protocol]) as port, pytest.raises(Lost, match=r"^127\.0\.0\.1:"):
        Link(parse_address(f"mysql://u@127.0.0.1:{port}/shop?ssl_mode=disabled"))


@pytest.mark.parametrize("host", ["db2..example.com", "x" * 64 + ".example.com"])
def test_what_is_no_name_of_a_host_is_not_reached(host: str) -> None:
    with pytest.raises(Lost, match=f"^{re.escape(host)}:3306/shop: .*does not understand"):
        Link(parse_address(f"mysql://u@{host}:3306/shop"))


@pytest.mark.parametrize("code", [1064, 1062, 1142, 1146, 1265, 1366, 1406, 3098, 3819, 3903])
def test_what_stays_wrong_is_permanent(code: int) -> None:
    found = translate(pymysql.err.ProgrammingError(code, "said"))
    assert not found.retryable
    assert not isinstance(found, Trouble | Waited)


@pytest.mark.parametrize("where", ["", "db:3306/shop", "db:3306/the shop: north"])
def test_what_the_server_said_is_told_apart_from_where_it_is(where: str) -> None:
    found = translate(pymysql.err.ProgrammingError(1064, "near 'x': odd"), where)
    assert isinstance(found, ServerRefused)
    assert found.said == "near 'x': odd (1064)"
    assert str(found) == (f"{where}: {found.said}" if where else found.said)


def test_no_answer_is_tolerated_but_those_that_are_named() -> None:
    for error in (ServerRefused("no such table", 1146), Trouble("not in this database", 1044)):
        with Tolerated(1146, 1044):
            raise error
    for other in (ServerRefused("no such column", 1054), Trouble("gone", 0), Refused("ours")):
        with pytest.raises(type(other)), Tolerated(1146, 1044):
            raise other
