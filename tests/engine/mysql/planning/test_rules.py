"""What one ALTER may hold, and in what order tables change: each rule by a pair of schemas that breaks without it."""

import pytest

from engine.errors import BadFiles, Refused
from tests.engine.mysql.planning.rig import ddl, ground
from tests.servers.server import Server

P = "CREATE TABLE p (id INT PRIMARY KEY, a INT, UNIQUE KEY ua (a));"
C = "CREATE TABLE c (id INT PRIMARY KEY, pid INT, pa INT, CONSTRAINT f FOREIGN KEY (pid) REFERENCES p (id));"

BOTH = {
    "nothing to do": (P, P),
    "a new table": ("", P),
    "a dropped table": (P, ""),
    "columns added, dropped, changed and moved at once": (
        "CREATE TABLE t (a INT, b VARCHAR(5), c INT, d INT NOT NULL, e DATE);",
        "CREATE TABLE t (e DATE, a BIGINT, n INT FIRST_, d INT, x TEXT, c INT COMMENT 'x');".replace(" FIRST_", ""),
    ),
    "columns in the reverse order": (
        "CREATE TABLE t (a INT, b INT, c INT, d INT, e INT);", "CREATE TABLE t (e INT, d INT, c INT, b INT, a INT);",
    ),
    "the case of a column's name": ("CREATE TABLE t (a INT, Bb INT);", "CREATE TABLE t (a INT, bB BIGINT);"),
    "an index of the same name over other columns": (
        "CREATE TABLE t (a INT, b INT, KEY k (a));", "CREATE TABLE t (a INT, b INT, KEY k (b, a));",
    ),
    "an index that only changes its order": (
        "CREATE TABLE t (a INT, b INT, KEY k (a, b));", "CREATE TABLE t (a INT, b INT, KEY k (a DESC, b));",
    ),
    "an index that only changes its comment": (
        "CREATE TABLE t (a INT, KEY k (a));", "CREATE TABLE t (a INT, KEY k (a) COMMENT 'why');",
    ),
    "an index that only changes its name": ("CREATE TABLE t (a INT, KEY k (a));", "CREATE TABLE t (a INT, KEY j (a));"),
    "two indexes that swap their names": (
        "CREATE TABLE t (a INT, b INT, KEY k (a), KEY j (b));", "CREATE TABLE t (a INT, b INT, KEY j (a), KEY k (b));",
    ),
    "an index that becomes unique": ("CREATE TABLE t (a INT, KEY k (a));", "CREATE TABLE t (a INT, UNIQUE KEY k (a));"),
    "an index made by CREATE INDEX": (
        "CREATE TABLE t (a INT, b INT);",
        "CREATE TABLE t (a INT, b INT); CREATE INDEX i ON t (b); CREATE UNIQUE INDEX u ON t (a, b);",
    ),
    "two FULLTEXT indexes added": (
        "CREATE TABLE t (a TEXT, b TEXT);", "CREATE TABLE t (a TEXT, b TEXT, FULLTEXT KEY x (a), FULLTEXT KEY y (b));",
    ),
    "a FULLTEXT index dropped and another added": (
        "CREATE TABLE t (a TEXT, b TEXT, FULLTEXT KEY x (a));", "CREATE TABLE t (a TEXT, b TEXT, FULLTEXT KEY x (b));",
    ),
    "a SPATIAL index": (
        "CREATE TABLE t (p POINT NOT NULL);", "CREATE TABLE t (p POINT NOT NULL, q POINT NOT NULL, SPATIAL KEY s (p));",
    ),
    "another primary key": (
        "CREATE TABLE t (a INT NOT NULL, b INT NOT NULL, PRIMARY KEY (a));",
        "CREATE TABLE t (a INT NOT NULL, b INT NOT NULL, PRIMARY KEY (b, a));",
    ),
    "a new primary key with AUTO_INCREMENT": (
        "CREATE TABLE t (a INT NOT NULL PRIMARY KEY, b INT);",
        "CREATE TABLE t (a INT NOT NULL, b BIGINT NOT NULL AUTO_INCREMENT, PRIMARY KEY (b), KEY k (a));",
    ),
    "AUTO_INCREMENT goes to another column": (
        "CREATE TABLE t (a INT NOT NULL AUTO_INCREMENT PRIMARY KEY, b INT NOT NULL);",
        "CREATE TABLE t (a INT NOT NULL, b INT NOT NULL AUTO_INCREMENT PRIMARY KEY);",
    ),
    "a foreign key dropped and made again under its name": (P + C, P + C.replace("(id))", "(id) ON DELETE CASCADE)")),
    "a foreign key under another name": (P + C, P + C.replace("CONSTRAINT f", "CONSTRAINT g")),
    "a foreign key to another column": (P + C, P + C.replace("REFERENCES p (id)", "REFERENCES p (a)")),
    "a foreign key goes and its index too": (P + C, P + "CREATE TABLE c (id INT PRIMARY KEY, pid INT, pa INT);"),
    "a foreign key goes and its index stays": (
        P + C, P + "CREATE TABLE c (id INT PRIMARY KEY, pid INT, pa INT, KEY f (pid));",
    ),
    "a foreign key and its parent go": (P + C, "CREATE TABLE c (id INT PRIMARY KEY, pid INT, pa INT);"),
    "child and parent go": (P + C, ""),
    "child and parent come": ("", C + P),
    "a foreign key comes together with its parent": ("CREATE TABLE c (id INT PRIMARY KEY, pid INT, pa INT);", P + C),
    "the index that a foreign key needs is replaced": (
        P + C.replace("CONSTRAINT", "KEY k (pid), CONSTRAINT"), P + C.replace("CONSTRAINT", "KEY j (pid, pa), CONSTRAINT"),
    ),
    "the key of the parent that a foreign key needs is replaced": (
        P + C.replace("p (id)", "p (a)"),
        P.replace("UNIQUE KEY ua (a)", "UNIQUE KEY ub (a), KEY uc (a, id)") + C.replace("p (id)", "p (a)"),
    ),
    "the type changes on both ends of a foreign key": (
        P + C, P.replace("id INT", "id BIGINT") + C.replace("pid INT", "pid BIGINT"),
    ),
    "the type changes along a chain of foreign keys": (
        P + C + "CREATE TABLE d (id INT PRIMARY KEY, CONSTRAINT h FOREIGN KEY (id) REFERENCES c (id));",
        (P + C).replace("id INT", "id BIGINT")
        + "CREATE TABLE d (id BIGINT PRIMARY KEY, CONSTRAINT h FOREIGN KEY (id) REFERENCES c (id));",
    ),
    "the collation changes on both ends of a foreign key": (
        ("CREATE TABLE p (k VARCHAR(9) PRIMARY KEY) COLLATE utf8mb4_bin;"
        "CREATE TABLE c (k VARCHAR(9), FOREIGN KEY (k) REFERENCES p (k)) COLLATE utf8mb4_bin;"),
        ("CREATE TABLE p (k VARCHAR(9) PRIMARY KEY) COLLATE utf8mb4_unicode_ci;"
        "CREATE TABLE c (k VARCHAR(9), FOREIGN KEY (k) REFERENCES p (k)) COLLATE utf8mb4_unicode_ci;"),
    ),
    "a foreign key column that only grows": (
        "CREATE TABLE p (k VARCHAR(9) PRIMARY KEY); CREATE TABLE c (k VARCHAR(9), FOREIGN KEY (k) REFERENCES p (k));",
        "CREATE TABLE p (k VARCHAR(20) PRIMARY KEY); CREATE TABLE c (k VARCHAR(20), FOREIGN KEY (k) REFERENCES p (k));",
    ),
    "tables that refer to each other come": (
        "",
        ("CREATE TABLE a (id INT PRIMARY KEY, b INT, FOREIGN KEY (b) REFERENCES b (id));"
        "CREATE TABLE b (id INT PRIMARY KEY, a INT, FOREIGN KEY (a) REFERENCES a (id));"),
    ),
    "tables that refer to each other go": (
        ("CREATE TABLE a (id INT PRIMARY KEY, b INT, FOREIGN KEY (b) REFERENCES b (id));"
        "CREATE TABLE b (id INT PRIMARY KEY, a INT, FOREIGN KEY (a) REFERENCES a (id));"),
        "",
    ),
    "tables that refer to each other change their types": (
        ("CREATE TABLE a (id INT PRIMARY KEY, b INT, FOREIGN KEY (b) REFERENCES b (id));"
        "CREATE TABLE b (id INT PRIMARY KEY, a INT, FOREIGN KEY (a) REFERENCES a (id));"),
        ("CREATE TABLE a (id BIGINT PRIMARY KEY, b BIGINT, FOREIGN KEY (b) REFERENCES b (id));"
        "CREATE TABLE b (id BIGINT PRIMARY KEY, a BIGINT, FOREIGN KEY (a) REFERENCES a (id));"),
    ),
    "a table that refers to itself changes its type": (
        "CREATE TABLE a (id INT PRIMARY KEY, up INT, FOREIGN KEY (up) REFERENCES a (id));",
        "CREATE TABLE a (id BIGINT PRIMARY KEY, up BIGINT, FOREIGN KEY (up) REFERENCES a (id));",
    ),
    "a regular column becomes VIRTUAL": ("CREATE TABLE t (a INT, b INT);", "CREATE TABLE t (a INT, b INT AS (a + 1) VIRTUAL);"),
    "a VIRTUAL column becomes regular": ("CREATE TABLE t (a INT, b INT AS (a + 1) VIRTUAL);", "CREATE TABLE t (a INT, b INT);"),
    "a VIRTUAL column becomes STORED": (
        "CREATE TABLE t (a INT, b INT AS (a + 1) VIRTUAL, KEY k (b));",
        "CREATE TABLE t (a INT, b INT AS (a + 1) STORED, KEY k (b));",
    ),
    "a regular column becomes STORED": ("CREATE TABLE t (a INT, b INT);", "CREATE TABLE t (a INT, b INT AS (a + 1) STORED);"),
    "a generated column computes something else": (
        "CREATE TABLE t (a INT, b INT AS (a + 1) VIRTUAL, c INT AS (a + 1) STORED);",
        "CREATE TABLE t (a INT, b INT AS (a + 2) VIRTUAL, c INT AS (a + 2) STORED);",
    ),
    "a column that a generated one uses goes with it": (
        "CREATE TABLE t (a INT, b INT, g INT AS (b + 1) VIRTUAL, KEY k (g));", "CREATE TABLE t (a INT);",
    ),
    "a column that a CHECK uses goes with it": (
        "CREATE TABLE t (a INT, b INT, CONSTRAINT ck CHECK (b > a));", "CREATE TABLE t (a INT);",
    ),
    "a column becomes invisible": ("CREATE TABLE t (a INT, b INT);", "CREATE TABLE t (a INT, b INT INVISIBLE);"),
    "a CHECK changes under its name": (
        "CREATE TABLE t (a INT, CONSTRAINT ck CHECK (a > 1));", "CREATE TABLE t (a INT, CONSTRAINT ck CHECK (a > 2));",
    ),
    "the character set of a table with its columns": (
        "CREATE TABLE t (a VARCHAR(9), b TEXT, c CHAR(3) COLLATE latin1_bin) CHARSET latin1;",
        "CREATE TABLE t (a VARCHAR(9), b TEXT, c CHAR(3) COLLATE latin1_bin) CHARSET utf8mb4;",
    ),
    "the default character set alone": (
        "CREATE TABLE t (a VARCHAR(9)) CHARSET latin1;", "CREATE TABLE t (a VARCHAR(9) CHARACTER SET latin1) CHARSET utf8mb4;",
    ),
    "the collation of one column": (
        "CREATE TABLE t (a VARCHAR(9), b VARCHAR(9));", "CREATE TABLE t (a VARCHAR(9), b VARCHAR(9) COLLATE utf8mb4_bin);",
    ),
    "options of the table come and go": (
        "CREATE TABLE t (a INT) COMMENT 'it''s' ROW_FORMAT=COMPRESSED;",
        "CREATE TABLE t (a INT) STATS_PERSISTENT=0 MAX_ROWS=100;",
    ),
    "the storage engine": ("CREATE TABLE t (a INT) ENGINE=MyISAM;", "CREATE TABLE t (a INT);"),
    "AUTO_INCREMENT in the files is passed over": (
        "CREATE TABLE t (a INT AUTO_INCREMENT PRIMARY KEY) AUTO_INCREMENT=5;",
        "CREATE TABLE t (a INT AUTO_INCREMENT PRIMARY KEY) AUTO_INCREMENT=9;",
    ),
    "names that need quotes": (
        "CREATE TABLE `a``b)` (`x, y` INT, `select` INT, KEY `k,` (`x, y`));",
        "CREATE TABLE `a``b)` (`x, y` BIGINT, `sel``ect` INT, KEY `k,` (`x, y`, `sel``ect`)) COMMENT '`shop`.`x` ; \\' ';",
    ),
}  # fmt: skip

MYSQL = {
    "a functional index and its column": (
        "CREATE TABLE t (a INT, b INT, KEY k ((b * 2)));", "CREATE TABLE t (a INT, KEY k ((a * 3)));",
    ),
    "an index goes out of sight": ("CREATE TABLE t (a INT, KEY k (a));", "CREATE TABLE t (a INT, KEY k (a) INVISIBLE);"),
    "an index is renamed and goes out of sight": (
        "CREATE TABLE t (a INT, KEY k (a));", "CREATE TABLE t (a INT, KEY j (a) INVISIBLE);",
    ),
    "an index that only changes its parser": (
        "CREATE TABLE t (a TEXT, FULLTEXT KEY k (a));", "CREATE TABLE t (a TEXT, FULLTEXT KEY k (a) WITH PARSER ngram);",
    ),
    "a CHECK that is not enforced": (
        "CREATE TABLE t (a INT, CONSTRAINT ck CHECK (a > 1));",
        "CREATE TABLE t (a INT, CONSTRAINT ck CHECK (a > 1) NOT ENFORCED);",
    ),
    "a multi-valued index": (
        "CREATE TABLE t (j JSON);", "CREATE TABLE t (j JSON, KEY k ((CAST(j->'$.z' AS UNSIGNED ARRAY))));",
    ),
    "an SRID": ("CREATE TABLE t (p POINT NOT NULL);", "CREATE TABLE t (p POINT NOT NULL SRID 4326);"),
}  # fmt: skip
MARIADB = {
    "an index goes out of sight": ("CREATE TABLE t (a INT, KEY k (a));", "CREATE TABLE t (a INT, KEY k (a) IGNORED);"),
    "a column with a CHECK of its own": (
        "CREATE TABLE t (a INT CHECK (a > 1), j JSON);", "CREATE TABLE t (a INT CHECK (a > 2), j JSON, k JSON);",
    ),
    "a uuid and compressed text": ("CREATE TABLE t (a CHAR(36), x TEXT);",
        "CREATE TABLE t (a UUID, x TEXT COMPRESSED, i INET6);"),
    "an application-time period": (
        "CREATE TABLE t (a INT, s DATE NOT NULL, e DATE NOT NULL);",
        "CREATE TABLE t (a INT, s DATE NOT NULL, e DATE NOT NULL, PERIOD FOR pp (s, e));",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", BOTH)
def test_a_plan_leads_from_one_schema_to_the_other_and_back(server: Server, name: str) -> None:
    one, other = BOTH[name]
    there_and_back(server, one, other)


def test_a_fulltext_index_goes_when_the_one_that_takes_its_place_is_there(server: Server) -> None:
    table = "CREATE TABLE t (id INT PRIMARY KEY, a TEXT, b TEXT{0})"
    with ground(server, table.format(", FULLTEXT KEY x (a), FULLTEXT KEY o (b), KEY k (a(9))")) as here:
        order = ddl(here.settle(table.format(", FULLTEXT KEY y (a, b), FULLTEXT KEY n (b)")))
        assert "ADD FULLTEXT KEY `y`" in order[0]
        assert "DROP INDEX `x`" in order[1]
        assert "RENAME INDEX `o` TO `n`" in order[1]
        here.settle(table.format(", c TEXT, FULLTEXT KEY w (a, c)"))  # what it needs is not there before


def test_fulltext_indexes_that_go_leave_no_tables_behind(mysql: Server) -> None:
    """Two in one ALTER would leave some of MySQL 9.7's own, which even DROP DATABASE does not remove."""
    with ground(
        mysql,
        "CREATE TABLE t (a TEXT, b TEXT, c TEXT, FULLTEXT KEY x (a), FULLTEXT KEY y (b), FULLTEXT KEY z (c))",
    ) as shop:
        shop.settle("CREATE TABLE t (a TEXT, b TEXT, c TEXT);")
        left = shop.link.rows(
            "SELECT name FROM information_schema.innodb_tables WHERE name LIKE '%/fts\\_%\\_index\\_%'"
        )
    assert not left


@pytest.mark.parametrize("name", MYSQL)
def test_what_only_mysql_has(mysql: Server, name: str) -> None:
    there_and_back(mysql, *MYSQL[name])


@pytest.mark.parametrize("name", MARIADB)
def test_what_only_mariadb_has(mariadb: Server, name: str) -> None:
    if "uuid" in name and not mariadb.is_one("mariadb 10.7"):
        pytest.skip("MariaDB knows UUID since 10.7")
    there_and_back(mariadb, *MARIADB[name])


def there_and_back(server: Server, one: str, other: str) -> None:
    with ground(server) as here:
        here.settle(one)
        here.settle(other)
        here.settle(one)


def test_an_index_that_the_server_made_for_a_foreign_key_stays_when_another_covers_it(server: Server) -> None:
    explicit = C.replace("CONSTRAINT", "KEY f (pid), CONSTRAINT")
    with ground(server) as here:
        here.settle(P + C)  # in the plan's statement the index is written out …
        here.run("DROP TABLE c", C.rstrip(";"))  # … here the server makes it by itself
        assert here.plan(P + explicit).changes == ()
        here.settle(P + explicit.replace("KEY f (pid)", "KEY f (pid), KEY x (pid, pa)"))
        here.run("DROP TABLE c", C.rstrip(";"))
        here.settle(P + C.replace("CONSTRAINT", "KEY x (pid, pa), CONSTRAINT"))


def test_an_index_that_the_server_made_for_a_foreign_key_is_built_anew_when_it_is_made_again(
    server: Server,
) -> None:
    """Of one of ours, such as a trial has it, the server only notes the comment; MariaDB says no to INSTANT here."""
    with ground(server, P.rstrip(";"), C.rstrip(";")) as here:
        wanted = P + C.replace("pa INT,", "qa INT, KEY f (pid) COMMENT 'x',")
        plan = here.settle(wanted)
        assert ddl(plan)[1:] == ["ALTER TABLE `c` DROP INDEX `f`, ADD KEY `f` (`pid`) COMMENT 'x'"]
        assert "Builds the index in place" in plan.changes[0].lock
        plan = here.settle(wanted.replace("KEY f", "KEY g (qa), KEY f").replace("'x'", "'y'"))
        assert "Builds the index in place" in plan.changes[0].lock


REFERS = {
    "with both ends of another type": (P.replace("id INT", "id BIGINT"), "FOREIGN KEY (pid) REFERENCES p (id)"),
    "with another action and a wider index": (P, "KEY x (pid, pa), FOREIGN KEY (pid) REFERENCES p (id) ON DELETE CASCADE"),
    "with another key": (
        P, "FOREIGN KEY (pid) REFERENCES p (id), CONSTRAINT g FOREIGN KEY (pid) REFERENCES p (id) ON DELETE CASCADE"
    ),
}  # fmt: skip


@pytest.mark.parametrize("way", REFERS)
def test_an_index_that_the_server_made_for_a_foreign_key_stays_when_the_key_comes_again(
    server: Server, way: str
) -> None:
    parent, refers = REFERS[way]
    child = "CREATE TABLE {0} (id INT PRIMARY KEY, pid INT, pa INT, {1});"
    now = [child.format(name, "FOREIGN KEY (pid) REFERENCES p (id)").rstrip(";") for name in "cd"]
    with ground(server, P.rstrip(";"), *now) as here:
        for name in "cd":
            parent += child.format(
                name, f"KEY pid (pid), {refers.replace('CONSTRAINT ', f'CONSTRAINT {name}')}"
            )
        if "BIGINT" in parent:
            parent = parent.replace("pid INT", "pid BIGINT")
        here.settle(parent)


def test_a_foreign_key_may_spell_what_it_refers_to_in_another_case(server: Server) -> None:
    child = "CREATE TABLE a (id INT PRIMARY KEY, pid INT, CONSTRAINT f FOREIGN KEY (PID) REFERENCES p (ID));"
    with ground(server) as here:
        here.settle(child + P)
        here.settle(child.replace("pid INT", "pid INT, x INT").replace("ID))", "Id) ON DELETE CASCADE)") + P)
        here.run("DROP TABLE a, p", child.rstrip(";"), P.rstrip(";"))  # so the server keeps the spelling
        assert here.plan(child + P).changes == ()
        here.settle(child.replace("pid INT", "pid INT, x INT") + P)


def test_a_foreign_key_to_a_schema_that_is_not_in_the_plan_is_tried_with_the_live_parent(
    server: Server,
) -> None:
    with ground(server, P.rstrip(";")) as other, ground(server) as here:
        text = C.replace("REFERENCES p", f"REFERENCES {other.schema}.p")
        here.settle(text)
        here.settle(text.replace("pa INT", "pa BIGINT, x INT"))
        here.settle(text.replace("(id INT", "(id BIGINT"))
        with pytest.raises(Refused, match=r"incompatible|incorrectly"):
            here.plan(text.replace("pid INT", "pid BIGINT"))
        here.settle(text.replace("(id))", "(id) ON DELETE CASCADE)"))
        here.settle("CREATE TABLE c (id INT PRIMARY KEY, pid INT, pa INT)")
        here.settle(text)
        assert other.link.rows("SHOW TABLES") == [("p",)]
        here.settle("")


UNFIT = {
    "types": ("id BIGINT UNSIGNED PRIMARY KEY", "pid INT", ["column 'pid'", "column 'id'"]),
    "collations": (
        "id VARCHAR(9) COLLATE utf8mb4_bin PRIMARY KEY", "pid VARCHAR(9) COLLATE utf8mb4_general_ci",
        ["column 'pid'", "column 'id'"],
    ),
    "no key on the parent": ("id INT", "pid INT", ["in the referenced table"]),
}  # fmt: skip


@pytest.mark.parametrize("case", UNFIT)
def test_of_a_foreign_key_that_does_not_fit_it_is_told_what_does_not(server: Server, case: str) -> None:
    parent, column, told = UNFIT[case]
    parent, child = f"CREATE TABLE p ({parent});", f"CREATE TABLE {{}} ({column}{{}});"
    key = ", CONSTRAINT ft FOREIGN KEY (pid) REFERENCES p (id)"
    with ground(server, parent, child.format("t", "")) as here:
        with pytest.raises(BadFiles) as read:
            here.plan(parent + child.format("t", key))
        here.plan(parent)
        with pytest.raises(Refused) as altered:
            here.plan(parent + child.format("t", key))
        with pytest.raises(Refused) as created:
            here.plan(parent + child.format("t", "") + child.format("x", key))
    for said in (str(read.value), str(altered.value), str(created.value)):
        assert [part for part in ["ft", *told] if part not in said] == []
        assert "in a plan before" not in said


USES = {
    "a CHECK": "CONSTRAINT c CHECK (g <> 5)",
    "an index": "KEY k (g, n)",
    "what is computed from it": "h INT AS (g + 1) STORED, KEY k (h), CONSTRAINT c CHECK (h <> 5)",
    "an index of an expression": "KEY k ((ABS(g)))",
}


@pytest.mark.parametrize("use", USES)
def test_what_uses_a_computed_column_makes_way_while_it_is_made_again(server: Server, use: str) -> None:
    if server.flavour == "mariadb" and "expression" in use:
        pytest.skip("MariaDB has no such index")
    text = "CREATE TABLE t (id INT PRIMARY KEY, n INT, g INT AS (n + 1) {0}, " + USES[use] + ")"
    with ground(server, text.format("STORED"), "INSERT INTO t (id, n) VALUES (1, 7)") as here:
        here.settle(text.format("VIRTUAL"))
        here.settle(text.format("STORED"))
        assert here.link.rows("SELECT g FROM t") == [(8,)]


def test_no_column_is_narrowed_on_the_way_to_what_it_is(server: Server) -> None:
    parent = "CREATE TABLE p (id INT PRIMARY KEY)"
    table = "CREATE TABLE t (id INT PRIMARY KEY, p INT, c VARCHAR(9){0}, CONSTRAINT {1} FOREIGN KEY (p) REFERENCES p (id)){2}"
    live = table.format(" CHARACTER SET utf8mb4", "f", " DEFAULT CHARSET=latin1")
    with ground(server, parent, live, "INSERT INTO t VALUES (1, NULL, '日本')") as here:
        here.settle(f"{parent}; {table.format('', 'F', ' DEFAULT CHARSET=utf8mb4')};")
        assert here.link.row("SELECT c FROM t") == ("日本",)
