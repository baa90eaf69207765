"""Names of constraints that follow the name of their table, as the servers have it."""

import pytest

from engine.mysql.names import CHECK_MARK, KEY_MARK, carried
from tests.engine.mysql.changing.plans import Shop
from tests.servers.server import Server

NAMES = ("t{}1", "t{}02", "t{}total", "t{}\u00e9", "T{}3", "tt{}4", "a_t{}5", "t", "named")
MADE = {KEY_MARK: "FOREIGN KEY (id) REFERENCES p (id)", CHECK_MARK: "CHECK (id > 0)"}
_NAMES_OF = (
    "SELECT CONSTRAINT_NAME FROM information_schema.TABLE_CONSTRAINTS "
    "WHERE CONSTRAINT_SCHEMA = DATABASE() AND TABLE_NAME = 'u' AND CONSTRAINT_TYPE <> 'PRIMARY KEY'"
)


@pytest.mark.parametrize("mark", MADE)
def test_names_that_begin_like_the_servers_own_follow_the_table(server: Server, mark: str) -> None:
    mariadb = server.is_one("mariadb")
    names = [*(name.format(mark) for name in NAMES), f"t{mark.upper()}6", *([] if mariadb else [f"t{mark}"])]
    adds = ", ".join(f"ADD CONSTRAINT `{name}` {MADE[mark]}" for name in names)
    shop = Shop(
        server, "CREATE TABLE p (id INT PRIMARY KEY)", "CREATE TABLE t (id INT PRIMARY KEY)", f"ALTER TABLE t {adds}",
        "RENAME TABLE t TO u",
    )  # fmt: skip
    stay = mariadb and mark == CHECK_MARK
    expected = {name if stay else carried(name, "t", "u", mark) for name in names}
    assert {name for (name,) in shop.rows(_NAMES_OF)} == expected
