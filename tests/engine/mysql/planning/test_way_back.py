"""The files that a plan keeps of the schema before it lead back without loss, or are refused with a reason."""

import pytest

from engine.errors import BadFiles
from tests.engine.mysql.planning.rig import Ground, ddl, ground
from tests.servers.server import Server

NOTES = "CREATE TABLE notes (id INT PRIMARY KEY, note VARCHAR(20), INDEX k (note))"
REMARKS = (
    "-- renamed from: notes\nCREATE TABLE remarks (id INT PRIMARY KEY,\n{name} VARCHAR(20), -- renamed from: note\n"
    "INDEX k ({name}));"
)
REMARK = (
    "CREATE TABLE notes (id INT PRIMARY KEY, remark VARCHAR(20) /* renamed from: note */, INDEX k (remark));"
)
ROWS = "INSERT INTO notes VALUES (1, 'dear'), (2, NULL)"


def there_and_back(here: Ground, files: str) -> list[str]:
    """What the way back does, once *files* are live."""
    plan = here.settle(files)
    back = here.settle(plan.original["shop"])
    assert not [finding.message for finding in back.findings if finding.severity == "error"]
    assert here.plan(plan.original["shop"]).changes == ()
    return ddl(back)


@pytest.mark.parametrize("name", ["`ein Wort`", '`*/ -- " ``\n#é`'])
def test_a_rollback_of_renames_keeps_the_rows(server: Server, name: str) -> None:
    with ground(server, NOTES, ROWS) as here:
        statements = there_and_back(here, REMARKS.format(name=name))
        assert statements[0] == "RENAME TABLE `remarks` TO `notes`"
        assert not any("DROP" in statement for statement in statements)
        assert here.link.rows("SELECT id, note FROM notes ORDER BY id") == [(1, "dear"), (2, None)]


def test_a_rollback_of_the_rename_of_a_parent_keeps_the_rows(server: Server) -> None:
    child = "CREATE TABLE c (id INT PRIMARY KEY, n INT, CONSTRAINT f FOREIGN KEY (n) REFERENCES notes (id));"
    new = (
        "-- renamed from: notes\nCREATE TABLE remarks (\nrid INT PRIMARY KEY, -- renamed from: id\n"
        "note VARCHAR(20), INDEX k (note));"
    )
    with ground(server, NOTES, child, ROWS, "INSERT INTO c VALUES (7, 1)") as here:
        there_and_back(here, new + child.replace("notes (id)", "remarks (rid)"))
        assert here.link.rows("SELECT c.id, note FROM notes JOIN c ON n = notes.id") == [(7, "dear")]


def test_the_way_back_is_found_beside_what_a_version_comment_hides(mysql: Server) -> None:
    old = "CREATE TABLE t (id INT PRIMARY KEY, a INT DEFAULT 3 INVISIBLE COMMENT '-- x')"
    with ground(mysql, old, "INSERT INTO t (id, a) VALUES (1, 7)") as here:
        there_and_back(
            here, old.replace("a INT", "\nb INT").replace("-- x'", "-- x' -- renamed from: a\n") + ";"
        )
        assert here.link.rows("SELECT id, a FROM t") == [(1, 7)]


def test_a_rollback_past_a_later_rename_or_loss_is_refused_in_its_own_words(server: Server) -> None:
    later = (
        "ALTER TABLE notes RENAME COLUMN remark TO memo",
        "ALTER TABLE notes DROP COLUMN memo",
        "ALTER TABLE notes ADD COLUMN remark VARCHAR(20), ADD COLUMN note VARCHAR(20)",
    )
    said = []
    with ground(server, NOTES, ROWS) as here:
        back = here.settle(REMARK).original["shop"]
        for statement in later:
            here.run(statement)
            with pytest.raises(BadFiles) as refused:
                here.plan(back)
            said.append(str(refused.value))
    assert [text.partition(":")[0] for text in said] == [
        "notes.note was renamed to remark, and there is no remark any more",
        "notes.note was renamed to remark, and there is no remark any more",
        "notes.note was renamed to remark, and the database has both remark and a new note",
    ]
    assert all("roll back the later applies" in text for text in said)


def test_a_rename_that_was_not_reached_needs_no_way_back(server: Server) -> None:
    with ground(server, NOTES, ROWS) as here:
        assert here.plan(here.plan(REMARK).original["shop"]).changes == ()


RANGES = (
    "CREATE TABLE t (id INT PRIMARY KEY) PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (10), {}"
    "PARTITION p9 VALUES LESS THAN (99), PARTITION rest VALUES LESS THAN MAXVALUE);"
)
LISTS = "CREATE TABLE t (id INT PRIMARY KEY) PARTITION BY LIST (id) (PARTITION p0 VALUES IN (1), {}PARTITION d DEFAULT);"
SPLITS = {
    "a range": (
        RANGES,
        "PARTITION `a b` VALUES LESS THAN (20), ",
        ["REORGANIZE PARTITION `a b`, `p9` INTO ("],
    ),
    "two ranges": (
        RANGES,
        "PARTITION p1 VALUES LESS THAN (12), PARTITION p2 VALUES LESS THAN (20), ",
        ["REORGANIZE PARTITION `p1`, `p2`, `p9` INTO ("],
    ),
    "a list": (LISTS, "PARTITION p1 VALUES IN (11, 12), ", ["PARTITION BY LIST"]),
}


@pytest.mark.parametrize("split", SPLITS)
def test_a_rollback_of_split_partitions_keeps_the_rows(server: Server, split: str) -> None:
    text, more, statements = SPLITS[split]
    if text is LISTS and server.flavour == "mysql":
        pytest.skip("MySQL has no partition for the rest of the values")
    with ground(server, text.format(""), "INSERT INTO t VALUES (1), (11), (12), (98)") as here:
        files = here.settle(text.format(more)).original["shop"]
        back = here.settle(files)
        assert [change.unsafe for change in back.changes] == [()]
        assert all(statement in ddl(back)[0] for statement in statements)
        assert here.link.rows("SELECT COUNT(*) FROM t") == [(4,)]
        assert here.plan(files).changes == ()


def test_what_comes_into_a_new_partition_goes_with_it_by_a_rollback(server: Server) -> None:
    text = (
        "CREATE TABLE t (id INT PRIMARY KEY) PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (10){});"
    )
    with ground(server, text.format("")) as here:
        back = here.settle(text.format(", PARTITION p1 VALUES LESS THAN (20)")).original["shop"]
        (change,) = here.settle(back).changes
        assert "Unsafe operation detected: DROP PARTITION `p1`" in change.unsafe
