"""The troubleshooting page quotes what the program really says."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/troubleshooting.md"
QUOTED = re.findall(r"\*\*`([^`]+)`\*\*", PAGE.read_text())


def text(node: ast.AST) -> str | None:
    """The text a node makes, with `…` for what is only known when it runs."""
    match node:
        case ast.Constant(value=str(value)):
            return value
        case ast.JoinedStr(values=values):
            return "".join(text(value) or "…" for value in values)
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            return (text(left) or "…") + (text(right) or "…")
    return None


@cache
def said() -> tuple[str, ...]:
    return tuple(_said())


def _said() -> Iterator[str]:
    for room in ("cli", "engine", "server", "storage"):
        for path in sorted((ROOT / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if (found := text(node)) is not None:
                    yield " ".join(found.split())


@pytest.mark.parametrize("quoted", QUOTED)
def test_an_error_on_the_page_is_one_of_the_program(quoted: str) -> None:
    parts = [re.escape(part.strip()) for part in quoted.split("…")]
    pattern = re.compile(r".*".join(parts))
    assert any(pattern.search(found) for found in said()), f"nothing in the program says {quoted!r}"


def test_no_error_is_explained_twice_and_the_page_is_not_empty() -> None:
    assert len(QUOTED) == len(set(QUOTED)) > 40
