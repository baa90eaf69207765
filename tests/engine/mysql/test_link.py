"""Variables of a session that are set for a while."""

import pytest

from engine.mysql.link import Link
from engine.mysql.trouble import Lost, ServerRefused
from tests.engine.mysql.planning.places import address_of
from tests.servers.server import Server

ASKED = "SELECT @@SESSION.collation_connection, @@SESSION.character_set_results, @@SESSION.sql_mode, @@SESSION.time_zone"


def test_variables_are_back_as_they_were_whatever_the_literals_of_the_session_are_in(server: Server) -> None:
    with Link(address_of(server)) as link:
        before = link.rows(ASKED)
        with link.having({"collation_connection": "utf16_general_ci", "character_set_results": None}):
            with link.having({"sql_mode": "ANSI_QUOTES", "time_zone": "+01:00"}):
                assert link.rows(ASKED) == [("utf16_general_ci", None, "ANSI_QUOTES", "+01:00")]
            assert link.rows(ASKED) == [("utf16_general_ci", None, *before[0][2:])]
        assert link.rows(ASKED) == before


def test_variables_are_back_as_told_after_an_error(server: Server) -> None:
    with Link(address_of(server)) as link:
        with pytest.raises(ServerRefused), link.having({"wait_timeout": 7}, {"wait_timeout": 8}):
            link.run("SELECT nothing")
        assert link.value("SELECT @@SESSION.wait_timeout") == 8


def test_a_connection_that_is_lost_has_no_variables_to_put_back(server: Server) -> None:
    with Link(address_of(server)) as link:
        with link.having({"wait_timeout": 7}):
            link.hang_up()
        with pytest.raises(Lost):
            link.run("DO 0")
