"""What the SQLite engine tells an operator about a file before anything is changed there."""

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import pytest

from engine.base import Engine, Observation, Severity, Target, Verdict
from engine.errors import Refused, TargetUnavailable
from engine.registry import open_engine

ROOT = Path(__file__).resolve().parents[3]
Usage = namedtuple("Usage", "total used free")


def engine(path: Path) -> Engine:
    return open_engine(Target(kind="sqlite", database="shop", environment="local", dsn=str(path)))


def seen(path: Path) -> dict[str, Observation]:
    return {found.subject: found for found in engine(path).examine()}


def make(path: Path, journal_mode: str = "wal") -> Path:
    connection = sqlite3.connect(path)
    connection.execute(f"PRAGMA journal_mode = {journal_mode}")
    connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")
    connection.commit()
    connection.close()
    return path


def test_a_file_in_good_order_has_nothing_to_mend(tmp_path: Path) -> None:
    found = seen(make(tmp_path / "shop.db"))
    assert {observation.verdict for observation in found.values()} == {Verdict.GOOD}
    assert sorted(found) == ["disk", "file", "folder", "journal mode"]


def test_a_rollback_journal_is_doubtful_and_the_remedy_is_the_statement(tmp_path: Path) -> None:
    found = seen(make(tmp_path / "shop.db", "delete"))["journal mode"]
    assert found.verdict is Verdict.DOUBTFUL
    assert "DELETE" in found.text
    assert "PRAGMA journal_mode = WAL" in found.remedy


def test_a_file_that_does_not_exist_is_told_and_not_made(tmp_path: Path) -> None:
    found = seen(tmp_path / "new.db")
    assert found["file"].verdict is Verdict.DOUBTFUL
    assert not (tmp_path / "new.db").exists()


@pytest.mark.parametrize(
    ("free", "verdict"), [(10 * 2**20, Verdict.BAD), (90 * 2**20, Verdict.DOUBTFUL), (2**30, Verdict.GOOD)]
)
def test_the_room_on_the_disk_is_measured_against_the_file(
    free: int, verdict: Verdict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make(tmp_path / "shop.db", "delete")
    with path.open("ab") as file:
        file.truncate(50 * 2**20)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: Usage(2**40, 0, free))
    assert seen(path)["disk"].verdict is verdict


def test_a_file_that_cannot_be_written_has_to_be_mended(tmp_path: Path) -> None:
    """Examined by nobody's user where the tests run as root, who may write everything."""
    path = make(tmp_path / "shop.db", "delete")
    path.chmod(stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH)
    tmp_path.chmod(0o555)
    for parent in tmp_path.parents:
        if parent.stat().st_uid == os.geteuid() and parent != Path("/"):
            parent.chmod(parent.stat().st_mode | 0o011)
    code = (
        "import os, sys; from engine.base import Target; from engine.registry import open_engine;"
        "engine = open_engine(Target(kind='sqlite', database='d', environment='e', dsn=sys.argv[1]));"
        "os.geteuid() or os.setuid(65534); found = engine.examine();"
        "print(*(o.subject for o in found if o.verdict == 'bad'), sep=',')"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, str(path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    tmp_path.chmod(0o755)
    assert told.stdout == "file,folder\n", told.stderr


def test_what_cannot_be_opened_is_raised_as_by_a_ping(tmp_path: Path) -> None:
    (tmp_path / "letter.db").write_bytes(b"this is a letter, not a database" * 200)
    with pytest.raises(Refused, match="not a database"):
        engine(tmp_path / "letter.db").examine()
    with pytest.raises(TargetUnavailable, match="does not exist"):
        engine(tmp_path / "nowhere" / "shop.db").examine()


def test_the_plan_of_a_file_that_is_not_there_says_that_it_is_one_of_a_new_database(tmp_path: Path) -> None:
    """Its path may be a slip."""
    files = {"shop": {"orders.sql": "CREATE TABLE orders (id INTEGER PRIMARY KEY);"}}
    [told] = engine(tmp_path / "shpo.db").plan(files).findings
    assert (told.severity, told.linter) == (Severity.WARNING, "new_file")
    assert told.message == f"{tmp_path}/shpo.db does not exist yet: this is the plan of a new database"
    assert engine(make(tmp_path / "shop.db")).plan(files).findings == ()
