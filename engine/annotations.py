"""What comments in schema files tell the planner."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence

from engine.lexer import SQLITE, Kind, Token, tokens

WAY_BACK = "renamed back from:"
"""As people write it, but by us into the files of a rollback: then what it tells of must be there."""

_NAME = (
    r"""(?:(?:x'(?P<hex>[0-9a-f]+)'|"(?P<double>[^"]+)"|`(?P<tick>[^`]+)`|\[(?P<square>[^\]]+)\])(?!\s*\.)"""
    r"""|(?P<bare>[^\s,;()"`\[\]]*[^\s,;:.()"`\[\]]))"""
)
"""A bare name goes as far as it can: half of `user-id`, or of `shop.users`, would be the name of something else."""
_BEFORE = (
    r"(?:(?P<back>renamed\s+back\s+from:\s*)"
    r"|renamed\s+from\s*:\s*|@renamed\s+from\s*=\s*|atlas:renamed_from\s+)"
)
_ANNOTATION = re.compile(f"{_BEFORE}{_NAME}", re.IGNORECASE)
_BEGUN = re.compile(_BEFORE, re.IGNORECASE)
_SPLIT_OFF = "schemabot: its rows were in others before: partition "
_ELSEWHERE = re.compile(r"schemabot\s*:\s*partitions\s+managed\s+elsewhere\b", re.IGNORECASE)


def old_name(comments: Iterable[Token]) -> str:
    """The old name that one of *comments* tells, or empty. The annotation must begin the comment (or a line of it)."""
    return next((name for name in old_names(comments) if name), "")


def old_names(comments: Iterable[Token]) -> list[str]:
    """All old names that *comments* tell; an empty one where an annotation begins that tells none."""
    begun = [line for line in _lines(comments) if _BEGUN.match(line)]
    return [_name(_ANNOTATION.match(line)) for line in begun]


def managed_elsewhere(comments: Iterable[Token]) -> bool:
    """Whether *comments* say that somebody else looks after the partitions of the table."""
    return any(_ELSEWHERE.match(line) for line in _lines(comments))


def leads_back(comments: Iterable[Token]) -> bool:
    """Whether the old name that *comments* tell is the one that a rollback takes away."""
    found = _annotation(comments)
    return found is not None and bool(found["back"])


def way_back(name: str) -> str:
    """What a comment says beside something that a plan renames to *name*, to lead back from there; on one line."""
    plain = re.fullmatch(r"[\w$ -]+", name) is not None
    return f'{WAY_BACK} "{name}"' if plain else f"{WAY_BACK} x'{name.encode().hex()}'"


def split_off(name: str) -> str:
    """What a comment of ours says above a table in the files of a rollback: the apply made the partition of rows of others."""
    return f"{_SPLIT_OFF}x'{name.encode().hex()}'"


def partitions_split_off(comments: Iterable[Token]) -> frozenset[str]:
    """The partitions of which *comments* say so."""
    found = (re.fullmatch(f"{_SPLIT_OFF}x'([0-9a-f]+)'", line) for line in _lines(comments))
    return frozenset(bytes.fromhex(one[1]).decode() for one in found if one)


def advice(name: str) -> str:
    """What people write beside what was called *name*: as `old_name` reads it."""
    if re.fullmatch(r"[\w$-]+", name):
        return f"-- renamed from: {name}"
    if re.fullmatch(r'[^"\x00-\x1f]+', name):
        return f'-- renamed from: "{name}"'
    return f"-- renamed from: x'{name.encode().hex()}'"


def no_way_back(name: str, renamed: str, why: str) -> str:
    """Why a rollback is refused that would make *name* anew, though its values were those of *renamed*."""
    return (
        f"{name} was renamed to {renamed}, and {why}: its values would be lost; undo first what was done since "
        "(roll back the later applies, the newest first), or plan files that say what should be"
    )


def without(sql: str, told: Callable[[Sequence[Token]], object]) -> str:
    """SQLite's *sql* without the comments that *told* is true of: SQLite keeps those of a CREATE TABLE for ever."""
    pieces = [
        " " if token.kind is Kind.COMMENT and told([token]) else token.text for token in tokens(sql, SQLITE)
    ]
    return "".join(pieces)


def _annotation(comments: Iterable[Token]) -> re.Match[str] | None:
    return next((found for line in _lines(comments) if (found := _ANNOTATION.match(line))), None)


def _name(found: re.Match[str] | None) -> str:
    if found is None:
        return ""
    if found["hex"]:
        return bytes.fromhex(found["hex"]).decode()
    return found["double"] or found["tick"] or found["square"] or found["bare"]


def _lines(comments: Iterable[Token]) -> Iterator[str]:
    """The lines of comments, bare of what makes them comments."""
    for comment in comments:
        text = comment.text.removeprefix("--").removeprefix("#").removeprefix("/*").removesuffix("*/")
        for line in text.splitlines():
            yield line.strip().lstrip("*").strip()
