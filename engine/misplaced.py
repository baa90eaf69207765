"""Comments in schema files that are not what they look like: annotations that nothing would heed, lines that do not end."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from engine.annotations import managed_elsewhere, old_names
from engine.errors import BadFiles
from engine.files import Source, Statement
from engine.lexer import SQLITE, Dialect, Kind, Token, tokens
from engine.table_text import read_table_text

_ANY = re.compile(r"renamed|schemabot|\r(?!\n)", re.IGNORECASE)


def refuse_misplaced(files: Mapping[str, str], statements: Sequence[Statement]) -> None:
    """BadFiles where SQLite's *files*, which the *statements* are from, have such comments."""
    problems = [
        problem
        for file in sorted(files)
        for problem in misplaced(
            Source.of(file, files[file]), [s for s in statements if s.source.file == file], SQLITE
        )
    ]
    if problems:
        raise BadFiles(problems)


def misplaced(source: Source, statements: Iterable[Statement], dialect: Dialect) -> list[str]:
    """What is wrong with the comments of a file that the *statements* are all of, each with its place."""
    if not _ANY.search(source.text):
        return []
    owners: dict[int, list[Token]] = {}  # by the offset of a comment: all those of the same table or column
    inside: set[int] = set()
    for statement in statements:
        within = _moved(tokens(statement.text, dialect), statement.start)
        inside.update(token.start for token in within)
        if statement.kind == "table":
            inside.update(token.start for token in statement.comments)
            for owner in _owners(statement, dialect):
                owners |= {comment.start: owner for comment in owner}
        else:
            owners |= {token.start: [] for token in within}  # of the code in a view or trigger
    found = []
    for token in tokens(source.text, dialect):
        if token.kind is Kind.COMMENT and (
            wrong := _wrong(token, owners.get(token.start), in_table=token.start in inside)
        ):
            found.append(f"{source.where(token.start)}: {wrong}")
    return found


def _owners(statement: Statement, dialect: Dialect) -> Iterator[list[Token]]:
    """The comments of the table, and those of each of its columns."""
    text = read_table_text(statement.text, dialect)
    yield [*statement.comments, *_moved(text.comments, statement.start)]
    for element in text.elements:
        if element.column:
            yield _moved(element.comments, statement.start)


def _moved(found: Iterable[Token], by: int) -> list[Token]:
    return [replace(token, start=token.start + by) for token in found]


def _wrong(comment: Token, owner: Sequence[Token] | None, *, in_table: bool) -> str:
    if not comment.text.startswith("/*") and "\r" in comment.text[:-1]:
        return "a carriage return alone ends no comment, so that more than one line is in this one: end lines with line feeds"
    if managed_elsewhere([comment]) and not in_table:
        return "this is beside no table: write it above its CREATE TABLE"
    names = old_names([comment])
    if not names or owner == []:
        return ""
    if "" in names:
        return "this tells no old name: write one name without a schema before it, in quotes if need be"
    if owner is None:
        return "this is beside no column and no table: write it beside the column, or above the CREATE TABLE"
    before = old_names([*(other for other in owner if other.start < comment.start), comment])
    if len({name.lower() for name in before}) > 1:
        return f"it is told to be renamed from {before[0]} and from {names[-1]}: leave the name that it has in the database"
    return ""
