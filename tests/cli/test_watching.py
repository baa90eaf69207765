"""A watch goes on by itself when the daemon dies in the middle, at a terminal and in a pipe."""

import signal
from pathlib import Path

import pytest

from tests.cli.rig import free_address, kinds_of_quantity, make_shop, process, serve, write_schema
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
