"""What comments in schema files tell the planner."""

import re
from collections.abc import Iterable, Iterator

from engine.lexer import Token

_NAME = r"""(?:"(?P<double>[^"]+)"|`(?P<back>[^`]+)`|\[(?P<square>[^\]]+)\]|(?P<bare>[^\s,;()"`\[\]]*[^\s,;:.()"`\[\]]))"""
"""A bare name goes as far as it can: half of `user-id`, or of `shop.users`, would be the name of something else."""
_ANNOTATION = re.compile(
    r"(?:renamed\s+from\s*:\s*|@renamed\s+from\s*=\s*|atlas:renamed_from\s+)" + _NAME, re.IGNORECASE
)


def old_name(comments: Iterable[Token]) -> str:
    """The old name that one of *comments* tells, or empty. The annotation must begin the comment (or a line of it)."""
    for comment in comments:
        for line in comment_lines(comment):
            if found := _ANNOTATION.match(line):
                return next(group for group in found.groups() if group)
    return ""


def comment_lines(comment: Token) -> Iterator[str]:
    """The lines of a comment, bare of what makes them a comment."""
    text = comment.text.removeprefix("--").removeprefix("#").removeprefix("/*").removesuffix("*/")
    for line in text.splitlines():
        yield line.strip().lstrip("*").strip()
