"""What the log says of targets that cannot be used when the daemon starts."""

import logging
import threading
from pathlib import Path

import apsw
import pytest

from server.config import Config, DatabaseConfig, EnvironmentConfig
from server.first_look import FirstLook
from tests.cli.rig import free_address


def config(tmp_path: Path) -> Config:
    apsw.Connection(str(tmp_path / "good.db")).execute("CREATE TABLE t (c)")

    def database(kind: str, dsn: str) -> DatabaseConfig:
        return DatabaseConfig(type=kind, environments={"live": EnvironmentConfig(dsn=dsn)})

    return Config(
        databases={
            "away": database("mysql", f"mysql://me:a-good-password@{free_address()}/shop"),
            "good": database("sqlite", str(tmp_path / "good.db")),
            "malformed": database("mysql", "shop as me on db1"),
            "secret": database("mysql", "env:NOBODY_SET_THIS"),
        }
    )


def look_at_all(config: Config, stopping: threading.Event) -> None:
    look = FirstLook(config, stopping)
    look.begin()
    look.thread.join(60)
    assert not look.thread.is_alive()


def test_every_target_that_cannot_be_used_is_a_warning_without_its_password(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    look_at_all(config(tmp_path), threading.Event())
    told = [(record.levelno, record.getMessage()) for record in caplog.records]
    assert [(level, text.split(" ")[0]) for level, text in told] == [
        (logging.WARNING, f"{name}/live") for name in ("away", "malformed", "secret")
    ]
    assert all("cannot be used now" in text and "a-good-password" not in text for _, text in told)


def test_a_daemon_that_ends_does_not_look_at_the_rest(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stopping = threading.Event()
    stopping.set()
    look_at_all(config(tmp_path), stopping)
    assert caplog.records == []
