"""What is read of the tables while the application waits."""

from engine.mysql.catalog import show_create
from engine.mysql.shadow.staging import next_id
from tests.engine.mysql.changing.plans import Shop
from tests.servers.server import Server


def test_the_next_id_is_read_whatever_names_and_comments_hold(server: Server) -> None:
    shop = Shop(
        server,
        "CREATE TABLE t (`it's` INT COMMENT '\n) AUTO_INCREMENT=7 ', `\n) AUTO_INCREMENT=8` INT, "
        "id INT AUTO_INCREMENT PRIMARY KEY) AUTO_INCREMENT = 5 COMMENT 'it''s AUTO_INCREMENT=9'",
        "CREATE TABLE u (`it's` INT COMMENT '\n) AUTO_INCREMENT=7 ', `\n) AUTO_INCREMENT=8` INT) COMMENT 'AUTO_INCREMENT=9'",
    )
    with shop.link() as link:
        assert [next_id(show_create(link, shop.database, name) or "") for name in "tu"] == [5, 0]


def test_the_next_id_of_a_wide_table_is_read_in_one_pass() -> None:
    """Columns that are computed have a parenthesis each; a search to the end from each of them took hours."""
    columns = "".join(f"  `c{n}` int(11) GENERATED ALWAYS AS (abs(`a`)) VIRTUAL,\n" for n in range(100_000))
    assert next_id(f"CREATE TABLE `t` (\n{columns}  `id` int\n) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4") == 0
