"""The tutorial, run line by line on a real MariaDB and a real MySQL, as a reader would."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.ports import free_port
from tests.servers.server import Server

TUTORIAL = Path(__file__).resolve().parent.parent / "docs/tutorial.md"
MARK = "==== the tutorial, line"
SAID = {
    "schemabot doctor -c config.toml": ["Ready"],
    "cat schema/orders.sql": ["CREATE TABLE `orders`"],
    "schemabot cutover shop -e production -w -o log": ["completed"],
    "schemabot history shop -e production": ["completed"],
    'schemabot apply -s schema -e production -y || echo "refused: $?"': ["UNSAFE", "refused: 3"],
}
PLANS = ["instant", "online", "No changes"]
"""What the plans of the tutorial say, in their order."""


def lines() -> list[str]:
    """Each command, with its continuation lines."""
    found: list[str] = []
    for block in re.findall(r"```console\n(.*?)```", TUTORIAL.read_text(), re.DOTALL):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append(line[2:])
            else:
                found[-1] += f"\n{line[2:]}"
    return found


def prepare(server: Server) -> None:
    (block,) = re.findall(r"```sql\n(.*?)```", TUTORIAL.read_text(), re.DOTALL)
    with server.connect(autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("DROP DATABASE IF EXISTS shop")
        cursor.execute("DROP USER IF EXISTS 'tutor'@'%'")
        for statement in block.split(";\n"):
            if statement.strip():
                cursor.execute(statement.replace("'schemabot'@", "'tutor'@"))


def clear(server: Server) -> None:
    with server.connect(autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("DROP DATABASE IF EXISTS shop")
        cursor.execute("DROP USER IF EXISTS 'tutor'@'%'")


@pytest.mark.timeout(240)
def test_the_tutorial_works_as_written(own_server: Server, tmp_path: Path) -> None:
    if shutil.which("curl") is None:
        pytest.skip("no curl on this machine")
    told = lines()
    assert len(told) >= 20
    prepare(own_server)
    try:
        answers = run(told, own_server, tmp_path)
    finally:
        clear(own_server)
    for line, answer in zip(told, answers, strict=True):
        for text in SAID.get(line, []):
            assert text in answer, f"$ {line}\n{answer}"
    plans = [answer for line, answer in zip(told, answers, strict=True) if line.startswith("schemabot plan ")]
    for text, answer in zip(PLANS, plans, strict=True):
        assert text in answer, answer
    assert set(SAID) <= set(told), "the tutorial no longer says what this test looks for"


def run(told: list[str], server: Server, folder: Path) -> list[str]:
    """What each line printed, all of them in one shell. The ports are those of this machine."""
    port = str(free_port())
    script = "set -eu\n" + "".join(f"{line}\necho; echo '{MARK}'\n" for line in told)
    script = script.replace("//schemabot:", "//tutor:")  # the account of that name is the tests' own
    script = script.replace("13370", port).replace("127.0.0.1:3306", f"127.0.0.1:{server.port}")
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(folder),
        "COLUMNS": "160",
    }
    done = subprocess.run(
        ["/bin/bash"],
        input=script,
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=200,
    )
    log = folder / "schemabot.log"
    assert done.returncode == 0, (
        f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}\n{log.read_text()[-3000:] if log.exists() else ''}"
    )
    return [part.strip("\n") for part in done.stdout.split(f"{MARK}\n")[:-1]]
