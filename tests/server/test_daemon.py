"""The daemon as a whole: start, one per store, what it takes over, how it goes down."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit

import apsw
import pytest

from server.config import Config, ServerConfig, StorageConfig
from server.daemon import CannotStart, Daemon
from server.ownership import StoreOwned
from storage.registry import open_store
from tests.server.http.api import plan_request
from tests.server.rig import ENDLESS_PLAN, HEARS_HANGUP, Rig

SERVE = """
import sys
from server.config import Config, DatabaseConfig, EnvironmentConfig, ServerConfig, StorageConfig, WorkerConfig
from server.daemon import serve
shop = DatabaseConfig(type="sqlite", environments={"staging": EnvironmentConfig(dsn=sys.argv[1] + "-shop.db")})
config = Config(
    server=ServerConfig(listen_port=0),
    storage=StorageConfig(url=sys.argv[1]),
    workers=WorkerConfig(count=int(sys.argv[2])),
    databases={"shop": shop},
)
sys.exit(serve(config, on_ready=lambda url: print(url, flush=True)))
"""


def config_at(store: Path) -> Config:
    return Config(server=ServerConfig(listen_port=0), storage=StorageConfig(url=str(store)))


@contextmanager
def process_at(
    store: Path, before: str = "", workers: int = 4
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The daemon in a process of its own, listening; *before* is done there first."""
    process = subprocess.Popen(
        [sys.executable, "-c", before + SERVE, str(store), str(workers)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
    finally:
        process.send_signal(signal.SIGCONT)
        process.kill()
        process.communicate()


def get(url: str) -> dict[str, object]:
    with urllib.request.urlopen(url, timeout=10) as answer:
        found: dict[str, object] = json.load(answer)
        return found


def test_it_answers_and_leaves_no_thread_behind(tmp_path: Path) -> None:
    before = set(threading.enumerate())
    with Daemon(config_at(tmp_path / "store.db")) as daemon:
        assert get(f"{daemon.url}/health") == {"status": "ok"}
        status = get(f"{daemon.url}/api/status")
        assert (status["active_count"], status["applies"]) == (0, [])

    assert set(threading.enumerate()) == before


def test_a_second_daemon_on_the_store_is_told_where_the_first_listens(tmp_path: Path) -> None:
    with (
        Daemon(config_at(tmp_path / "store.db")) as first,
        pytest.raises(StoreOwned) as refused,
        Daemon(config_at(tmp_path / "store.db")),
    ):
        pass

    assert refused.value.url == first.url
    assert refused.value.pid == os.getpid()


def test_the_store_behind_a_symbolic_link_has_one_owner_too(tmp_path: Path) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "store.db")
    for one, two in (("store.db", "link.db"), ("link.db", "store.db")):
        with (
            Daemon(config_at(tmp_path / one)) as first,
            pytest.raises(StoreOwned) as refused,
            Daemon(config_at(tmp_path / two)),
        ):
            pass
        assert refused.value.url == first.url


def test_a_paused_daemon_still_owns_its_store(tmp_path: Path) -> None:
    with process_at(tmp_path / "store.db") as (process, url):
        process.send_signal(signal.SIGSTOP)

        with pytest.raises(StoreOwned) as refused, Daemon(config_at(tmp_path / "store.db")):
            pass

    assert refused.value.url == url


def test_a_killed_daemon_leaves_its_store_free_and_its_leases_are_taken_over_at_once(tmp_path: Path) -> None:
    with process_at(tmp_path / "store.db") as (process, _url):
        process.kill()
        process.wait()
    rig = Rig(path=tmp_path / "store.db", store=open_store(str(tmp_path / "store.db")))
    apply = rig.enqueue("orders")
    rig.claim("a daemon that died", lease_seconds=3_600)
    rig.store.close()

    with Daemon(config_at(tmp_path / "store.db")):
        store = open_store(str(tmp_path / "store.db"))
        for _ in range(500):
            if len(store.attempts(apply.id)) > 1:
                break
            signal.sigtimedwait([], 0.02)
        assert store.attempts(apply.id)[0].outcome == "lease_expired"
        store.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_with_status_0(tmp_path: Path, number: signal.Signals) -> None:
    with process_at(tmp_path / "store.db", HEARS_HANGUP) as (process, _url):
        process.send_signal(number)

        assert process.wait(20) == 0


def test_a_terminal_that_closes_twice_is_one_signal(tmp_path: Path) -> None:
    with process_at(tmp_path / "store.db", HEARS_HANGUP) as (process, _url):
        for _ in range(20):
            process.send_signal(signal.SIGHUP)

        assert process.wait(20) == 0


def test_without_workers_it_says_that_nothing_is_driven(tmp_path: Path) -> None:
    with process_at(tmp_path / "store.db", workers=0) as (process, url):
        assert get(f"{url}/health") == {"status": "ok"}
        process.terminate()
        assert "nothing is driven: [workers] count is 0" in process.communicate(timeout=20)[1]
        assert process.returncode == 0


def test_a_signal_ends_it_with_status_0_while_a_plan_is_made_that_does_not_end(tmp_path: Path) -> None:
    with process_at(tmp_path / "store.db", ENDLESS_PLAN) as (process, url):
        asked = HTTPConnection(urlsplit(url).netloc)
        asked.request("POST", "/api/plan", json.dumps(plan_request()))
        assert process.stdout is not None
        assert process.stdout.readline() == "planning\n"
        process.terminate()
        assert process.wait(20) == 0
        asked.close()


def test_a_port_in_use_is_said_and_nothing_is_left_locked(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        config = Config(
            server=ServerConfig(listen_port=other.getsockname()[1]),
            storage=StorageConfig(url=str(tmp_path / "store.db")),
        )
        said = r"^cannot listen on 127\.0\.0\.1:\d+: .* in use; end the program that has it, or choose"
        with pytest.raises(CannotStart, match=said), Daemon(config):
            pass

    with Daemon(config_at(tmp_path / "store.db")):
        pass


def test_av_5_a_store_of_a_newer_program_is_refused(tmp_path: Path) -> None:
    store = open_store(str(tmp_path / "store.db"))
    store.upgrade()
    store.close()
    connection = apsw.Connection(str(tmp_path / "store.db"))
    connection.execute("PRAGMA user_version = 9999")
    connection.close()

    with pytest.raises(CannotStart, match="newer"), Daemon(config_at(tmp_path / "store.db")):
        pass


def test_why_it_cannot_start_is_said_without_a_password() -> None:
    """What was meant as an address may be read as a path, and be named."""
    config = config_at(Path("bot:S3cr3t@(db)/store"))
    with pytest.raises(CannotStart, match=r"bot:\[hidden\]@") as caught, Daemon(config):
        pass
    assert "S3cr3t" not in str(caught.value)


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_text("this is a letter, not a database" * 100)

    with pytest.raises(CannotStart, match=r"store\.db"), Daemon(config_at(tmp_path / "store.db")):
        pass


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(
            CannotStart, match=r"^\[storage\] url.*nowhere does not exist; run mkdir -p \S+nowhere, or"
        ),
        Daemon(config_at(tmp_path / "nowhere/store.db")),
    ):
        pass
