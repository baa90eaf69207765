"""Help that teaches, exit codes that are written down, and what words on a command line name."""

import re
from pathlib import Path

import pytest

from cli.errors import EXIT_CODES, Exit, WrongUsage
from cli.main import program
from cli.options import named
from cli.place import Wanted, read_words
from tests.cli.reference import DOCUMENT, document
from tests.cli.rig import Run, make_shop

COMMANDS = sorted(program.commands)


def test_every_command_of_the_contract_is_there() -> None:
    looking = ["plan", "progress", "status", "history", "logs", "databases", "locks", "settings", "pull"]
    doing = ["serve", "apply", "stop", "start", "cancel", "cutover", "volume", "revert", "skip-revert"]
    doing += ["rollback", "unlock", "configure", "init", "completion", "doctor", "fix-lint"]
    assert sorted(looking + doing) == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_shows_an_example_of_it_and_fits_a_terminal(run: Run, command: str) -> None:
    ended = run(command, "--help")
    assert ended.code == 0
    assert re.search(rf"^    (  )?schemabot {command}\b", ended.out, re.MULTILINE), ended.out
    assert max(map(len, ended.out.splitlines())) <= 80
    assert command in ("serve", "completion") or "--json" in ended.out


def test_the_help_of_the_program_lists_every_command_and_exit_code(run: Run) -> None:
    ended = run("--help")
    assert ended.code == 0
    for command in COMMANDS:
        assert re.search(rf"^  {command} ", ended.out, re.MULTILINE), command
    for code, text in EXIT_CODES.items():
        assert f"{code.value:<4} {text}" in ended.out


def test_every_exit_code_has_its_words() -> None:
    assert set(EXIT_CODES) == set(Exit)
    assert sorted(code.value for code in Exit) == [0, 1, 2, 3, 4, 5, 130]


def test_the_reference_is_what_the_commands_say() -> None:
    text = DOCUMENT.read_text()
    assert document(text) == text, "docs/cli.md is stale: run `make reference`"
    for command in COMMANDS:
        assert f"### `schemabot {command}`" in text


def test_the_document_tells_of_every_exit_code() -> None:
    text = DOCUMENT.read_text()
    for code, words in EXIT_CODES.items():
        assert f"| {code.value} | {words} |" in text


@pytest.mark.parametrize(
    "words", [["nonsense"], ["plan", "--nonsense"], ["logs", "-n", "many"], ["logs", "-n", "0"]]
)
def test_what_cannot_be_parsed_ends_with_2_on_stderr(run: Run, words: list[str]) -> None:
    ended = run(*words)
    assert (ended.code, ended.out) == (2, "")
    assert "Error: " in ended.err


def test_a_store_that_is_named_by_a_reference_to_nothing_is_not_made(run: Run) -> None:
    ended = run("serve", "--store", "env:NO_SUCH_STORE")
    assert (ended.code, ended.out) == (2, "")
    assert "the environment variable NO_SUCH_STORE is not set" in ended.err
    assert list(Path().iterdir()) == []


def test_what_cannot_be_parsed_is_json_too_when_json_was_wanted(run: Run) -> None:
    ended = run("plan", "--nonsense", "--json")
    assert (ended.code, ended.json()["error"]["code"]) == (2, "usage")


def test_a_slip_in_a_command_names_the_one_that_was_meant(run: Run) -> None:
    assert "progress" in run("progres").err


def test_the_version_is_told(run: Run) -> None:
    assert run("--version").out.startswith("schemabot, version ")


def test_words_name_an_apply_a_file_or_a_database_in_any_order() -> None:
    make_shop()
    assert read_words(("apply-01ef",)) == Wanted(apply_id="apply-01ef")
    assert read_words(("shop.db",)) == Wanted(file=Path("shop.db"))
    assert read_words(("shop",)) == Wanted(database="shop")
    assert read_words(("apply-01ef", "shop.db")) == read_words(("shop.db", "apply-01ef"))
    assert read_words(("shop", "apply-01ef")) == Wanted(database="shop", apply_id="apply-01ef")


@pytest.mark.parametrize(
    "words", [("shop.db", "shop"), ("a", "b"), ("apply-01", "apply-02", "shop"), ("./nowhere",)]
)
def test_words_that_name_two_things_or_nothing_are_wrong_usage(words: tuple[str, ...]) -> None:
    make_shop()
    with pytest.raises(WrongUsage):
        named(Wanted(), words)


def test_a_word_and_an_option_that_name_two_databases_are_wrong_usage() -> None:
    make_shop()
    for words in (("shop.db",), ("shop",)):
        with pytest.raises(WrongUsage, match="two databases"):
            named(Wanted(database="other"), words)
