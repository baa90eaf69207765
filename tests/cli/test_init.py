"""A schema directory made from a live database: proven to change nothing, and never over something else."""

from contextlib import closing
from pathlib import Path

import apsw
import pytest
import yaml

from server.daemon import Daemon
from tests.cli.conftest import Peer
from tests.cli.rig import Run, config, make_shop


def test_init_writes_files_and_a_project_that_plan_as_no_change_without_another_word(run: Run) -> None:
    make_shop()
    ended = run("init", "shop.db", "-o", "desired")
    assert ended.code == 0, ended.err
    assert sorted(path.name for path in Path("desired").iterdir()) == [
        "notes.sql",
        "orders.sql",
        "schemabot.yaml",
    ]
    assert yaml.safe_load(Path("desired/schemabot.yaml").read_text()) == {
        "database": "shop",
        "type": "sqlite",
        "target": "../shop.db",
    }
    planned = run("plan", "-s", "desired")
    assert (planned.code, "No schema changes detected" in planned.out) == (0, True), planned.err


def test_init_from_a_server_names_its_environments(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Daemon(config(tmp_path, "staging", "production")) as daemon:
        monkeypatch.setenv("SCHEMABOT_ENDPOINT", daemon.url)
        assert run("init", "shop").code == 2, "which of the two is not said"
        ended = run("init", "shop", "-e", "staging", "--json")
        assert ended.code == 0, ended.err
        assert ended.json()["written"][0] == "schema/schemabot.yaml"
        found = yaml.safe_load(Path("schema/schemabot.yaml").read_text())
        assert found == {"database": "shop", "type": "sqlite", "environments": ["production", "staging"]}
        assert "production, staging" in run("plan", "-s", "schema").out


@pytest.mark.parametrize(
    "there", ["schema/schemabot.yaml", "schema/old.sql", "schema/other/old.sql", "schema"]
)
def test_init_over_something_else_is_refused_and_writes_nothing(run: Run, there: str) -> None:
    make_shop()
    Path(there).parent.mkdir(parents=True, exist_ok=True)
    Path(there).write_text("mine")
    before = sorted(Path().rglob("*.sql"))
    ended = run("init", "shop.db", "-o", "schema")
    assert (ended.code, "-o DIR" in ended.err) == (1, True)
    assert Path(there).read_text() == "mine"
    assert sorted(Path().rglob("*.sql")) == before


def test_files_that_would_change_something_are_not_written(run: Run, peer: Peer) -> None:
    change = {"table_name": "t", "ddl": "ALTER TABLE t ADD c INT;", "change_type": "alter"}
    peer.answer("/api/databases", {"databases": [{"name": "shop", "type": "mysql"}]})
    peer.answer("/api/databases/shop/environments", {"environments": ["production"]})
    peer.answer("/api/pull/shop", {"files": {"shop": {"t.sql": "CREATE TABLE t (c INT);\n"}}})
    peer.answer("/api/plan", {"plan_id": "plan-1", "errors": [], "lint_violations": [],
                              "changes": [{"namespace": "shop", "table_changes": [change]}]})  # fmt: skip
    ended = run("init", "shop", "--endpoint", peer.url)
    assert (ended.code, "ALTER TABLE t ADD c INT;" in ended.err) == (1, True)
    assert not Path("schema").exists()
    assert peer.bodies("/api/plan")[0]["schema_files"] == {
        "schema": {"files": {"t.sql": "CREATE TABLE t (c INT);\n"}}
    }


def test_tables_with_odd_names_come_back_unchanged(run: Run) -> None:
    with closing(apsw.Connection("odd.db")) as connection:
        for name in ("a/b", "..", "line\nend", 'quote"s', "\u202egnp", "\x1b[2J"):
            quoted = '"' + name.replace('"', '""') + '"'
            connection.execute(f"CREATE TABLE {quoted} (id INTEGER PRIMARY KEY)")
    ended = run("init", "odd.db", "-o", "odd")
    assert ended.code == 0, ended.err
    assert all(path.parent == Path("odd") for path in Path("odd").rglob("*.sql"))
    assert "No schema changes detected" in run("plan", "-s", "odd").out
    for text in (ended.out, ended.err):
        assert "\x1b" not in text
        assert "\u202e" not in text


def test_what_cannot_be_written_whole_leaves_nothing(run: Run) -> None:
    make_shop()
    Path("schema").mkdir()
    Path("schema/orders.sql").symlink_to("nowhere/orders.sql")
    ended = run("init", "shop.db", "-o", "schema")
    assert ended.code == 1
    assert [path.name for path in Path("schema").iterdir()] == ["orders.sql"]
