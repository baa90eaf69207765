"""Schema directories and their schemabot.yaml."""

from pathlib import Path

import pytest

from cli.errors import WrongUsage
from cli.project import load_project, read_schema_files


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.mark.parametrize(
    ("typed", "namespace"),
    [("schema/orders", "orders"), ("./schema/orders/", "orders"), (".", "."), ("./", ".")],
)
def test_a_flat_directory_is_one_namespace_named_as_typed(
    typed: str, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(Path("schema/orders/a.sql"), "A")
    if typed.startswith(".") and len(typed) < 3:
        monkeypatch.chdir("schema/orders")
    assert read_schema_files(typed).files == {namespace: {"a.sql": "A"}}


def test_each_subdirectory_with_schema_files_is_a_namespace_and_one_without_is_none() -> None:
    write(Path("s/one/a.sql"), "A")
    write(Path("s/two/vschema.json"), "{}")
    write(Path("s/notes/readme.txt"), "not a schema: an empty namespace would drop every table")
    assert read_schema_files("s").files == {"one": {"a.sql": "A"}, "two": {"vschema.json": "{}"}}


def test_only_sql_files_and_vschema_json_count() -> None:
    write(Path("s/a.sql"), "A")
    write(Path("s/b.sql.bak"), "B")
    write(Path("s/other.json"), "{}")
    write(Path("s/schemabot.yaml"), "database: s\n")
    assert read_schema_files("s").files == {"s": {"a.sql": "A"}}


@pytest.mark.parametrize(
    "beside", ["s/one/U.SQL", "s/U.Sql", "s/one/VSchema.json", "s/one/deep/d.sql", "s/one/a/b/D.SQL"]
)
def test_a_schema_file_that_would_not_be_read_is_refused(beside: str) -> None:
    write(Path("s/one/a.sql"), "A")
    write(Path(beside), "CREATE TABLE u (id INT)")
    with pytest.raises(WrongUsage, match=f"{beside} would not be read"):
        read_schema_files("s")


def test_what_else_lies_beside_schema_files_is_named() -> None:
    for name in ("one/a.sql", "one/m.mysql", "one/old/a.txt", "notes/x", "b.sql.bak", "README.md", ".git/x"):
        write(Path("s", name), "")
    assert [str(path) for path in read_schema_files("s").passed_over] == [
        "s/b.sql.bak",
        "s/notes",
        "s/one/m.mysql",
        "s/one/old",
    ]


def test_files_mixed_with_folders_of_files_are_refused() -> None:
    write(Path("s/a.sql"), "A")
    write(Path("s/one/a.sql"), "A")
    with pytest.raises(WrongUsage, match="mixes"):
        read_schema_files("s")


def test_no_files_and_no_directory_are_refused() -> None:
    Path("s").mkdir()
    with pytest.raises(WrongUsage, match=r"no \.sql files found in s"):
        read_schema_files("s")
    with pytest.raises(WrongUsage, match="no such directory: t"):
        read_schema_files("t")


def test_a_file_that_is_no_text_is_named() -> None:
    Path("s").mkdir()
    Path("s/a.sql").write_bytes(b"CREATE \xff")
    with pytest.raises(WrongUsage, match=r"s/a\.sql is not UTF-8 text"):
        read_schema_files("s")


def test_a_directory_without_a_project_has_none() -> None:
    assert load_project(Path()) is None


def test_a_project_names_its_targets_as_list_or_map() -> None:
    write(Path("schemabot.yaml"), "database: shop\nenvironments: [staging, production]\n")
    project = load_project(Path())
    assert project is not None
    assert (project.database, project.type, project.target_for("staging")) == ("shop", "mysql", "shop")
    write(
        Path("schemabot.yaml"),
        "database: shop\ntype: vitess\nenvironments: {staging: {target: s1}, production: }\n",
    )
    project = load_project(Path())
    assert project is not None
    assert (project.target_for("staging"), project.target_for("production")) == ("s1", "shop")


@pytest.mark.parametrize("key", ["target", "dsn"])
def test_a_sqlite_project_names_its_file_from_its_own_folder(key: str) -> None:
    write(Path("db/schemabot.yaml"), f"database: shop\ntype: sqlite\n{key}: ../shop.db\n")
    project = load_project(Path("db"))
    assert project is not None
    assert project.sqlite_file("") == Path("db/../shop.db")


def test_a_mysql_project_has_no_sqlite_file() -> None:
    write(Path("schemabot.yaml"), "database: shop\ntarget: shop.db\n")
    project = load_project(Path())
    assert project is not None
    assert project.sqlite_file("") is None


@pytest.mark.parametrize(
    "text", ["", "- a\n", "type: mysql\n", "database: 3\n", "database: x\ntype: oracle\n", "database: [\n",
             "database: x\nenvironments: 3\n", "database: x\nenvironments: {a: 3}\n"]
)  # fmt: skip
def test_a_project_file_that_makes_no_sense_is_wrong_usage_naming_it(text: str) -> None:
    write(Path("schemabot.yaml"), text)
    with pytest.raises(WrongUsage, match=r"schemabot\.yaml"):
        load_project(Path())


@pytest.mark.parametrize(
    ("key", "meant"), [("databse", "database"), ("environment", "environments"), ("tpye", "type")]
)
def test_a_misspelt_key_is_refused_and_says_what_was_meant(key: str, meant: str) -> None:
    write(Path("s/schemabot.yaml"), f"database: shop\nlater_versions_key: 1\n{key}: mysql\n")
    with pytest.raises(WrongUsage, match=f"{key} is not a known key") as refused:
        load_project(Path("s"))
    assert refused.value.hint == f"did you mean {meant}?"
