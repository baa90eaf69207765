"""A SQLite file and no server: the daemon runs inside the command, and the next command goes on with its work."""

import json
import signal
from pathlib import Path

import pytest

from cli.errors import INTERRUPTED
from tests.cli.rig import (
    AFTER,
    ROWS,
    WITHOUT_NOTES,
    Ended,
    Process,
    Run,
    kinds_of_quantity,
    leftovers,
    make_shop,
    process,
    query,
    write_schema,
)
from tests.server.rig import ENDLESS_PLAN, HEARS_HANGUP
from tests.waiting import until


def parked(running: Process) -> str:
    """The id of the apply that *running* (apply --defer-cutover --json) has brought to its cutover."""
    running.wait_line('"state": "waiting_for_cutover"')
    first = json.loads(running.lines[0])
    apply_id: str = first["apply_id"]
    return apply_id


def changed(shop: Path) -> bool:
    assert query(shop, "SELECT count(*), sum(CAST(quantity AS INTEGER)) FROM orders") == [
        (ROWS, sum(n % 7 for n in range(1, ROWS + 1)))
    ]
    assert query(shop, "SELECT text FROM notes") == [("keep me",)]
    return kinds_of_quantity(shop) == ["integer"]


def test_pull_edit_plan_apply_and_the_database_is_what_the_files_say(run: Run) -> None:
    shop = make_shop()
    assert run("pull", "shop.db", "-o", "schema").code == 0
    same = run("plan", "shop.db", "-s", "schema")
    assert "No changes. Your schema is up-to-date." in same.out
    Path("schema/orders.sql").write_text(AFTER.split(";")[0] + ";")
    Path("schema/notes.txt").write_text("no schema")
    planned = run("plan", "shop.db", "-s", "schema")
    assert (planned.code, "1 to alter" in planned.out) == (0, True)
    assert "Not read, only *.sql and vschema.json are: schema/notes.txt\n" in planned.out
    assert kinds_of_quantity(shop) == ["text"], "a plan changes nothing"
    applied = run("apply", "shop.db", "-s", "schema", "-y")
    assert (applied.code, applied.err) == (0, "")
    assert "Apply completed" in applied.out
    assert changed(shop)
    assert leftovers(shop) == []
    again = run("apply", "shop.db", "-s", "schema", "-y")
    assert (again.code, "No changes" in again.out) == (0, True)


def test_apply_with_json_tells_the_id_first_and_the_end_last(run: Run) -> None:
    make_shop()
    ended = run("apply", "shop.db", "-s", write_schema(), "-y", "--json")
    lines = ended.lines()
    assert ended.code == 0
    assert lines[0]["apply_id"].startswith("apply-")
    assert lines[0]["database"] == "shop"
    assert lines[-1]["state"] == "completed"
    assert lines[-1]["apply_id"] == lines[0]["apply_id"]
    assert run("apply", "shop.db", "-s", "schema", "-y", "--json").json()["state"] == "no_changes"


def test_an_unsafe_change_ends_with_3_says_what_and_changes_nothing(run: Run) -> None:
    shop = make_shop()
    ended = run("apply", "shop.db", "-s", write_schema(WITHOUT_NOTES), "-y")
    assert ended.code == 3
    assert ended.err.startswith("Error: Unsafe Changes Detected")
    assert "notes" in ended.err
    assert "--allow-unsafe" in ended.err
    assert query(shop, "SELECT text FROM notes") == [("keep me",)]
    assert kinds_of_quantity(shop) == ["text"]
    allowed = run("apply", "shop.db", "-s", "schema", "-y", "--allow-unsafe")
    assert allowed.code == 0, allowed.err
    assert query(shop, "SELECT count(*) FROM sqlite_master WHERE name = 'notes'") == [(0,)]


def test_without_a_person_and_without_y_nothing_happens(run: Run) -> None:
    shop = make_shop()
    ended = run("apply", "shop.db", "-s", write_schema())
    assert (ended.code, "-y" in ended.err) == (1, True)
    assert kinds_of_quantity(shop) == ["text"]
    assert run("locks", "shop.db", "--json").json() == {"locks": []}
    assert run("history", "shop.db", "--json").json()["applies"] == []


def test_broken_sql_is_reported_with_file_line_and_column(run: Run) -> None:
    make_shop()
    ended = run(
        "plan", "shop.db", "-s", write_schema("CREATE TABLE a (id INTEGER);\nCREATE TABLE b (id INTEGER")
    )
    assert ended.code == 1
    assert "shop.sql:2:" in ended.err
    assert "schemabot -v" not in ended.err  # the daemon's log has nothing to add


def test_a_file_that_does_not_exist_yet_is_planned_as_new_and_made_by_apply_only(run: Run) -> None:
    planned = run("plan", "new.db", "-s", write_schema())
    assert planned.code == 0, planned.err
    assert "does not exist yet" in planned.out
    assert not Path("new.db").exists()
    assert run("apply", "new.db", "-s", "schema", "-y").code == 0
    assert query(Path("new.db"), "SELECT count(*) FROM orders") == [(0,)]


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["plan", "nowhere/shop.db", "-s", "schema"], "no such folder: nowhere"),
        (["plan", "schema", "-s", "schema"], "is a folder"),
        (["plan", "shop", "-s", "schema"], "-d shop"),
        (["status", "other.db"], "no such database file: other.db"),
        (["progress", "shop.db", "apply-01", "apply-02"], "too many arguments"),
        (["plan", "shop.db", "-s", "schema", "--endpoint", "http://x:1"], "two places"),
        (["apply", "shop.db", "-s", "schema", "-e", "production", "-y"], "one environment"),
        (["apply", "shop.db", "-s", "schema", "--no-lock", "--force"], "--no-lock"),
        (["apply", "shop.db", "-s", "nowhere"], "no such directory: nowhere"),
        (["plan"], "schemabot.yaml not found in"),
        (["status"], "no endpoint configured"),
    ],
)
def test_a_command_line_that_makes_no_sense_is_refused_saying_why_and_what_next(
    run: Run, words: list[str], part: str
) -> None:
    make_shop()
    write_schema()
    ended = run(*words)
    assert ended.code in (1, 2)
    assert ended.err.startswith("Error: ")
    assert part in ended.err
    assert len(ended.err.splitlines()) >= 2, "what to do next is missing"


def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(run: Run) -> None:
    Path("shop.db").write_bytes(b"this is not a database, but it is long enough to be looked at" * 20)
    before = Path("shop.db").read_bytes()
    ended = run("apply", "shop.db", "-s", write_schema(), "-y")
    assert ended.code == 1
    assert ended.err.startswith("Error: ")
    assert Path("shop.db").read_bytes() == before


def test_a_damaged_store_is_named_with_a_remedy(run: Run) -> None:
    make_shop()
    Path("shop.db-schemabot.db").write_bytes(b"not a store" * 1000)
    ended = run("status", "shop.db")
    assert ended.code == 1
    assert "shop.db-schemabot.db" in ended.err


def test_an_error_with_json_is_on_stdout_too(run: Run) -> None:
    make_shop()
    ended = run("apply", "shop.db", "-s", write_schema(WITHOUT_NOTES), "-y", "--json")
    assert ended.code == 3
    assert ended.lines()[-1]["error"]["code"] == "unsafe_changes"


def test_no_watch_is_refused_where_nobody_would_do_the_work(run: Run) -> None:
    shop = make_shop()
    ended = run("apply", "shop.db", "-s", write_schema(), "-y", "--no-watch")
    assert (ended.code, "schemabot serve" in ended.err) == (1, True)
    assert kinds_of_quantity(shop) == ["text"]


def test_a_sqlite_project_needs_neither_file_nor_endpoint(run: Run) -> None:
    shop = make_shop()
    write_schema()
    Path("schema/schemabot.yaml").write_text("database: shop\ntype: sqlite\ntarget: ../shop.db\n")
    assert run("apply", "-s", "schema", "-y").code == 0
    assert changed(shop)


# -- interrupted, and gone on with ---------------------------------------------------------------------------------


def interrupted_apply(shop: Path, number: signal.Signals) -> tuple[str, Process]:
    """An apply that was parked at its cutover when *number* came."""
    words = ["apply", str(shop), "-s", write_schema(), "-y", "--defer-cutover", "--json"]
    with process(*words, before=HEARS_HANGUP) as running:
        apply_id = parked(running)
        running.send(number)
        running.end()
        return apply_id, running


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_an_interrupted_apply_ends_with_130_and_the_next_command_goes_on(
    run: Run, number: signal.Signals
) -> None:
    shop = make_shop()
    apply_id, running = interrupted_apply(shop, number)
    assert running.process.returncode == 130
    assert any("rests at its checkpoint" in line for line in running.errors), running.told()
    assert kinds_of_quantity(shop) == ["text"]
    ended = run("cutover", "shop.db")
    assert (ended.code, "Apply completed" in ended.out) == (0, True), ended.err
    assert changed(shop)
    assert leftovers(shop) == []
    assert run("history", "shop.db", "--json").json()["applies"][0]["apply_id"] == apply_id


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_plan_that_does_not_end_is_interrupted_with_130_and_a_word(number: signal.Signals) -> None:
    make_shop()
    with process("plan", "shop.db", "-s", write_schema(), before=ENDLESS_PLAN) as running:
        running.wait_line("planning")
        running.send(number)
        assert running.end() == 130
    assert running.errors == [INTERRUPTED]


def test_commands_that_only_look_do_not_go_on_with_an_interrupted_apply(run: Run) -> None:
    shop = make_shop()
    apply_id, _ = interrupted_apply(shop, signal.SIGINT)
    before = run("logs", "shop.db", "--json").json()["logs"]
    for words in (
        ["status", "shop.db"],
        ["progress", "shop.db", "--no-watch"],
        ["plan", "shop.db", "-s", "schema"],
    ):
        assert run(*words).code == 0
    assert run("progress", apply_id, "shop.db", "--json").json()["state"] == "waiting_for_cutover"
    assert run("logs", "shop.db", "--json").json()["logs"] == before
    assert run("logs", "shop.db", "-f").code == 0, "following ends where nobody works"


def test_after_a_kill_the_same_apply_attaches_and_another_process_cuts_it_over(run: Run) -> None:
    shop = make_shop()
    apply_id, killed = interrupted_apply(shop, signal.SIGKILL)
    assert killed.process.returncode == -signal.SIGKILL
    with process("apply", "shop.db", "-s", "schema", "-y", "--json") as again:
        first = json.loads(again.wait_line("apply_id"))
        assert (first["apply_id"], first["attached"]) == (apply_id, True)
        again.wait_line('"state": "waiting_for_cutover"')
        asked = run("cutover", "shop.db")
        assert asked.code == 0, asked.err
        assert again.end() == 0, again.told()
    assert changed(shop)
    assert leftovers(shop) == []
    assert run("locks", "shop.db", "--json").json() == {"locks": []}


def test_a_watcher_takes_the_work_over_from_a_process_that_was_killed(run: Run) -> None:
    shop = make_shop()
    with process("apply", "shop.db", "-s", write_schema(), "-y", "--defer-cutover", "--json") as owner:
        apply_id = parked(owner)
        with process("progress", "shop.db", "--json", "--watch") as watcher:
            watcher.wait_line(apply_id)
            owner.send(signal.SIGKILL)
            owner.end()
            until("the cutover to be taken", lambda: run("cutover", "shop.db", "--json").code == 0)
            assert watcher.end() == 0, watcher.told()
    assert changed(shop)


def test_apply_of_something_else_while_one_is_live_is_refused_naming_it(run: Run) -> None:
    shop = make_shop()
    apply_id, _ = interrupted_apply(shop, signal.SIGINT)
    ended = run("apply", "shop.db", "-s", write_schema(WITHOUT_NOTES, "other"), "-y", "--allow-unsafe")
    assert ended.code == 1
    assert apply_id in ended.err
    assert "stop it" in ended.err


def test_stop_keeps_the_database_reserved_and_start_finishes(run: Run) -> None:
    shop = make_shop()
    interrupted_apply(shop, signal.SIGINT)
    stopped = run("stop", "shop.db")
    assert (stopped.code, "Schema change stopped" in stopped.out) == (0, True), stopped.err
    assert run("stop", "shop.db").code == 0, "nothing to stop is no error"
    assert run("progress", "shop.db").code == 5
    refused = run("apply", "shop.db", "-s", "schema", "-y")
    assert (refused.code, "schemabot start shop.db" in refused.err) == (1, True)
    with process("start", "shop.db") as started:
        started.wait_line("Schema change resumed")
        started.wait_line("waiting for cutover")
        assert run("cutover", "shop.db").code == 0
        assert started.end() == 0, started.told()
    assert changed(shop)


def test_cancel_removes_what_was_prepared_and_frees_the_database(run: Run) -> None:
    shop = make_shop()
    interrupted_apply(shop, signal.SIGINT)
    cancelled = run("cancel", "shop.db")
    assert (cancelled.code, "cancelled" in cancelled.out) == (0, True), cancelled.err
    assert leftovers(shop) == []
    assert kinds_of_quantity(shop) == ["text"]
    assert run("cancel", "shop.db").code == 0
    assert run("apply", "shop.db", "-s", "schema", "-y").code == 0


def test_rollback_brings_the_old_schema_back_with_the_rows(run: Run) -> None:
    shop = make_shop()
    assert run("apply", "shop.db", "-s", write_schema(), "-y").code == 0
    unsafe: Ended = run("rollback", "shop.db", "-y")
    assert unsafe.code == 3, "the column added since would go"
    ended = run("rollback", "shop.db", "-y", "--allow-unsafe")
    assert ended.code == 0, ended.err
    assert kinds_of_quantity(shop) == ["text"]
    assert query(shop, "SELECT count(*) FROM orders") == [(ROWS,)]
