"""Desired schema files cut into CREATE statements that know where they stand; everything else is refused, with a reason."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from engine.base import SchemaFiles
from engine.errors import BadFiles
from engine.lexer import SQLITE, Dialect, Kind, Token, tokens


@dataclass(frozen=True, slots=True)
class Source:
    """A file's text and its line breaks."""

    file: str
    text: str
    breaks: tuple[int, ...]

    @classmethod
    def of(cls, file: str, text: str) -> "Source":
        """The file, a byte order mark taken off."""
        text = text.removeprefix("\ufeff")
        return cls(file, text, tuple(at for at, sign in enumerate(text) if sign == "\n"))

    def line(self, offset: int) -> int:
        """Line of *offset*, from 1."""
        return bisect_right(self.breaks, offset - 1) + 1

    def where(self, offset: int) -> str:
        """`file:line:column` of *offset*."""
        line = self.line(offset)
        start = self.breaks[line - 2] + 1 if line > 1 else 0
        return f"{self.file}:{line}:{offset - start + 1}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One CREATE statement. `text` has the statement's own offsets: IF NOT EXISTS and `main.` are blanked, not cut."""

    kind: str  # table | virtual | index | view | trigger
    name: str
    table: str  # the table (or view) it belongs to; itself for tables and views
    text: str  # without the closing ;
    start: int  # offset in the source
    source: Source = field(repr=False)
    comments: tuple[Token, ...] = ()  # those above it, offsets in the source

    def where(self, offset: int = 0) -> str:
        """`file:line:column` of an offset in `text`."""
        return self.source.where(self.start + offset)

    def line(self, offset: int = 0) -> int:
        """Line in the file of an offset in `text`."""
        return self.source.line(self.start + offset)


def only_namespace(files: SchemaFiles) -> tuple[str, Mapping[str, str]]:
    """The one namespace of a database that has just one, whatever its name. BadFiles."""
    if len(files) != 1:
        named = ", ".join(sorted(files)) or "none"
        raise BadFiles([f"a SQLite database has exactly one namespace; the files have {named}"])
    return next(iter(files.items()))


def parse_files(files: Mapping[str, str], dialect: Dialect = SQLITE) -> list[Statement]:
    """The statements of all *files*, in the order of file names. BadFiles tells every problem at once."""
    found: list[Statement] = []
    problems: list[str] = []
    for file in sorted(files):
        if not file.lower().endswith(".sql"):
            problems.append(f"{file}:1:1: only .sql files are understood")
            continue
        _parse_file(Source.of(file, files[file]), dialect, found, problems)
    _find_duplicates(found, problems)
    if not problems:
        _find_strays(found, problems)
    if problems:
        raise BadFiles(problems)
    return found


class _Misfit(Exception):
    """A statement that is refused: the reason, and where."""

    def __init__(self, reason: str, offset: int) -> None:
        super().__init__(reason)
        self.reason = reason
        self.offset = offset


def _parse_file(source: Source, dialect: Dialect, found: list[Statement], problems: list[str]) -> None:
    pieces = list(_split(source, dialect))  # all of them first: comments may yet come beside the end of one
    for piece in pieces:
        try:
            found.append(_statement(source, piece))
        except _Misfit as misfit:
            problems.append(f"{source.where(misfit.offset)}: {misfit.reason}")


@dataclass(slots=True)
class Piece:
    """The tokens of one statement that mean something (its end left out), and the comments above it and beside its end."""

    found: list[Token] = field(default_factory=list)
    comments: list[Token] = field(default_factory=list)
    behind: list[Token] = field(default_factory=list)
    """Comments behind all of `found` as yet."""
    closed_at: int = 0

    def take(self, token: Token) -> None:
        """Add what means something."""
        self.behind.clear()
        self.found.append(token)

    def take_comment(self, token: Token) -> None:
        """Add a comment."""
        (self.behind if self.found else self.comments).append(token)

    def close(self, at: int) -> "Piece":
        """Itself, now that it ends at an offset."""
        self.comments += self.behind
        self.closed_at = at
        return self

    def give_back(self, source: Source, before: "Piece | None", following: Token | None) -> None:
        """Comments on the last line of the statement *before* are about that one, if nothing *following* is on that line."""
        if before is None:
            return
        last = source.line(before.closed_at)
        if following is None or source.line(following.start) != last:
            before.comments += [token for token in self.comments if source.line(token.start) == last]
            self.comments = [token for token in self.comments if source.line(token.start) != last]

    def is_trigger(self) -> bool:
        return "TRIGGER" in [token.word for token in self.found[1:3]]

    def complete(self) -> bool:
        """Whether a ; here ends the statement: inside a trigger only behind `; END`, which no CASE … END can look like."""
        if not self.is_trigger():
            return True
        return len(self.found) > 2 and self.found[-1].word == "END" and self.found[-2].text == ";"


def _split(source: Source, dialect: Dialect) -> Iterator[Piece]:
    piece = Piece()
    closed: Piece | None = None
    for token in tokens(source.text, dialect):
        if token.kind is Kind.SPACE:
            continue
        if token.kind is Kind.COMMENT:
            piece.take_comment(token)
        elif token.text == ";" and piece.complete():
            if piece.found:
                yield (closed := piece.close(token.start))
                piece = Piece()
        else:
            if not piece.found:
                piece.give_back(source, closed, token)
            piece.take(token)
            if token.kind is Kind.BAD:
                break  # nothing behind an open quote can be told apart
    if piece.found:
        yield piece.close(len(source.text))
    else:
        piece.give_back(source, closed, None)


_HINTS = {
    "a schema file holds no rows; move this to a script of your own": (
        "INSERT", "REPLACE", "UPDATE", "DELETE", "SELECT", "WITH", "VALUES",
    ),
    "remove it: the plan chooses its own transactions": (
        "BEGIN", "COMMIT", "ROLLBACK", "END", "SAVEPOINT", "RELEASE",
    ),
    "remove it: a setting is no schema (give it where the application connects)": ("PRAGMA",),
    "change the CREATE statement instead: files say what should be, not how to get there": ("ALTER",),
    "remove the CREATE statement instead: what is not in the files is dropped, after asking": ("DROP",),
    "remove it: upkeep is no schema": ("ANALYZE", "VACUUM", "REINDEX", "ATTACH", "DETACH", "EXPLAIN"),
}  # fmt: skip
_REFUSED = {word: hint for hint, words in _HINTS.items() for word in words}
_KINDS = {"TABLE": "table", "INDEX": "index", "VIEW": "view", "TRIGGER": "trigger"}


def _statement(source: Source, piece: Piece) -> Statement:
    found = piece.found
    for token in found:
        if token.kind is Kind.BAD:
            raise _Misfit(f"the quote {token.text} is never closed", token.start)
    first = found[0]
    if first.word in _REFUSED:
        raise _Misfit(f"{first.word} is not part of a schema: {_REFUSED[first.word]}", first.start)
    if first.text == ".":
        raise _Misfit("a command of the sqlite3 shell is not SQL: remove it", first.start)
    if first.word != "CREATE":
        raise _Misfit(f"not understood: near {first.text!r} (expected a CREATE statement)", first.start)
    head = _Head(found)
    kind = head.kind()
    blanked = head.skip_if_not_exists() + head.skip_qualifier()
    name = head.name()
    if kind == "table" and head.peek().word == "AS":
        raise _Misfit(
            "CREATE TABLE … AS SELECT leaves out types and constraints: write the columns", head.peek().start
        )
    table = head.owner() if kind in ("index", "trigger") else name
    end = found[-1].end
    text = source.text[first.start : end]
    for token in blanked:
        at = token.start - first.start
        text = text[:at] + " " * len(token.text) + text[at + len(token.text) :]
    return Statement(
        kind=kind, name=name, table=table, text=text, start=first.start, source=source, comments=tuple(piece.comments)
    )  # fmt: skip


class _Head:
    """Reads the head of a CREATE statement, token by token."""

    def __init__(self, found: Sequence[Token]) -> None:
        self._found = found
        self._at = 1

    def peek(self, ahead: int = 0) -> Token:
        at = self._at + ahead
        return self._found[at] if at < len(self._found) else Token(Kind.SIGN, "", self._found[-1].end)

    def _next(self) -> Token:
        token = self.peek()
        self._at += 1
        return token

    def kind(self) -> str:
        token = self._next()
        if token.word in ("TEMP", "TEMPORARY"):
            raise _Misfit("a temporary object belongs to a connection, not to the schema", token.start)
        if token.word == "UNIQUE" and self.peek().word == "INDEX":
            token = self._next()
        virtual = token.word == "VIRTUAL" and self.peek().word == "TABLE"
        if virtual:
            token = self._next()
        if token.word not in _KINDS:
            raise _Misfit(
                f"not understood: CREATE {token.text} (known: TABLE, [UNIQUE] INDEX, VIEW, TRIGGER)",
                token.start,
            )
        return "virtual" if virtual else _KINDS[token.word]

    def skip_if_not_exists(self) -> list[Token]:
        words = [self.peek(0), self.peek(1), self.peek(2)]
        if [token.word for token in words] != ["IF", "NOT", "EXISTS"]:
            return []
        self._at += 3
        return words

    def skip_qualifier(self) -> list[Token]:
        if self.peek(1).text != ".":
            return []
        schema = self.peek()
        if schema.name.lower() != "main":
            raise _Misfit(
                f"the qualifier {schema.text} names another schema; write the bare name", schema.start
            )
        self._at += 2
        return [schema, self.peek(-1)]

    def name(self) -> str:
        token = self._next()
        if token.kind not in (Kind.WORD, Kind.QUOTED, Kind.STRING) or not token.name:
            raise _Misfit(f"not understood: expected a name, not {token.text or 'the end'!r}", token.start)
        if token.name.lower().startswith("sqlite_"):
            raise _Misfit(f"the name {token.name} is reserved for SQLite itself", token.start)
        return token.name

    def owner(self) -> str:
        """The name behind ON (of an index or trigger)."""
        while self.peek().text and self.peek().word != "ON":
            if self.peek().word == "BEGIN":
                break
            self._at += 1
        if self.peek().word != "ON":
            raise _Misfit("not understood: ON and the name of a table are missing", self.peek().start)
        self._at += 1
        if self.peek(1).text == ".":
            raise _Misfit(
                "the table of an index or trigger takes no qualifier; write the bare name", self.peek().start
            )
        return self.name()


def _find_duplicates(found: Sequence[Statement], problems: list[str]) -> None:
    """Tables, views and indexes share one space of names; triggers have their own."""
    first: dict[tuple[bool, str], Statement] = {}
    for statement in found:
        key = (statement.kind == "trigger", statement.name.lower())
        other = first.setdefault(key, statement)
        if other is not statement:
            problems.append(
                f"{statement.where()}: {statement.kind} {statement.name} is defined twice; "
                f"the first ({other.kind}) is at {other.where()}"
            )


def _find_strays(found: Sequence[Statement], problems: list[str]) -> None:
    tables = {
        statement.name.lower(): statement.kind
        for statement in found
        if statement.kind not in ("index", "trigger")
    }
    for statement in found:
        owner = tables.get(statement.table.lower())
        if owner is None:
            problems.append(
                f"{statement.where()}: {statement.kind} {statement.name} is on {statement.table}, "
                f"which is not in the files"
            )
        elif statement.kind == "index" and owner != "table":
            problems.append(
                f"{statement.where()}: index {statement.name} is on the {owner} {statement.table}"
            )
