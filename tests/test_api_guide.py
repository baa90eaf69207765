"""The guide of the HTTP API: its examples run as written, its tables name what there is."""

import re
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from server.config import Config, DatabaseConfig, EnvironmentConfig, ServerConfig, StorageConfig
from server.daemon import Daemon
from server.routes import OPEN, ROUTES

GUIDE = Path(__file__).resolve().parent.parent / "docs/api.md"
PAGE = {"/", "/page/{file}"}
MARK = "==== the guide, example"
Example = tuple[str, str]


def examples() -> list[Example]:
    """Each command, with its continuation lines, and what it is said to answer."""
    found: list[tuple[list[str], list[str]]] = []
    for block in re.findall(r"```console\n(.*?)```", GUIDE.read_text(), re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append(([line[2:]], []))
            elif line.startswith(("> ", ">")) and not found[-1][1]:
                found[-1][0].append(line[2:])
            else:
                found[-1][1].append(line)
    return [("\n".join(command), "\n".join(answer)) for command, answer in found]


def run(folder: Path, url: str, commands: list[str]) -> list[str]:
    """What each command printed; all of them run in one shell, as a reader would."""
    script = "".join(f"{command}\necho; echo '{MARK}'\n" for command in commands)
    done = subprocess.run(
        ["/bin/sh", "-eu"],
        input=script,
        cwd=folder,
        env={"API": url, "PATH": "/usr/local/bin:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr}"
    return [part.strip("\n") for part in done.stdout.split(f"{MARK}\n")[:-1]]


def test_the_examples_of_the_guide_work_as_written(tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("no curl on this machine")
    with closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
        connection.executescript(
            "PRAGMA journal_mode=WAL; CREATE TABLE orders (id INTEGER PRIMARY KEY, quantity TEXT NOT NULL);"
        )
    local = {"local": EnvironmentConfig(dsn=str(tmp_path / "shop.db"))}
    config = Config(
        server=ServerConfig(listen_port=0),
        storage=StorageConfig(url=str(tmp_path / "store.db")),
        databases={"shop": DatabaseConfig(type="sqlite", environments=local)},
    )
    told = examples()
    assert len(told) >= 30
    with Daemon(config) as daemon:
        answers = run(tmp_path, daemon.url, [command for command, _ in told])
    for (command, said), answer in zip(told, answers, strict=True):
        pattern = ".*?".join(re.escape(part) for part in said.split("…"))
        assert re.fullmatch(pattern, answer, re.DOTALL), f"$ {command}\nsaid: {said}\nis:   {answer}"


def test_the_guide_names_every_route_with_its_role_and_no_other() -> None:
    table = GUIDE.read_text().split("## Every route")[1].split("## ")[0]
    told = {
        (method, pattern, line.split("|")[3].strip())
        for line in table.splitlines()
        for method, pattern in re.findall(r"`(GET|POST|DELETE) ([^`]+)`", line)
    }
    real = {
        (route.method, route.pattern, "" if route.pattern in OPEN else route.needs)
        for route in ROUTES
        if route.pattern not in PAGE
    }
    assert told == real
