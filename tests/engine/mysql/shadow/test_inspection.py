"""What the shadow will be when it is live, told before it is."""

from engine.mysql.catalog import read_table
from engine.mysql.shadow.inspection import fingerprint_as
from tests.engine.mysql.changing.plans import Shop
from tests.servers.server import Server

TABLE = """
CREATE TABLE t (
    id INT NOT NULL, born DATE NOT NULL COMMENT 'of `t`', n INT CHECK (n > 0), twice INT AS (n * 2) STORED,
    PRIMARY KEY (id, born), UNIQUE KEY u (n, id, born), KEY k (twice), CHECK (n < 100), CHECK (id > 0)
) ENGINE = InnoDB DEFAULT CHARSET utf8mb4 COMMENT 'CREATE TABLE `t`'
  PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN MAXVALUE)
"""

NAMES = ("t_born", "t_Amount", "T_b", "t_chk_x", "t_chk_02", "t_", "T__OSC_N_a", "tz", "Zeta", "a")
"""Of CHECKs that stand before or behind those that MySQL named after the table, as that is called."""


def test_a_table_by_another_name_reads_as_it_will_when_it_is_renamed(server: Server) -> None:
    shop = Shop(server, TABLE)
    with shop.link() as link:
        before = read_table(link, shop.database, "t")
        link.run("CREATE TABLE t__osc_n LIKE t")
        link.run(
            "ALTER TABLE t__osc_n " + ", ".join(f"ADD CONSTRAINT {name} CHECK (n <> 7)" for name in NAMES)
        )
        shadow = read_table(link, shop.database, "t__osc_n")
        link.run("RENAME TABLE t TO t__osc_o, t__osc_n TO t")
        after = read_table(link, shop.database, "t")
    assert before is not None
    assert shadow is not None
    assert after is not None
    assert fingerprint_as(shadow, "t") == after.fingerprint
    assert fingerprint_as(before, "t") == before.fingerprint
    assert fingerprint_as(shadow, "t") != shadow.fingerprint
