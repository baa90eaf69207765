"""Names and texts made to fool a terminal: they reach it as plain text, from a live database and from a hostile server."""

import re
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest

from tests.cli.conftest import Peer
from tests.cli.rig import Run
from tests.cli.terminal import terminal

NAMES = (
    "clear\x1b[2Jscreen",
    "title\x1b]0;owned\x07",
    "c1\x9b31mred",
    "bidi\u202egnp.exe\u2066",
    "line\nError: all is lost",
    "back\b\b\b\bspace\rreturn",
    "[bold red]markup[/]",
    "`tick`'quote'\"double\"",
    "x" * 64,
)
EVIL = "evil\x1b[2J\x9b31m\u202e\rtext\x07"
OURS = re.compile(r"\x1b\[(?:[0-9;]*m|\?25[lh]|[0-9]*[AKGH]|[12]K)")
"""What rich itself sends: colours, the cursor hidden and shown, lines drawn again."""


def unfit(text: str) -> list[str]:
    """Characters that no text of ours may hold once rich's own sequences are gone."""
    rest = OURS.sub("", text).replace("\r\n", "\n")
    return sorted({sign for sign in rest if sign in "\x07\x08\x1b\x9b\u202e\u2066"})


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@pytest.fixture
def hostile() -> Path:
    """A database whose tables have such names, and files that add a column to each."""
    path = Path("hostile.db")
    with closing(apsw.Connection(str(path))) as connection:
        for name in NAMES:
            connection.execute(f"CREATE TABLE {quoted(name)} (id INTEGER PRIMARY KEY)")
    Path("schema").mkdir()
    tables = [f"CREATE TABLE {quoted(name)} (id INTEGER PRIMARY KEY, more TEXT);" for name in NAMES]
    Path("schema/all.sql").write_bytes("\n".join(tables).encode())
    return path


def test_a_database_with_hostile_names_is_planned_changed_and_looked_at_in_plain_text(hostile: Path) -> None:
    for words in (
        ["plan", str(hostile), "-s", "schema"],
        ["apply", str(hostile), "-s", "schema", "-y"],
        ["progress", str(hostile)],
        ["status", str(hostile)],
        ["logs", str(hostile)],
        ["rollback", str(hostile)],
        ["pull", str(hostile), "-o", "pulled"],
        ["doctor", str(hostile)],
    ):
        with terminal(100, *words) as seen:
            if words[0] == "rollback":
                assert seen.end() == 3, seen.text
            else:
                assert seen.end() == 0, seen.text
            assert unfit(seen._seen.decode()) == [], words
            assert not re.search(r"^Error: all is lost", seen.text, re.MULTILINE), words
    with closing(apsw.Connection(str(hostile))) as connection:
        for name in NAMES:
            assert len(connection.execute(f"PRAGMA table_info({quoted(name)})").fetchall()) == 2, name


def answers(peer: Peer) -> None:
    """A server in which every text is hostile."""
    table = {"table_name": EVIL, "ddl": EVIL, "status": EVIL, "rows_copied": 1, "rows_total": 2, "percent_complete": 50,
             "detail": EVIL, "progress_detail": EVIL, "error_message": EVIL, "strategy": EVIL, "keyspace": EVIL}  # fmt: skip
    apply: dict[str, Any] = {"state": "failed", "apply_id": "apply-01", "database": EVIL, "environment": EVIL,
             "caller": EVIL, "error_message": EVIL, "tables": [table], "metadata": {"branch_name": EVIL}}  # fmt: skip
    peer.answer("/api/progress/apply/apply-01", apply)
    peer.answer("/api/progress/shop", {**apply, "state": "", "apply_id": ""})
    row = {"apply_id": EVIL, "database": EVIL, "environment": EVIL, "state": EVIL, "started_at": EVIL, "caller": EVIL,
           "error": EVIL}  # fmt: skip
    peer.answer("/api/status", {"applies": [row]})
    peer.answer("/api/history/shop", {"applies": [row]})
    peer.answer("/api/logs", {"logs": [{"id": 1, "level": EVIL, "message": EVIL, "created_at": EVIL}]})
    peer.answer("/api/locks", {"locks": [{"database": EVIL, "database_type": EVIL, "owner": EVIL}]})
    peer.answer("/api/settings", {"settings": [{"key": EVIL, "value": EVIL}]})
    peer.answer(
        "/api/databases",
        {"databases": [{"name": "shop", "type": EVIL, "environments": [{"environment": EVIL}]}]},
    )
    change = {"table_name": EVIL, "ddl": EVIL, "change_type": EVIL, "is_unsafe": True, "unsafe_reason": EVIL,
              "strategy": EVIL, "lock": EVIL}  # fmt: skip
    finding = {
        "severity": EVIL,
        "message": EVIL,
        "table": EVIL,
        "column": EVIL,
        "file": EVIL,
        "linter": EVIL,
        "line": 1,
    }
    peer.answer("/api/plan", {"plan_id": EVIL, "engine": EVIL, "errors": [EVIL], "lint_violations": [finding],
                              "unmanaged": [EVIL], "changes": [{"namespace": EVIL, "table_changes": [change]}]})  # fmt: skip
    peer.answer("/api/stop", {"error": EVIL, "error_code": EVIL}, 500)
    peer.answer("/health", {"error": EVIL}, 503)


@pytest.mark.parametrize(
    "words",
    [
        ["progress", "apply-01"], ["progress", "apply-01", "--no-watch"], ["status"], ["status", "-d", "shop"],
        ["history", "-d", "shop", "-e", "x"], ["logs", "apply-01"], ["locks"], ["settings"], ["stop", "apply-01"],
        ["plan", "-d", "shop", "-e", "x", "-s", "schema"], ["apply", "-d", "shop", "-e", "x", "-s", "schema"],
        ["databases"], ["doctor"],
    ],
)  # fmt: skip
def test_a_hostile_server_cannot_write_to_the_terminal(
    words: list[str], run: Run, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(peer)
    Path("schema").mkdir()
    Path("schema/t.sql").write_text("CREATE TABLE t (c INT);")
    monkeypatch.setenv("SCHEMABOT_ENDPOINT", peer.url)
    ended = run(*words)
    assert unfit(ended.out + ended.err) == []
    assert "\r" not in ended.out + ended.err
    assert "evil" in ended.out + ended.err or ended.code == 0


def test_the_question_before_an_apply_is_plain_text(peer: Peer) -> None:
    change = {"table_name": "t", "ddl": "ALTER TABLE t ADD c INT;", "change_type": "alter"}
    peer.answer("/api/rollback/plan", {"plan_id": "plan-1", "database": EVIL, "database_type": "mysql", "environment": EVIL,
                "errors": [], "lint_violations": [],
                "changes": [{"namespace": "n", "table_changes": [change]}]})  # fmt: skip
    peer.answer("/api/progress/apply/apply-01", {"state": "completed", "apply_id": "apply-01"})
    with terminal(100, "rollback", "apply-01", "--no-lock", "--endpoint", peer.url) as seen:
        seen.wait_for("Error: ")
        seen.end()
        assert unfit(seen._seen.decode()) == []
