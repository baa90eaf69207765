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


def test_compiled_parts_of_another_python_are_told_of_at_start(tmp_path: Path) -> None:
    (tmp_path / "apsw").mkdir()
    (tmp_path / "apsw" / "__init__.cpython-39-x86_64-linux-gnu.so").touch()
    start = (
        f"import sys; sys.path[:0] = [{str(ROOT)!r}, {str(tmp_path)!r}]; import schemabot; schemabot.main()"
    )
    ended = subprocess.run(
        [sys.executable, "-S", "-c", start], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr.startswith("Error: this schemabot was built with another Python than 3.")
