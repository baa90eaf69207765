"""The README's first session, run line by line as a stranger would."""

import os
import re
import subprocess
import sys
from pathlib import Path

README = Path(__file__).resolve().parent.parent / "README.md"
SAID = {
    "schemabot plan app.db -s schema": "CREATE TABLE users",
    "schemabot apply app.db -s schema -y": "Apply completed",
    "schemabot plan app.db -s pulled": "No changes",
    "schemabot history app.db": "completed",
}


def session() -> list[str]:
    block = re.search(r"```console\n(.*?)```", README.read_text(), re.DOTALL)
    assert block is not None
    return [line.removeprefix("$ ") for line in block.group(1).splitlines() if line.startswith("$ ")]


def test_the_first_session_of_the_readme_works_as_written(tmp_path: Path) -> None:
    lines = session()
    assert len(lines) >= 8
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "COLUMNS": "160",
    }
    environment.pop("SCHEMABOT_ENDPOINT", None)
    seen = set()
    for line in lines:
        done = subprocess.run(
            ["/bin/sh", "-c", line], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"
        if line in SAID:
            assert SAID[line] in done.stdout, line
            seen.add(line)
    assert seen == set(SAID), "the README no longer says what this test looks for"
