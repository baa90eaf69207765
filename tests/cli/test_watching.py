"""A watch goes on by itself when the daemon dies in the middle, at a terminal and in a pipe, and shows all there was."""

import signal
from pathlib import Path

import pytest

from tests.cli.conftest import Peer
from tests.cli.rig import Run, free_address, kinds_of_quantity, make_shop, process, serve, write_schema
from tests.cli.terminal import terminal

ROWS = 900_000


@pytest.fixture
def address() -> str:
    return free_address()


def words(address: str) -> list[str]:
    return ["-d", "shop", "-s", write_schema(), "-y", "--endpoint", f"http://{address}"]


def test_a_person_watches_a_copy_through_the_death_of_the_daemon(address: str, tmp_path: Path) -> None:
    shop, store = make_shop(tmp_path / "shop.db", ROWS), tmp_path / "store.db"
    with serve(address, store, shop) as first, terminal(100, "apply", *words(address)) as seen:
        seen.wait_for(" rows/s")
        first.send(signal.SIGKILL)
        first.end()
        seen.wait_for("trying again in")
        assert kinds_of_quantity(shop) == ["text"], "it died in the middle"
        with serve(address, store, shop):
            assert seen.end() == 0, seen.text
    assert "✓ completed" in seen.text
    assert kinds_of_quantity(shop) == ["integer"]


def test_json_lines_and_a_followed_log_go_on_through_the_death_of_the_daemon(
    address: str, tmp_path: Path
) -> None:
    shop, store = make_shop(tmp_path / "shop.db", ROWS), tmp_path / "store.db"
    with (
        serve(address, store, shop) as first,
        process("apply", *words(address), "-o", "json") as watcher,
    ):
        watcher.wait_line('"status": "running"')
        with process("logs", "shop", "-f", "--endpoint", f"http://{address}") as follower:
            follower.wait_line("  ")
            first.send(signal.SIGKILL)
            first.end()
            watcher.wait_line('{"reconnecting": ')
            follower.wait_line("trying again in")
            with serve(address, store, shop):
                assert watcher.end() == 0, watcher.told()
                assert follower.end() == 0, follower.told()
    assert '"state": "completed"' in watcher.lines[-1]
    assert "completed" in follower.lines[-1]


def test_a_followed_log_shows_every_line_however_many_came_since_the_last_look(
    run: Run, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCHEMABOT_ENDPOINT", peer.url)
    monkeypatch.setattr("cli.commands.look.FOLLOW_SECONDS", 0)
    apply_id = "apply-0123456789abcdef"
    shop: dict[str, object] = {"apply_id": apply_id, "database": "shop", "environment": "local", "tables": []}
    for state in ("running", "running", "completed"):
        peer.answer(f"/api/progress/apply/{apply_id}", shop | {"state": state})
    log = [{"id": number, "level": "info", "message": "m"} for number in range(1, 3001)]
    for newest in (log[:10], log[10:210], log[:210], log[2800:], log[1000:], log):
        peer.answer("/api/logs", {"apply_id": apply_id, "logs": newest})
    ended = run("logs", apply_id, "-f", "-n", "10", "--json")
    assert ended.code == 0, ended.err
    assert [line["id"] for line in ended.lines()] == list(range(1, 3001))
    asked = [path.rpartition("limit=")[2] for _, path, _, _ in peer.seen if path.startswith("/api/logs")]
    assert asked == ["10", "200", "2000", "200", "2000", "10000"]
