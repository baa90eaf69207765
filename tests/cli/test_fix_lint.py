"""fix-lint mends what it understands, word by word, and leaves everything else as it was."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.fixing import NotUnderstood, mend
from tests.cli.rig import Run


def table(column: str, options: str = "") -> str:
    return f"CREATE TABLE `t` (\n  `id` bigint NOT NULL, -- the key, (really)\n  {column},\n  PRIMARY KEY (`id`)\n) {options};\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("n int(11) unsigned NOT NULL AUTO_INCREMENT", "n BIGINT unsigned NOT NULL AUTO_INCREMENT"),
        ("n SMALLINT AUTO_INCREMENT COMMENT 'a, (b'", "n BIGINT AUTO_INCREMENT COMMENT 'a, (b'"),
        ("n int NOT NULL", "n int NOT NULL"),
        ("n FLOAT", "n DECIMAL(10,2)"),
        ("n double precision NOT NULL", "n DECIMAL(10,2) NOT NULL"),
        ("n DOUBLE(12, 4)", "n DECIMAL(12,4)"),
        ("n datetime NOT NULL", "n datetime NOT NULL DEFAULT CURRENT_TIMESTAMP"),
        (
            "n datetime(6) NOT NULL COMMENT 'x'",
            "n datetime(6) NOT NULL DEFAULT CURRENT_TIMESTAMP(6) COMMENT 'x'",
        ),
        ("n datetime", "n datetime DEFAULT NULL"),
        ("n datetime(3) COMMENT 'x'", "n datetime(3) DEFAULT NULL COMMENT 'x'"),
        ("n datetime DEFAULT '2000-01-01'", "n datetime DEFAULT '2000-01-01'"),
        ("n datetime CHECK (n IS NOT NULL)", "n datetime DEFAULT NULL CHECK (n IS NOT NULL)"),
        ("n date", "n date"),
        ("`float` varchar(9) DEFAULT 'FLOAT'", "`float` varchar(9) DEFAULT 'FLOAT'"),
        ("KEY `datetime` (`id`)", "KEY `datetime` (`id`)"),
    ],
)
def test_a_column_is_mended_and_nothing_else(before: str, after: str) -> None:
    mended, done, left = mend(table(before))
    assert mended == table(after)
    assert bool(done) == (before != after)
    assert left == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("ENGINE=InnoDB DEFAULT CHARSET=latin1", "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4"),
        (
            "DEFAULT CHARACTER SET = utf8 COLLATE = utf8_bin",
            "DEFAULT CHARACTER SET = utf8mb4 COLLATE = utf8mb4_unicode_ci",
        ),
        ("CHARSET utf8mb3 COLLATE 'latin1_swedish_ci'", "CHARSET utf8mb4 COLLATE utf8mb4_unicode_ci"),
        ("CHARSET=utf8mb4 COMMENT='CHARSET=latin1'", "CHARSET=utf8mb4 COMMENT='CHARSET=latin1'"),
    ],
)
def test_the_tables_character_set_is_mended(before: str, after: str) -> None:
    assert mend(table("n date", before))[0] == table("n date", after)


def test_every_column_is_mended_in_one_run_and_a_second_run_finds_nothing() -> None:
    sql = table("a FLOAT, b DOUBLE, c datetime NOT NULL, d datetime")
    mended, done, _ = mend(sql)
    assert len(done) == 4
    assert mend(mended)[1:] == ([], [])


@pytest.mark.parametrize(
    "sql",
    [
        "", "DROP TABLE t;", "CREATE TABLE t LIKE u;", "CREATE TABLE t (a FLOAT", "CREATE VIEW v AS SELECT 1;",
        "CREATE TABLE t (a FLOAT); CREATE TABLE u (b FLOAT);", "CREATE TABLE t (a FLOAT) AS SELECT 1;",
        "CREATE TABLE t (a FLOAT /*!50100 NULL */);", "CREATE TABLE t (a FLOAT, );",
    ],
)  # fmt: skip
def test_what_is_not_one_plain_table_is_not_understood(sql: str) -> None:
    with pytest.raises(NotUnderstood):
        mend(sql)


@given(st.text(alphabet="CREATE TABLE(),;'`\"-#/*! floatdatetime\n\\x1", max_size=80))
def test_whatever_it_reads_it_understands_or_says_that_it_does_not(text: str) -> None:
    for sql in (text, f"CREATE TABLE t ({text})"):
        try:
            mended, done, _ = mend(sql)
        except NotUnderstood:
            continue
        assert (mended == sql) == (not done)


def test_files_are_mended_on_disk_but_not_in_a_dry_run(run: Run) -> None:
    Path("schema").mkdir()
    file, other = Path("schema/t.sql"), Path("schema/view.sql")
    file.write_text(table("n FLOAT"))
    other.write_text("CREATE VIEW v AS SELECT 1;")
    dry = run("fix-lint", "-s", "schema", "--dry-run")
    assert (dry.code, "+  n DECIMAL(10,2)," in dry.out) == (0, True), dry.out + dry.err
    assert file.read_text() == table("n FLOAT")
    ended = run("fix-lint", "-s", "schema", "--json")
    assert ended.json() == {
        "fixed": {"schema/t.sql": ["n: FLOAT becomes DECIMAL(10,2)"]},
        "left": {},
        "passed_over": {"schema/view.sql": "it is not a CREATE TABLE"},
    }
    assert file.read_text() == table("n DECIMAL(10,2)")
    assert other.read_text() == "CREATE VIEW v AS SELECT 1;"
    assert "Nothing to mend" in run("fix-lint", "-s", "schema").out


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        (f"{table('n FLOAT')}CREATE INDEX n ON t (n);", "it has more than one statement"),
        ("CREATE TABLE t (a FLOAT) AS SELECT 1;", "it takes its columns from a SELECT"),
        ("CREATE TABLE t (a FLOAT /*!50100 NULL */);", "what begins at its character 25 cannot be read"),
    ],
)
def test_a_file_that_is_not_understood_is_named_with_the_reason(run: Run, sql: str, why: str) -> None:
    Path("t.sql").write_text(sql)
    ended = run("fix-lint")
    assert (ended.code, f"t.sql: passed over, as {why}" in ended.out) == (0, True), ended.out
    assert "Nothing to mend." not in ended.out
    assert Path("t.sql").read_text() == sql


def test_what_only_a_person_can_mend_ends_with_1(run: Run) -> None:
    Path("schema/shop").mkdir(parents=True)
    Path("schema/shop/t.sql").write_text(table("n TIMESTAMP NULL DEFAULT NULL"))
    ended = run("fix-lint", "-s", "schema")
    assert (ended.code, "2038" in ended.out) == (1, True)


def test_a_sqlite_schema_is_refused(run: Run) -> None:
    Path("t.sql").write_text("CREATE TABLE t (a REAL);")
    Path("schemabot.yaml").write_text("database: shop\ntype: sqlite\n")
    assert run("fix-lint").code == 1
    assert Path("t.sql").read_text() == "CREATE TABLE t (a REAL);"
