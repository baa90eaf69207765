"""The shell completes our commands: a real bash reads our script and is asked what it would offer."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.rig import Run

ASK = """
set -u
eval "$(schemabot completion bash)"
complete -p schemabot
compopt() { local IFS=" "; echo "shell: $*"; }
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
COMPREPLY=()
_schemabot_completion schemabot
printf '%s\\n' "${COMPREPLY[@]-}"
"""


@pytest.fixture
def program_on_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`schemabot`, this one."""
    folder = tmp_path / "bin"
    folder.mkdir()
    root = Path(__file__).resolve().parents[2]
    script = folder / "schemabot"
    script.write_text(f'#!/bin/sh\nPYTHONPATH={root} exec {sys.executable} -m schemabot "$@"\n')
    script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def offered(*words: str) -> list[str]:
    """What bash offers behind *words*, the last of which is being typed."""
    asked = subprocess.run(
        ["bash", "--norc", "-c", ASK, "bash", "schemabot", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert asked.returncode == 0, asked.stderr
    first, *found = asked.stdout.splitlines()
    assert first.endswith("-F _schemabot_completion schemabot"), "bash asks our function about our command"
    return [line for line in found if line]


@pytest.mark.usefixtures("program_on_path")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["pro"], ["progress"]),
        (["st"], ["status", "stop", "start"]),
        (["apply", "--allow"], ["--allow-unsafe"]),
        (["progress", "-o", "l"], ["log"]),
        (["completion", "z"], ["zsh"]),
        (["settings", "spirit"], ["spirit_debug_logs"]),
        (["plan", "-s", "sch"], ["shell: -o dirnames"]),
        (["plan", "sh"], ["shell: -o default"]),
    ],
)
def test_bash_offers_commands_options_values_files_and_folders(words: list[str], expected: list[str]) -> None:
    assert offered(*words) == expected


@pytest.mark.usefixtures("program_on_path")
def test_bash_offers_the_profiles_that_are_written_down(run: Run) -> None:
    for name in ("production", "proving", "staging"):
        assert run("configure", "--profile", name, "--endpoint", "http://127.0.0.1:1").code == 0
    assert offered("--profile", "pro") == ["production", "proving"]
    assert offered("status", "--profile", "sta") == ["staging"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_is_understood_by_it(run: Run, shell: str, tmp_path: Path) -> None:
    ended = run("completion", shell)
    assert ended.code == 0
    assert "_SCHEMABOT_COMPLETE" in ended.out
    script = tmp_path / f"completion.{shell}"
    script.write_text(ended.out)
    if shutil.which(shell) is None:
        assert shell != "bash"
        return
    subprocess.run([shell, "-n", str(script)], check=True, timeout=60)


def test_an_unknown_shell_is_wrong_usage_naming_the_known_ones(run: Run) -> None:
    ended = run("completion", "tcsh")
    assert (ended.code, "bash" in ended.err) == (2, True)
