"""The shell completes our commands: a real bash, zsh and fish read our scripts and are asked what they would offer."""

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


ASK_ZSH = """
compdef() { print -r -- "bound: $*" }
_describe() { print -rl -- ${${(P)3}%%:*} }
compadd() { print -rl -- ${(P)@[-1]} }
_path_files() { print -r -- "shell: $*" }
eval "$(schemabot completion zsh)"
words=("$@")
CURRENT=$#
_schemabot_completion
"""
ASK_FISH = "schemabot completion fish | source; complete -C (string join ' ' -- $argv)"


def offered_by(shell: str, *words: str) -> list[str]:
    """What zsh or fish offers behind *words*. Skips, saying so, where the shell is not installed."""
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell} on this machine: the script for it was not run")
    ask = {"zsh": ["zsh", "-f", "-c", ASK_ZSH, "zsh"], "fish": ["fish", "--no-config", "-c", ASK_FISH]}
    asked = subprocess.run(
        [*ask[shell], "schemabot", *words], capture_output=True, text=True, timeout=60, check=False
    )
    assert (asked.returncode, asked.stderr) == (0, "")
    found = asked.stdout.splitlines()
    if shell == "zsh":
        assert found.pop(0) == "bound: _schemabot_completion schemabot"
    return [line.partition("\t")[0] for line in found]


@pytest.mark.usefixtures("program_on_path")
@pytest.mark.parametrize("shell", ["zsh", "fish"])
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["st"], {"status", "stop", "start"}),
        (["apply", "--allow"], {"--allow-unsafe"}),
        (["progress", "-o", "l"], {"log"}),
    ],
)
def test_zsh_and_fish_offer_commands_options_and_values(
    shell: str, words: list[str], expected: set[str]
) -> None:
    assert set(offered_by(shell, *words)) == expected


@pytest.mark.usefixtures("program_on_path")
@pytest.mark.parametrize(("shell", "expected"), [("zsh", "shell: -f"), ("fish", "shop.db")])
def test_zsh_and_fish_offer_files(
    shell: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("shop.db").touch()
    assert offered_by(shell, "plan", "sh") == [expected]


def test_an_unknown_shell_is_wrong_usage_naming_the_known_ones(run: Run) -> None:
    ended = run("completion", "tcsh")
    assert (ended.code, "bash" in ended.err) == (2, True)
