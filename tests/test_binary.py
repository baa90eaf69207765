"""The single-file build, made and run as a stranger would."""

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.timeout(300)
def test_the_single_file_serves_on_sqlite(tmp_path: Path) -> None:
    binary = tmp_path / "schemabot"
    shiv = Path(sys.executable).with_name("shiv")
    command = [shiv, "--console-script", "schemabot", "--compressed", "--output-file", binary, "--quiet", "."]
    subprocess.run([*map(str, command)], cwd=ROOT, check=True, timeout=280)
    environment = {**os.environ, "HOME": str(tmp_path), "SHIV_ROOT": str(tmp_path / "unpacked")}
    environment.pop("PYTHONPATH", None)
    process = subprocess.Popen(
        [
            sys.executable,
            "-S",
            str(binary),
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--store",
            str(tmp_path / "store.db"),
        ],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        url = next(word for word in said.split() if word.startswith("http://"))
        with urllib.request.urlopen(f"{url}/health", timeout=10) as answer:
            assert json.load(answer) == {"status": "ok"}
        process.terminate()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.communicate()
