"""Every error of the command line says what to do next."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.errors import HINTS, ApiError, Exit

ROOM = Path(__file__).resolve().parents[2] / "cli"
KINDS = {"CliError", "Refused", "WrongUsage", "UnsafeRefused", "NotAccepted", "Unreachable"}


def made_without_hint(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in KINDS:
            hinted = len(node.args) > 1 or any(keyword.arg == "hint" for keyword in node.keywords)
            if not hinted:
                yield f"{path.relative_to(ROOM.parent)}:{node.lineno}"


def test_no_error_of_ours_leaves_a_person_without_a_next_step() -> None:
    assert [place for path in sorted(ROOM.rglob("*.py")) for place in made_without_hint(path)] == []


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 429, 500, 502, 503, 504, 418])
def test_what_a_server_refuses_has_a_next_step_whatever_its_status(status: int) -> None:
    error = ApiError(status, "no")
    assert error.hint
    assert error.hint == HINTS.get(status, error.hint)


def test_the_next_step_of_a_request_that_may_pass_is_to_try_again() -> None:
    assert "again" in ApiError(503, "busy").hint
    assert ApiError(503, "busy").exit_code == Exit.FAILED
