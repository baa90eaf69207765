"""What the original's command line has and ours has too: its commands, options and words, against servers of both kinds."""

import os
import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.cli.conftest import Peer
from tests.cli.rig import Run, make_shop, write_schema

ID = "apply-0123456789abcdef"


def apply_in(peer: Peer, state: str, **more: Any) -> str:
    """The peer knows one apply, in that state; its id."""
    body = {"state": state, "apply_id": ID, "database": "shop", "environment": "production", "tables": []}
    peer.answer(f"/api/progress/apply/{ID}", body | more)
    return ID


@pytest.fixture
def there(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> Peer:
    """The peer, as the server of every command."""
    monkeypatch.setenv("SCHEMABOT_ENDPOINT", peer.url)
    return peer


# -- volume, revert, skip-revert ----------------------------------------------------------------------------------


def test_volume_sends_the_level_and_says_what_it_was(run: Run, there: Peer) -> None:
    apply_in(there, "running")
    there.answer("/api/volume", {"accepted": True, "previous_volume": 3, "new_volume": 8})
    ended = run("volume", ID, "-v", "8")
    assert (ended.code, "3 → 8" in ended.out) == (0, True), ended.err
    [body] = there.bodies("/api/volume")
    assert (body["volume"], body["apply_id"], body["database"]) == (8, ID, "shop")


@pytest.mark.parametrize("level", ["0", "12", "loud"])
def test_a_volume_out_of_range_is_not_sent(run: Run, there: Peer, level: str) -> None:
    assert run("volume", ID, "-v", level).code == 2
    assert there.seen == []


@pytest.mark.parametrize(("state", "code"), [("completed", 0), ("failed", 1), ("cancelled", 1)])
def test_there_is_nothing_to_pace_at_the_end(run: Run, there: Peer, state: str, code: int) -> None:
    apply_in(there, state)
    ended = run("volume", ID, "-v", "8")
    assert ended.code == code
    assert there.bodies("/api/volume") == []


def test_an_engine_that_has_no_volume_is_an_error_with_its_reason(run: Run, there: Peer) -> None:
    apply_in(there, "running")
    reason = "volume failed: volume not supported for SQLite engine"
    there.answer("/api/volume", {"error": reason, "error_code": ""}, 500)
    ended = run("volume", ID, "-v", "8")
    assert (ended.code, reason in ended.err) == (1, True)


@pytest.mark.parametrize(
    ("verb", "says"), [("revert", "Revert requested"), ("skip-revert", "The change stays")]
)
def test_inside_its_window_a_change_can_be_reverted_or_kept(
    run: Run, there: Peer, verb: str, says: str
) -> None:
    apply_in(there, "revert_window")
    there.answer(f"/api/{verb}", {"accepted": True})
    ended = run(verb, ID)
    assert (ended.code, says in ended.out) == (0, True), ended.err


@pytest.mark.parametrize("verb", ["revert", "skip-revert"])
def test_outside_its_window_the_command_names_the_rollback(run: Run, there: Peer, verb: str) -> None:
    apply_in(there, "completed")
    ended = run(verb, ID)
    assert ended.code == 1
    assert f"schemabot rollback {ID}" in ended.err
    assert there.bodies(f"/api/{verb}") == []


def test_start_deploys_what_waits_for_its_deploy(run: Run, there: Peer) -> None:
    apply_in(there, "waiting_for_deploy")
    there.answer("/api/start", {"accepted": True, "started_count": 1})
    assert run("start", ID).code == 0
    assert len(there.bodies("/api/start")) == 1


# -- settings, configure ------------------------------------------------------------------------------------------


def test_settings_are_listed_read_and_set(run: Run, there: Peer) -> None:
    there.answer("/api/settings", {"settings": [{"key": "require_review", "value": "true"}]})
    there.answer("/api/settings/require_review", {"key": "require_review", "value": "true"})
    assert "approving review" in run("settings").out
    assert run("settings", "require_review").out == "require_review = true\n"
    assert run("settings", "spirit_debug_logs").out == "spirit_debug_logs (not set)\n"
    assert run("settings", "require_review:acme/shop", "false").code == 0
    assert there.bodies("/api/settings")[-1] == {"key": "require_review:acme/shop", "value": "false"}
    assert run("settings", "spirit_debug_logs", "--json").json() == {
        "key": "spirit_debug_logs",
        "value": None,
    }


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["require_reveiw", "true"], "did you mean require_review?"),
        (["require_review", "maybe"], "true or false"),
    ],
)
def test_a_setting_nobody_knows_is_not_kept(run: Run, there: Peer, words: list[str], part: str) -> None:
    ended = run("settings", *words)
    assert ended.code in (1, 2)
    assert part in ended.err
    assert there.seen == []


def test_configure_writes_a_profile_that_the_next_command_uses(run: Run, peer: Peer, own_home: Path) -> None:
    ended = run("configure", "--endpoint", peer.url + "/")
    assert (ended.code, "does not answer now" in ended.out) == (0, True), ended.err
    file = own_home / ".schemabot/config.yaml"
    assert yaml.safe_load(file.read_text()) == {
        "default_profile": "default",
        "profiles": {"default": {"endpoint": peer.url}},
    }
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    peer.answer("/api/locks", {"locks": []})
    assert run("locks").out == "No locks.\n"


def test_configure_leaves_other_profiles_as_they_are(run: Run, own_home: Path) -> None:
    for name in ("one", "two"):
        assert run("configure", "--profile", name, "--endpoint", f"http://{name}.invalid").code == 0
    found = yaml.safe_load((own_home / ".schemabot/config.yaml").read_text())
    assert (found["default_profile"], sorted(found["profiles"])) == ("one", ["one", "two"])
    assert run(
        "configure", "--profile", "two", "--endpoint", "http://two.invalid", "--default", "--json"
    ).json()
    assert yaml.safe_load((own_home / ".schemabot/config.yaml").read_text())["default_profile"] == "two"


def test_configure_without_a_person_or_an_address_writes_nothing(run: Run, own_home: Path) -> None:
    assert run("configure").code == 1
    assert run("configure", "--endpoint", "not an address").code == 2
    assert not os.path.lexists(own_home / ".schemabot")


# -- apply's options for Vitess -----------------------------------------------------------------------------------


def planned(peer: Peer, engine: str, kind: str) -> None:
    change = {"table_name": "t", "ddl": "ALTER TABLE t ADD c INT;", "change_type": "alter"}
    peer.answer("/api/databases", {"databases": [{"name": "shop", "type": kind}]})
    peer.answer("/api/plan", {"plan_id": "plan-1", "engine": engine, "errors": [], "lint_violations": [],
                              "changes": [{"namespace": "shop", "table_changes": [change]}]})  # fmt: skip
    peer.answer("/api/progress/shop", {"state": "", "engine": ""})
    peer.answer("/api/apply", {"accepted": True, "apply_id": ID})


def test_what_only_vitess_has_is_sent_to_vitess(run: Run, there: Peer) -> None:
    planned(there, "PlanetScale", "vitess")
    words = ["--defer-deploy", "--skip-revert", "--branch", "mine", "--no-lock", "--no-watch"]
    ended = run("apply", "-d", "shop", "-e", "production", "-s", write_schema(), "-y", *words)
    assert ended.code == 0, ended.err
    assert "Vitess Schema Change Apply" in ended.out
    [body] = there.bodies("/api/apply")
    assert body["options"] == {
        "allow_unsafe": "false",
        "defer_deploy": "true",
        "skip_revert": "true",
        "branch": "mine",
    }


@pytest.mark.parametrize(
    ("engine", "word"),
    [("Spirit", "--skip-revert"), ("Spirit", "--defer-deploy"), ("PlanetScale", "--branch=main")],
)
def test_what_the_engine_has_not_is_refused_before_anything_is_sent(
    run: Run, there: Peer, engine: str, word: str
) -> None:
    planned(there, engine, "mysql")
    ended = run("apply", "-d", "shop", "-e", "production", "-s", write_schema(), "-y", word)
    assert (ended.code, word.partition("=")[0] in ended.err) == (1, True)
    assert there.bodies("/api/apply") == []


# -- an apply at work already -------------------------------------------------------------------------------------


def test_defer_cutover_does_not_attach_to_an_apply_that_will_not_wait(run: Run, there: Peer) -> None:
    planned(there, "Spirit", "mysql")
    table = {"table_name": "t", "ddl": "ALTER TABLE t ADD c INT;", "status": "running"}
    running = {"state": "running", "apply_id": ID, "database": "shop", "options": {}, "tables": [table]}
    words = ["apply", "-d", "shop", "-e", "production", "-s", write_schema(), "-y", "--no-lock", "--no-watch"]
    there.answers["/api/progress/shop"].clear()
    there.answer("/api/progress/shop", running)
    ended = run(*words, "--defer-cutover")
    assert (ended.code, "will not wait for a cutover" in ended.err) == (1, True), ended.err
    assert f"stop it:        schemabot stop {ID}" in ended.err
    assert run(*words).code == 0, "without the option it attaches"
    there.answers["/api/progress/shop"].clear()
    there.answer("/api/progress/shop", running | {"options": {"defer_cutover": "true"}})
    assert run(*words, "--defer-cutover").code == 0, "one that waits is what was asked for"
    assert there.bodies("/api/apply") == []


# -- words --------------------------------------------------------------------------------------------------------


def test_the_words_that_the_originals_tests_look_for(run: Run, there: Peer) -> None:
    planned(there, "Spirit", "mysql")
    words = ["-d", "shop", "-e", "production", "-s", write_schema()]
    assert "Schema Change Plan" in run("plan", *words).out
    applied = run("apply", *words, "-y", "--no-lock", "--no-watch").out
    assert "MySQL Schema Change Apply" in applied
    assert f"Apply started: {ID}" in applied


def test_a_plan_without_changes_says_so_in_the_originals_words(run: Run) -> None:
    make_shop()
    assert run("pull", "shop.db", "-o", "live").code == 0
    assert "No schema changes detected" in run("plan", "shop.db", "-s", "live").out
    assert "No changes. Your schema is up-to-date." in run("apply", "shop.db", "-s", "live").out


def test_a_rollback_says_that_it_started(run: Run) -> None:
    make_shop()
    assert run("apply", "shop.db", "-s", write_schema(), "-y").code == 0
    back = run("rollback", "shop.db", "-y", "--allow-unsafe")
    assert (back.code, "Rollback started: apply-" in back.out) == (0, True), back.err


def test_the_original_servers_packed_progress_is_unpacked_and_its_throttle_shown(
    run: Run, there: Peer
) -> None:
    table = {"table_name": "orders", "ddl": "", "status": "running", "rows_copied": 0, "rows_total": 0,
             "percent_complete": 0, "progress_detail": "450/1000 45.0% copyRows throttled by replica lag"}  # fmt: skip
    apply_in(there, "running", tables=[table])
    shown = run("progress", ID, "--no-watch").out
    assert "45%" in shown
    assert "450 of 1,000 · copyRows throttled by replica lag" in shown


def test_errors_of_o_json_are_json_too(run: Run, there: Peer) -> None:
    apply_in(there, "failed", error_message="no")
    ended = run("progress", ID, "-o", "json", "-w")
    assert (ended.code, ended.lines()[-1]["error"]["code"]) == (1, "failed")
    ended = run("start", ID, "-o", "json")
    assert "error" in ended.lines()[-1]


# -- the original's server ----------------------------------------------------------------------------------------


def test_a_whole_apply_needs_no_route_that_the_original_has_not(run: Run, there: Peer) -> None:
    """No /api/databases (asked for, and not missed), no events, no attempts: a schemabot.yaml says the type."""
    change = {
        "table_name": "t",
        "ddl": "ALTER TABLE t ADD c INT;",
        "change_type": "alter",
        "namespace": "schema",
    }
    environments = {"database": "shop", "environments": ["production"]}
    there.answer("/api/databases/shop/environments", environments)
    there.answer("/api/plan", {"plan_id": "plan-1", "engine": "Spirit", "errors": [], "lint_violations": [],
                               "changes": [{"namespace": "schema", "table_changes": [change]}]})  # fmt: skip
    there.answer("/api/progress/shop", {"state": "completed", "engine": "spirit"})
    there.answer(
        "/api/locks/acquire", {"lock": {"database": "shop", "database_type": "mysql", "owner": "me"}}
    )
    there.answer("/api/locks", {"status": "released"})
    there.answer("/api/history/shop", {"database": "shop", "applies": []})
    there.answer("/api/apply", {"accepted": True, "apply_id": ID})
    table = {"table_name": "t", "ddl": "", "rows_copied": 0, "rows_total": 0, "percent_complete": 0}
    for state, status in (("pending", "pending"), ("running", "running"), ("completed", "completed")):
        apply_in(there, state, tables=[table | {"status": status}], engine="Spirit")
    Path(write_schema(), "schemabot.yaml").write_text("database: shop\ntype: mysql\n")
    ended = run("apply", "-s", "schema", "-y")
    assert ended.code == 0, ended.err
    assert "Apply completed" in ended.out
    asked = {path.partition("?")[0] for _, path, _, _ in there.seen}
    assert asked == {
        "/api/databases",
        "/api/databases/shop/environments",
        "/api/plan",
        "/api/progress/shop",
        "/api/locks/shop/mysql",
        "/api/history/shop",
        "/api/locks/acquire",
        "/api/apply",
        f"/api/progress/apply/{ID}",
        "/api/locks",
    }


def test_a_server_that_does_not_list_its_databases_needs_their_type_said(run: Run, there: Peer) -> None:
    ended = run("plan", "-d", "shop", "-e", "production", "-s", write_schema())
    assert (ended.code, "say its type in a schemabot.yaml" in ended.err) == (1, True)
