"""Tables with whatever a definition can have."""

from tests.servers.server import Server

PARENT = "CREATE TABLE p (id INT PRIMARY KEY, a INT, UNIQUE KEY ua (a))"
WIDE = """
CREATE TABLE wide (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, a INT DEFAULT 5 COMMENT 'it''s; a, (b)\nnew\\\\ line',
  b VARCHAR(20) CHARACTER SET latin1, c VARCHAR(20) COLLATE utf8mb4_bin NOT NULL DEFAULT 'x',
  d DATETIME(6) DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6), ts TIMESTAMP NULL,
  g INT GENERATED ALWAYS AS (a + 1) VIRTUAL, h INT AS (bt + 2) STORED, e ENUM('a','b''c','d)e,'), j JSON, bb BLOB, tx TEXT,
  pt POINT NOT NULL, de DECIMAL(10,2) UNSIGNED ZEROFILL, bt BIT(3) DEFAULT b'101', inv INT INVISIBLE DEFAULT 3,
  KEY ka (a DESC, c(3)), UNIQUE KEY `un``q` (c), FULLTEXT KEY ft (tx), SPATIAL KEY sp (pt), CHECK (bt >= 0),
  CONSTRAINT ck2 CHECK (c <> 'x,'), CONSTRAINT fk1 FOREIGN KEY (a) REFERENCES p (a) ON DELETE RESTRICT ON UPDATE CASCADE,
  CONSTRAINT fk2 FOREIGN KEY (a) REFERENCES p (id) ON DELETE NO ACTION
) AUTO_INCREMENT=50 COMMENT='tab; \\' c' ROW_FORMAT=DYNAMIC"""
ODD = (
    (
        "CREATE TABLE ranges (id INT NOT NULL, d DATE NOT NULL, PRIMARY KEY (id, d)) PARTITION BY RANGE (TO_DAYS(d)) "
        "(PARTITION p0 VALUES LESS THAN (738000) COMMENT 'x,(', PARTITION p1 VALUES LESS THAN MAXVALUE)"
    ),
    "CREATE TABLE hashes (id INT NOT NULL PRIMARY KEY) PARTITION BY HASH (id) PARTITIONS 4",
    (
        "CREATE TABLE lists (id INT NOT NULL PRIMARY KEY) PARTITION BY LIST (id) SUBPARTITION BY HASH (id) SUBPARTITIONS 2 "
        "(PARTITION a VALUES IN (1, 2), PARTITION b VALUES IN (3))"
    ),
    "CREATE TABLE latin (n VARCHAR(10), m VARCHAR(10) COLLATE latin1_bin, o CHAR(3) CHARACTER SET utf8mb4) CHARSET latin1",
    "CREATE TABLE defaults (a INT DEFAULT (1 + 2), b VARCHAR(30) DEFAULT (CONCAT('a', 'b')), u TEXT DEFAULT ('q'))",
    (
        "CREATE TABLE `od``d )` (`a``,(b` INT, `sel ect` VARCHAR(3) COMMENT 'CHARACTER SET utf8mb4 COLLATE x', "
        "KEY `on delete` (`sel ect`(2))) COMMENT='a\\nb\\'c\\\\d'"
    ),
)
ONLY = {
    "mysql": (
        ("CREATE TABLE functional (a INT, j JSON, tt TEXT, p POINT NOT NULL SRID 4326, KEY f ((a * 2)), KEY f2 ((CAST(j->>'$.x' "
        "AS CHAR(20)))) INVISIBLE, KEY mv ((CAST(j->'$.z' AS UNSIGNED ARRAY))), FULLTEXT KEY ff (tt) WITH PARSER ngram, "
        "CHECK (a > 0) NOT ENFORCED) STATS_PERSISTENT=1"),
    ),
    "mariadb": (
        ("CREATE TABLE periods (u UUID, i INET6, tt TEXT COMPRESSED, a INT, s DATE, e DATE, KEY k (a) IGNORED, PERIOD FOR "
        "pp (s, e)) PAGE_COMPRESSED=1"),
        "CREATE TABLE slow (a INT) ENGINE=Aria TRANSACTIONAL=1",
    ),
}  # fmt: skip


def only(server: Server) -> tuple[str, ...]:
    """Tables as only this server has them."""
    lacking = "" if server.is_one("mysql") or server.is_one("mariadb 10.7") else "u UUID, "
    return tuple(text.replace(lacking, "") for text in ONLY[server.flavour])
