"""`doctor` finds what has to be mended, says what to do, changes nothing, and ends with 1 when something is bad."""

import json
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from server.config import Token
from server.daemon import Daemon
from tests.cli.conftest import Peer
from tests.cli.rig import Ended, Run, config, make_shop, query


def write_config(text: str) -> str:
    Path("config.toml").write_text(text)
    return "config.toml"


GOOD = """
[server]
listen_port = 0
[databases.shop]
type = "sqlite"
[databases.shop.environments.production]
dsn = "shop.db"
"""


def found(ended: Ended, about: str, subject: str) -> dict[str, str]:
    """The one observation about that."""
    [section] = [section for section in ended.json()["sections"] if section["about"] == about]
    [observation] = [note for note in section["found"] if note["subject"] == subject]
    return {str(key): str(value) for key, value in observation.items()}


def test_a_configuration_in_good_order_is_ready_and_nothing_was_touched(run: Run) -> None:
    query(make_shop(), "PRAGMA journal_mode = WAL")
    before = sorted(path.name for path in Path().iterdir())
    ended = run("doctor", "-c", write_config(GOOD))
    assert (ended.code, "Ready: nothing to mend." in ended.out) == (0, True), ended.out
    assert "journal mode: WAL" in ended.out
    # SQLite itself leaves an empty log beside a file that was only read.
    after = {path.name for path in Path().iterdir() if not path.name.endswith(("-wal", "-shm"))}
    assert after == {*before, "config.toml"}


def test_what_is_doubtful_is_told_and_does_not_fail(run: Run) -> None:
    make_shop()
    ended = run("doctor", "shop.db")
    assert ended.code == 0
    assert "! journal mode: DELETE" in ended.out
    assert "PRAGMA journal_mode = WAL" in ended.out
    assert "1 remark worth a look" in ended.out


def test_every_problem_of_the_configuration_is_told_at_once(run: Run) -> None:
    ended = run("doctor", "-c", write_config('[server]\nlisten_prot = 1\n[workers]\ncount = "many"\n'))
    assert ended.code == 1
    assert 'did you mean "listen_port"?' in ended.out
    assert "workers.count must be a whole number" in ended.out
    assert "2 things to mend" in ended.out


@pytest.mark.parametrize(
    ("text", "about", "subject", "says"),
    [
        (
            '[[server.tokens]]\nname = "ci"\nsecret = "env:NOWHERE"',
            "server",
            "token ci",
            "NOWHERE is not set",
        ),
        (
            '[server]\ntls_certificate = "no.pem"\ntls_key = "no.key"',
            "server",
            "certificate",
            "cannot be read",
        ),
        ('[storage]\nurl = "no/such/folder/store.db"', "store", "file", "no/such/folder does not exist"),
        ('[storage]\nurl = "mysql://me:hush-hush@127.0.0.1:1/x"', "store", "answer", "cannot be reached"),
        (
            '[databases.d]\ntype = "sqlite"\n[databases.d.environments.e]\ndsn = "file:nowhere"',
            "d/e",
            "secret",
            "cannot be read",
        ),
        (
            '[databases.d]\ntype = "sqlite"\n[databases.d.environments.e]\ndsn = "no/shop.db"',
            "d/e",
            "reach",
            "does not exist; create it",
        ),
        (
            '[deployments.far.environments]\nstaging = "http://127.0.0.1:1"',
            "far/staging",
            "reach",
            "cannot be reached",
        ),
    ],
)
def test_what_is_bad_ends_with_1_and_a_remedy(
    run: Run, text: str, about: str, subject: str, says: str
) -> None:
    ended = run("doctor", "-c", write_config(text), "--json")
    assert ended.code == 1
    assert ended.json()["ready"] is False
    observation = found(ended, about, subject)
    assert (observation["verdict"], says in observation["text"]) == ("bad", True), observation
    assert observation["remedy"]
    assert "hush-hush" not in ended.out + ended.err


def test_a_port_that_another_program_has_is_bad_and_one_of_this_daemon_is_good(
    run: Run, tmp_path: Path
) -> None:
    """Also where a daemon of this store had it until it was killed."""
    gone = subprocess.Popen(["true"])
    gone.wait()
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        for store in ("new.db", "killed.db"):
            killed = {"pid": str(gone.pid), "url": f"http://127.0.0.1:{port}"}
            Path("killed.db.lock").write_text(json.dumps(killed))
            text = f'[server]\nlisten_port = {port}\n[storage]\nurl = "{store}"\n'
            ended = run("doctor", "-c", write_config(text), "--json")
            assert found(ended, "server", "address")["verdict"] == "bad"
    with Daemon(config(tmp_path, "local")) as daemon:
        port = int(daemon.url.rpartition(":")[2])
        text = f'[server]\nlisten_port = {port}\n[storage]\nurl = "{tmp_path}/store.db"\n'
        ended = run("doctor", "-c", write_config(text), "--json")
        address = found(ended, "server", "address")
        assert (address["verdict"], "at work with pid" in address["text"]) == ("good", True)
        assert found(ended, "store", "answer")["verdict"] == "good"


def test_a_store_that_no_daemon_was_started_on_is_no_trouble(run: Run) -> None:
    Path("empty.db").touch()
    ended = run("doctor", "-c", write_config('[storage]\nurl = "empty.db"'), "--json")
    assert found(ended, "store", "tables")["verdict"] == "good"


def test_a_file_that_is_no_store_is_bad_and_left_as_it_is(run: Run) -> None:
    make_shop(Path("theirs.db"))
    before = Path("theirs.db").read_bytes()
    ended = run("doctor", "-c", write_config('[storage]\nurl = "theirs.db"'), "--json")
    assert found(ended, "store", "answer")["verdict"] == "bad"
    assert Path("theirs.db").read_bytes() == before


# -- a server from outside ----------------------------------------------------------------------------------------


def test_a_server_is_looked_at_from_outside(run: Run, tmp_path: Path) -> None:
    with Daemon(config(tmp_path, "staging", "production")) as daemon:
        ended = run("doctor", "--endpoint", daemon.url, "--json")
    assert ended.code == 0, ended.out
    assert [section["about"] for section in ended.json()["sections"]][1:] == [
        "shop/production",
        "shop/staging",
    ]


def test_a_server_that_does_not_let_us_in_or_does_not_answer_is_bad(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Daemon(
        config(tmp_path, "local", tokens=(Token(name="ci", secret="a-long-secret-token"),))
    ) as daemon:
        shut = run("doctor", "--endpoint", daemon.url)
        assert (shut.code, "export SCHEMABOT_TOKEN" in shut.out) == (1, True)
        monkeypatch.setenv("SCHEMABOT_TOKEN", "a-long-secret-token")
        assert run("doctor", "--endpoint", daemon.url).code == 0
        url = daemon.url
    gone = run("doctor", "--endpoint", url)
    assert (gone.code, "schemabot serve" in gone.out) == (1, True)


def test_a_server_whose_store_is_away_is_not_ready(run: Run, peer: Peer) -> None:
    peer.answer("/livez", {"status": "ok"})
    peer.answer("/health", {"error": "database unavailable", "error_code": ""}, 503)
    ended = run("doctor", "--endpoint", peer.url, "--json")
    assert ended.code == 1
    assert found(ended, f"server {peer.url}", "readiness")["text"] == "database unavailable"


def test_with_nothing_to_look_at_doctor_says_what_it_can_look_at(run: Run) -> None:
    ended = run("doctor")
    assert (ended.code, "-c config.toml" in ended.err) == (2, True)
    assert run("doctor", "shop.db", "-c", write_config(GOOD)).code == 2


def test_what_a_server_says_of_itself_cannot_move_the_cursor(run: Run, peer: Peer) -> None:
    evil: dict[str, Any] = {"name": "x\x1b[2J\u202e\ny", "environments": [{"environment": "e\x9b31m"}]}
    peer.answer("/health", {"status": "ok"})
    peer.answer("/api/databases", {"databases": [evil]})
    ended = run("doctor", "--endpoint", peer.url)
    assert not set("\x1b\x9b\u202e") & set(ended.out + ended.err)
    assert "x[2J y/e31m\n" in ended.out
    assert "\\u202e" in json.dumps(run("doctor", "--endpoint", peer.url, "--json").json())
