"""The commands against a real daemon, as a team uses it."""

import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.client import Client
from cli.reservation import owner
from server.config import Token
from server.daemon import Daemon
from tests.cli.conftest import Peer
from tests.cli.rig import (
    BEFORE,
    WITHOUT_NOTES,
    Run,
    config,
    free_address,
    kinds_of_quantity,
    make_shop,
    process,
    query,
    serve,
    write_schema,
)
from tests.server.rig import HEARS_HANGUP
from tests.waiting import until


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A daemon with shop/local; SCHEMABOT_ENDPOINT names it."""
    with Daemon(config(tmp_path, "local")) as daemon:
        monkeypatch.setenv("SCHEMABOT_ENDPOINT", daemon.url)
        yield daemon.url


def test_the_databases_of_a_server_are_listed_with_their_environments(run: Run, server: str) -> None:
    told = run("databases")
    assert (told.code, told.out.split()) == (
        0,
        ["DATABASE", "TYPE", "ENVIRONMENTS", "shop", "sqlite", "local"],
    )
    assert [found["name"] for found in run("databases", "--json").json()["databases"]] == ["shop"]


def begin(run: Run, *words: str) -> str:
    """Begin an apply without watching; its id."""
    ended = run("apply", "-d", "shop", "-s", write_schema(), "-y", "--no-watch", "--json", *words)
    assert ended.code == 0, ended.err
    apply_id: str = ended.json()["apply_id"]
    return apply_id


def begin_parked(run: Run, *words: str) -> str:
    """Begin an apply that waits for its cutover; its id."""
    apply_id = begin(run, "--defer-cutover", *words)
    until("the cutover to be due", lambda: state(run, apply_id) == "waiting_for_cutover")
    return apply_id


def state(run: Run, apply_id: str) -> str:
    found: str = run("progress", apply_id, "--json").json()["state"]
    return found


def test_apply_watches_to_the_end_and_gives_the_lock_back(run: Run, server: str, tmp_path: Path) -> None:
    ended = run("apply", "-d", "shop", "-s", write_schema(), "-y")
    assert ended.code == 0, ended.err
    assert "Lock acquired: shop" in ended.out
    assert "orders: completed" in ended.out
    assert "Lock released: shop" in ended.out
    assert kinds_of_quantity(tmp_path / "local.db") == ["integer"]
    assert run("locks").out == "No locks.\n"


def test_no_watch_returns_at_once_keeps_the_lock_and_says_how_to_look(run: Run, server: str) -> None:
    ended = run("apply", "-d", "shop", "-s", write_schema(), "-y", "--no-watch", "--defer-cutover")
    assert ended.code == 0
    assert "schemabot progress apply-" in ended.out
    assert run("locks", "--json").json()["locks"][0]["owner"] == owner()
    assert "The lock on shop stays yours, also when the apply has ended" in ended.out
    assert "schemabot unlock -d shop" in ended.out


def test_the_end_of_an_apply_leaves_the_lock_to_one_of_ours_in_another_environment(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Daemon(config(tmp_path, "production", "staging")) as daemon:
        monkeypatch.setenv("SCHEMABOT_ENDPOINT", daemon.url)
        parked = begin_parked(run, "-e", "production")
        staged = run("apply", "-d", "shop", "-s", "schema", "-y", "-e", "staging")
        assert staged.code == 0, staged.err
        assert f"The lock on shop stays yours: {parked} (production) is waiting for cutover" in staged.out
        staging = run("status", "shop", "-e", "staging", "--json").json()["applies"][0]["apply_id"]
        assert run("progress", staging).code == 0
        assert [lock["owner"] for lock in run("locks", "--json").json()["locks"]] == [owner()]
        assert run("cutover", parked, "--watch").code == 0
        assert run("locks", "--json").json() == {"locks": []}


def test_a_schemabot_yaml_of_another_type_than_the_server_knows_is_refused(run: Run, server: str) -> None:
    file = Path(write_schema(), "schemabot.yaml")
    file.write_text("database: shop\ntype: mysql\n")
    refused = run("apply", "-s", "schema", "-y")
    assert refused.code == 2
    assert "type is mysql, but the server has shop as sqlite" in refused.err
    assert run("locks", "--json").json() == {"locks": []}
    file.write_text("database: shop\n")
    assert run("apply", "-s", "schema", "-y").code == 0
    assert run("locks", "--json").json() == {"locks": []}


@pytest.mark.parametrize("command", ["status", "history"])
def test_a_misspelt_database_or_environment_is_refused_where_nothing_is_listed(
    run: Run, server: str, command: str
) -> None:
    assert "No schema changes on shop yet" in run(command, "shop", "-e", "local").out
    unknown = run(command, "shopp")
    assert (unknown.code, 'no environments found for database "shopp"' in unknown.err) == (1, True)
    elsewhere = run(command, "shop", "-e", "lokal")
    assert (elsewhere.code, "choose by -e one that it has: local" in elsewhere.err) == (1, True)


def test_yield_releases_the_lock_though_the_apply_goes_on(run: Run, server: str) -> None:
    begin(run, "--defer-cutover", "--yield")
    assert run("locks", "--json").json() == {"locks": []}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_yield_releases_the_lock_of_a_watcher_that_is_told_to_end(
    run: Run, server: str, number: signal.Signals
) -> None:
    words = ["apply", "-d", "shop", "-s", write_schema(), "-y", "--yield", "--defer-cutover"]
    with process(*words, before=HEARS_HANGUP) as watcher:
        watcher.wait_line("waiting for cutover")
        watcher.send(number)
        assert watcher.end() == 130, watcher.told()
        assert any("Detached." in line for line in watcher.errors), watcher.told()
    assert run("locks", "--json").json() == {"locks": []}


def test_yield_releases_the_lock_when_nobody_reads_the_words_any_more(
    run: Run, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_arguments: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("cli.submission.follow", gone)
    words = ["apply", "-d", "shop", "-s", write_schema(), "-y", "--defer-cutover"]
    assert run(*words, "--yield").code == 1
    assert run("locks", "--json").json() == {"locks": []}


def test_whoever_watches_the_end_of_their_own_apply_gives_its_lock_back(run: Run, server: str) -> None:
    apply_id = begin(run)
    assert run("progress", apply_id).code == 0
    assert run("locks", "--json").json() == {"locks": []}


def test_a_database_somebody_else_holds_is_refused_naming_them_unless_forced(run: Run, server: str) -> None:
    lock = {"database": "shop", "database_type": "sqlite", "owner": "cli:eve@elsewhere"}
    Client(server).post("/api/locks/acquire", lock)
    refused = run("apply", "-d", "shop", "-s", write_schema(), "-y")
    assert refused.code == 1
    assert "database is locked" in refused.err
    assert "cli:eve@elsewhere" in refused.err
    assert "--force" in refused.err
    assert run("history", "shop", "--json").json()["applies"] == []
    assert "cli:eve@elsewhere" in run("locks").out
    unlock = run("unlock", "-d", "shop")
    assert (unlock.code, "cli:eve@elsewhere" in unlock.err) == (1, True)
    forced = run("apply", "-d", "shop", "-s", "schema", "-y", "--force")
    assert forced.code == 0, forced.err
    assert run("locks", "--json").json() == {"locks": []}


def test_no_lock_neither_asks_nor_takes(run: Run, server: str) -> None:
    lock = {"database": "shop", "database_type": "sqlite", "owner": "cli:eve@elsewhere"}
    Client(server).post("/api/locks/acquire", lock)
    assert run("apply", "-d", "shop", "-s", write_schema(), "-y", "--no-lock").code == 0
    assert run("unlock", "-d", "shop", "--force", "--json").json()["released"] is True
    assert "No lock found" in run("unlock", "-d", "shop").out


def test_a_refused_plan_leaves_no_lock(run: Run, server: str, tmp_path: Path) -> None:
    begin_parked(run)
    run("unlock", "-d", "shop")
    ended = run("apply", "-d", "shop", "-s", write_schema(WITHOUT_NOTES, "other"), "-y", "--allow-unsafe")
    assert ended.code == 1
    assert run("locks", "--json").json() == {"locks": []}


def test_apply_of_the_same_files_attaches_to_the_live_apply(run: Run, server: str) -> None:
    apply_id = begin_parked(run)
    again = run("apply", "-d", "shop", "-s", "schema", "-y", "--no-watch", "--json")
    assert (again.code, again.json()["apply_id"], again.json()["attached"]) == (0, apply_id, True)


def test_two_applies_at_the_same_moment_are_one_apply_with_one_lock(
    run: Run, server: str, tmp_path: Path
) -> None:
    words = ["apply", "-d", "shop", "-s", write_schema(), "-y", "--defer-cutover", "--json"]
    with process(*words) as one, process(*words) as two:
        apply_ids = {json.loads(running.wait_line("apply_id"))["apply_id"] for running in (one, two)}
        assert len(apply_ids) == 1
        for running in (one, two):
            running.wait_line('"state": "waiting_for_cutover"')
        assert len(run("locks", "--json").json()["locks"]) == 1
        assert run("cutover", "shop").code == 0
        assert [one.end(), two.end()] == [0, 0], one.told() + two.told()
    assert run("locks", "--json").json() == {"locks": []}
    assert kinds_of_quantity(tmp_path / "local.db") == ["integer"]


def test_stop_start_cutover_end_to_end(run: Run, server: str, tmp_path: Path) -> None:
    apply_id = begin_parked(run)
    stopped = run("stop", apply_id, "--json").json()
    assert (stopped["accepted"], stopped["stopped_count"]) == (True, 2)
    assert state(run, apply_id) == "stopped"
    early = run("cutover", apply_id)
    assert (early.code, early.err.startswith("Error: cutover refused: ")) == (1, True)
    assert run("start", apply_id).code == 0
    until("the cutover to be due again", lambda: state(run, apply_id) == "waiting_for_cutover")
    ended = run("cutover", "shop", "-w")
    assert ended.code == 0, ended.err
    assert kinds_of_quantity(tmp_path / "local.db") == ["integer"]
    for verb in ("stop", "start", "cancel", "cutover"):
        assert run(verb, apply_id).code == 0, f"{verb} of a completed apply has nothing to do"


def test_cancel_ends_the_apply_and_the_lock(run: Run, server: str, tmp_path: Path) -> None:
    apply_id = begin_parked(run)
    assert run("cancel", apply_id, "-w").code == 0
    assert state(run, apply_id) == "cancelled"
    assert run("progress", apply_id).code == 5
    assert run("locks", "--json").json() == {"locks": []}
    assert kinds_of_quantity(tmp_path / "local.db") == ["text"]


def test_an_apply_that_fails_ends_with_1_and_its_reason(run: Run, server: str, tmp_path: Path) -> None:
    apply_id = begin_parked(run)
    query(tmp_path / "local.db", "ALTER TABLE notes ADD COLUMN surprise TEXT")
    ended = run("cutover", apply_id, "-w")
    assert ended.code == 1
    assert ended.err.startswith(f"Error: {apply_id} failed: ")
    assert "notes" in ended.err
    assert f"schemabot logs {apply_id}" in ended.err


def test_status_history_and_logs_tell_the_same_story(run: Run, server: str) -> None:
    apply_id = begin(run)
    assert run("progress", "shop").code == 0
    assert apply_id in run("status").out
    assert "completed" in run("history", "shop").out
    assert apply_id in run("status", apply_id).out
    assert run("status", "--json").json()["applies"][0]["apply_id"] == apply_id
    events = run("logs", "shop", "--json").json()["logs"]
    assert events
    assert len(run("logs", apply_id, "-n", "2").out.splitlines()) == 2
    followed = run("logs", apply_id, "-f", "--json").lines()
    assert [event["id"] for event in followed] == [event["id"] for event in events]


def test_an_unknown_apply_or_database_is_refused_with_a_way_on(run: Run, server: str) -> None:
    for words, part in [
        (["progress", "apply-ffff"], "schemabot status"),
        (["progress", "shop"], "schemabot apply"),
        (["status", "apply-zzz"], "apply not found: apply-zzz"),
        (["progress", "apply-zzz"], "schemabot status"),
        (
            ["plan", "-d", "shop", "-e", "moon", "-s", write_schema()],
            "shop has no environment moon; choose by -e",
        ),
        (["progress", "shop", "-e", "moon"], "shop has no environment moon; choose by -e"),
        (["plan", "-d", "nope", "-s", write_schema()], 'no environments found for database "nope"'),
        (["history"], "-d NAME"),
    ]:
        ended = run(*words)
        assert ended.code in (1, 2), words
        assert part in ended.err, words


def test_a_file_that_is_refused_is_to_be_corrected(run: Run, server: str) -> None:
    ended = run("plan", "-d", "shop", "-s", write_schema("CREATE TABLE t (a INT"))
    assert ended.code == 1
    assert ".sql:1:" in ended.err
    assert "correct the files, then plan again" in ended.err
    assert "the server's log" not in ended.err


def test_pull_writes_files_that_plan_as_no_change(run: Run, server: str) -> None:
    assert run("pull", "shop", "-o", "live").code == 0
    assert "No changes" in run("plan", "-d", "shop", "-s", "live").out


def test_a_schema_directory_without_a_project_needs_a_name(run: Run, server: str) -> None:
    ended = run("plan", "-s", write_schema())
    assert (ended.code, "schemabot.yaml not found in" in ended.err) == (2, True)
    Path("schema/schemabot.yaml").write_text("database: shop\ntype: sqlite\n")
    assert run("plan", "-s", "schema").code == 0


def test_several_environments_are_all_planned_and_one_is_chosen_to_apply(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Daemon(config(tmp_path, "staging", "production")) as daemon:
        monkeypatch.setenv("SCHEMABOT_ENDPOINT", daemon.url)
        planned = run("plan", "-d", "shop", "-s", write_schema())
        assert "production, staging" in planned.out
        assert planned.out.count("Schema Change Plan") == 1, "the same plan is shown once"
        assert set(run("plan", "-d", "shop", "-s", "schema", "--json").json()) == {"production", "staging"}
        unsaid = run("apply", "-d", "shop", "-s", "schema", "-y")
        assert (unsaid.code, "production, staging" in unsaid.err) == (2, True)
        assert run("apply", "-d", "shop", "-s", "schema", "-e", "staging", "-y").code == 0
    assert kinds_of_quantity(tmp_path / "staging.db") == ["integer"]
    assert kinds_of_quantity(tmp_path / "production.db") == ["text"]


def test_a_server_with_tokens_wants_one(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    token = Token(name="ci", secret="a-long-secret-token")
    with Daemon(config(tmp_path, "local", tokens=(token,))) as daemon:
        refused = run("status", "--endpoint", daemon.url)
        assert (refused.code, "SCHEMABOT_TOKEN" in refused.err) == (1, True)
        monkeypatch.setenv("SCHEMABOT_TOKEN", "a-long-secret-token")
        assert run("status", "--endpoint", daemon.url).code == 0
        assert run("--endpoint", daemon.url, "status").code == 0, "before the command as well as behind it"


def test_no_server_ends_with_4(run: Run) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
        ended = run("status", "--endpoint", url)
    assert ended.code == 4
    assert ended.err.startswith(f"Error: cannot connect to {url} (is the server running?)\nstart it: ")


# -- a server that comes and goes ----------------------------------------------------------------------------------


def test_a_watcher_survives_the_servers_death_and_detaches_on_interrupt(run: Run, tmp_path: Path) -> None:
    shop, store = make_shop(tmp_path / "shop.db"), tmp_path / "store.db"
    listen = free_address()
    words = ["-d", "shop", "-s", write_schema(), "-y", "--defer-cutover", "--endpoint", f"http://{listen}"]
    with (
        serve(listen, store, shop) as first,
        process("apply", *words) as watcher,
        process("apply", *words) as other,
    ):
        watcher.wait_line("waiting for cutover")
        other.wait_line("waiting for cutover")
        first.send(signal.SIGKILL)
        first.end()
        watcher.wait_line("trying again in")
        with serve(listen, store, shop) as second:
            other.send(signal.SIGINT)
            assert other.end() == 130
            assert any("Detached." in line for line in other.errors), other.told()
            asked = run("cutover", "shop", "--endpoint", f"http://{listen}")
            assert asked.code == 0, asked.err
            assert watcher.end() == 0, watcher.told()
            second.send(signal.SIGTERM)
            assert second.end() == 0
    assert kinds_of_quantity(shop) == ["integer"]


def test_serve_says_what_it_serves_and_refuses_what_it_cannot(run: Run, tmp_path: Path) -> None:
    shop = make_shop(tmp_path / "shop.db")
    for words, part in [
        (["-d", "shop"], "NAME=SQLITE_FILE"),
        (["-d", f"shop={tmp_path}/nope.db"], "no such file"),
        (["--listen", "nonsense"], "HOST:PORT"),
        (["--listen", "0.0.0.0:0", "-d", f"shop={shop}"], "tokens"),
        (["-c", "nowhere.toml"], "nowhere.toml"),
    ]:
        ended = run("serve", *words)
        assert ended.code in (1, 2), words
        assert part in ended.err, words


# -- a server that misbehaves --------------------------------------------------------------------------------------


def canned(peer: Peer, **apply: object) -> None:
    """A server that plans one change and answers POST /api/apply as told."""
    change = {"table_name": "t", "ddl": "ALTER TABLE t ADD c;", "change_type": "alter"}
    peer.answer(
        "/api/databases", {"databases": [{"name": "shop", "type": "sqlite", "environments": ["local"]}]}
    )
    peer.answer("/api/databases/shop/environments", {"database": "shop", "environments": ["local"]})
    groups = [{"namespace": "main", "table_changes": [change]}]
    peer.answer("/api/plan", {"plan_id": "plan-1", "changes": groups, "lint_violations": [], "errors": []})
    peer.answer("/api/progress/shop", {"state": ""})


APPLY = ["apply", "-d", "shop", "-y", "--no-lock", "--no-watch"]


def test_an_apply_is_asked_for_again_with_the_same_key_when_the_answer_got_lost(run: Run, peer: Peer) -> None:
    canned(peer)
    peer.answer("/api/apply", {"error": "store is away", "error_code": "storage_error"}, 500)
    peer.answer("/api/apply", {"accepted": True, "apply_id": "apply-1"})
    ended = run(*APPLY, "-s", write_schema(), "--endpoint", peer.url)
    assert ended.code == 0, ended.err
    first, second = peer.bodies("/api/apply")
    assert first == second
    assert len(first["idempotency_key"]) >= 16
    assert first["options"] == {"allow_unsafe": "false"}
    run(*APPLY, "-s", "schema", "--allow-unsafe", "--defer-cutover", "--endpoint", peer.url)
    third = peer.bodies("/api/apply")[-1]
    assert third["options"] == {"allow_unsafe": "true", "defer_cutover": "true"}
    assert third["idempotency_key"] != first["idempotency_key"], "another command is another apply"


def test_an_apply_the_server_does_not_accept_ends_with_1_and_its_reason(run: Run, peer: Peer) -> None:
    canned(peer)
    peer.answer("/api/apply", {"accepted": False, "error_message": "the moon is wrong"})
    ended = run(*APPLY, "-s", write_schema(), "--endpoint", peer.url)
    assert (ended.code, "apply not accepted: the moon is wrong" in ended.err) == (1, True)


def test_what_a_plan_says_cannot_be_done_is_not_sent(run: Run, peer: Peer) -> None:
    canned(peer)
    peer.answers["/api/plan"] = []
    peer.answer(
        "/api/plan", {"plan_id": "plan-1", "changes": [], "lint_violations": [], "errors": ["no way"]}
    )
    words = ["-d", "shop", "-s", write_schema(), "--endpoint", peer.url]
    ended = run("apply", *words, "-y", "--allow-unsafe")
    assert (ended.code, "no way" in ended.err) == (1, True)
    assert peer.bodies("/api/apply") == []
    assert run("plan", *words).code == 1


def test_a_watch_ends_on_an_error_that_will_not_pass(run: Run, peer: Peer) -> None:
    peer.answer("/api/progress/apply/apply-1", {"state": "running", "apply_id": "apply-1"})
    peer.answer("/api/progress/apply/apply-1", {"state": "running", "apply_id": "apply-1"})
    peer.answer("/api/progress/apply/apply-1", {"error": "busy", "error_code": "storage_error"}, 500)
    peer.answer("/api/progress/apply/apply-1", {"error": "gone", "error_code": "not_found"}, 404)
    ended = run("progress", "apply-1", "--endpoint", peer.url, "--json", "--watch")
    assert ended.code == 1
    assert json.loads(ended.out.splitlines()[-1])["error"]["message"] == "gone"
    assert any("reconnecting" in line for line in ended.lines())


@pytest.mark.parametrize("name", ["../evil.sql", "/etc/evil.sql", "a/b.sql", "..", "", "a\\b.sql"])
def test_pull_writes_nothing_when_a_name_could_lead_out_of_the_folder(
    run: Run, peer: Peer, name: str
) -> None:
    peer.answer("/api/databases/shop/environments", {"environments": ["local"]})
    peer.answer("/api/pull/shop", {"files": {"main": {"ok.sql": "x", name: "x"}}})
    ended = run("pull", "shop", "-o", "live/deep", "--endpoint", peer.url)
    assert ended.code == 1
    assert not Path("live").exists()
    assert not Path("evil.sql").exists()


def test_pull_writes_nothing_when_one_of_the_files_cannot_be_written(run: Run, peer: Peer) -> None:
    peer.answer("/api/databases/shop/environments", {"environments": ["local"]})
    peer.answer("/api/pull/shop", {"files": {"main": {"a.sql": "A", f"{'b' * 300}.sql": "B"}}})
    ended = run("pull", "shop", "-o", "live", "--endpoint", peer.url)
    assert (ended.code, "cannot be written: File name too long" in ended.err) == (1, True)
    assert not Path("live").exists()


def test_pull_leaves_other_files_alone_unless_forced_and_says_what_it_did(run: Run, peer: Peer) -> None:
    peer.answer("/api/databases/shop/environments", {"environments": ["local"]})
    peer.answer("/api/pull/shop", {"files": {"main": {"a.sql": "A\n", "b.sql": "B\n"}}})
    words = ["pull", "shop", "-o", "live", "--endpoint", peer.url]
    assert run(*words, "--json").json()["written"] == ["live/a.sql", "live/b.sql"]
    Path("live/a.sql").write_text("mine")
    Path("live/stranger.sql").write_text(BEFORE)
    refused = run(*words)
    assert (refused.code, "live/a.sql" in refused.err, "live/b.sql" in refused.err) == (1, True, False)
    assert Path("live/a.sql").read_text() == "mine"
    forced = run(*words, "--force")
    assert forced.code == 0
    assert "replaced  live/a.sql" in forced.out
    assert "unchanged live/b.sql" in forced.out
    assert "live/stranger.sql is not part of the live schema" in forced.out
    assert Path("live/a.sql").read_text() == "A\n"


def test_pull_of_several_namespaces_makes_a_folder_for_each(run: Run, peer: Peer) -> None:
    peer.answer("/api/databases/shop/environments", {"environments": ["local"]})
    peer.answer("/api/pull/shop", {"files": {"one": {"a.sql": "A"}, "two": {"a.sql": "B"}}})
    assert run("pull", "shop", "-o", "live", "--endpoint", peer.url).code == 0
    assert Path("live/two/a.sql").read_text() == "B"
