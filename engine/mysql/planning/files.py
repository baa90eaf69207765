"""Desired schema files of MySQL and MariaDB, cut into CREATE TABLE and CREATE INDEX statements; the rest is refused, and why.

What mysqldump --no-data writes around its tables is passed over where it cannot mean anything for the schema: settings of its own
session, and the DROP TABLE IF EXISTS of a table that the next statement creates.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from engine.errors import BadFiles
from engine.files import Piece, Source, Statement
from engine.lexer import MYSQL, Kind, Token, mysql_dialect, token_of
from engine.misplaced import misplaced
from engine.mysql.flavour import Flavour
from engine.mysql.planning.heads import Head, Misfit, harmless_setting, refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """A table as the files define it: its CREATE TABLE and the CREATE INDEXes on it, in the order they stand."""

    table: Statement
    indexes: tuple[Statement, ...] = ()

    @property
    def statements(self) -> tuple[Statement, ...]:
        """In the order to run them."""
        return (self.table, *self.indexes)


def parse_groups(
    files: Mapping[str, str],
    *,
    namespace: str,
    own_names: Sequence[str],
    flavour: Flavour,
    label: str = "",
) -> list[Group]:
    """The tables of one namespace's *files*, sorted by name. BadFiles tells every problem at once.

    *own_names*: what may stand before a table's name with a dot. *label*: what is put before the names of files in messages.
    """
    problems: list[str] = []
    found: list[Statement] = []
    names = {flavour.folded(name) for name in (namespace, *own_names)}
    for file in sorted(files):
        if not file.lower().endswith(".sql"):
            problems.append(f"{label}{file}:1:1: only .sql files are understood")
            continue
        reading = _Reading(Source.of(label + file, files[file]), names, flavour, problems)
        found += reading.statements()
    groups = _grouped(found, flavour, problems)
    if problems:
        raise BadFiles(problems)
    return groups


class _Reading:
    """One file on its way into statements."""

    def __init__(self, source: Source, names: Collection[str], flavour: Flavour, problems: list[str]) -> None:
        self._source = source
        self._names = names
        self._flavour = flavour
        self._problems = problems

    def statements(self) -> list[Statement]:
        found: list[Statement] = []
        pieces = list(self._pieces())
        for at, piece in enumerate(pieces):
            try:
                if self._passed_over(piece, pieces[at + 1 :]):
                    # What stands above is about the table that comes.
                    for following in pieces[at + 1 : at + 2]:
                        following.comments = [*piece.comments, *following.comments]
                else:
                    found.append(self._statement(piece))
            except Misfit as misfit:
                self._problems.append(f"{self._source.where(misfit.offset)}: {misfit.reason}")
        if not self._problems:
            self._problems += misplaced(self._source, found, MYSQL)
        return found

    def _pieces(self) -> Iterator[Piece]:
        piece = Piece()
        closed: Piece | None = None
        for token, ends in self._tokens():
            if token.kind is Kind.COMMENT:
                piece.take_comment(token)
            elif ends:
                if piece.found:
                    yield (closed := piece.close(token.start))
                    piece = Piece()
            else:
                if not piece.found:
                    piece.give_back(self._source, closed, token)
                piece.take(token)
                if token.kind is Kind.BAD:
                    break  # nothing behind an open quote can be told apart
        if piece.found:
            yield piece.close(len(self._source.text))
        else:
            piece.give_back(self._source, closed, None)

    def _tokens(self) -> Iterator[tuple[Token, bool]]:
        """The tokens without spaces, and whether a token ends a statement."""
        text, at, delimiter, fresh = self._source.text, 0, ";", True
        while at < len(text):
            match = mysql_dialect(delimiter).pattern.match(text, at)
            assert match is not None
            token = token_of(match)
            at = token.end
            if fresh and token.word == "DELIMITER":
                line = text[at:].split("\n", 1)[0]
                delimiter, at = line.strip() or ";", at + len(line)
            elif token.text == delimiter:
                fresh = True
                yield token, True
            elif token.kind is Kind.SPACE and not token.text.startswith("/*"):
                continue
            elif token.kind is Kind.SPACE:
                self._check_version(token)
            else:
                fresh = fresh and token.kind is Kind.COMMENT
                yield token, False

    def _check_version(self, mark: Token) -> None:
        """A version comment that this server would pass over is a part of the files that would be ignored."""
        if not _is_run(mark.text, self._flavour):
            self._problems.append(
                f"{self._source.where(mark.start)}: {self._flavour} passes over what stands in {mark.text} … */: "
                "take the marks or all of it away"
            )

    def _passed_over(self, piece: Piece, following: Sequence[Piece]) -> bool:
        words = [token.word for token in piece.found[:4]]
        if words[0] == "SET":
            reason = harmless_setting(piece.found)
            if reason:
                raise Misfit(reason, piece.found[0].start)
            return True
        if words == ["DROP", "TABLE", "IF", "EXISTS"] and len(piece.found) == 5:
            creating = next((other for other in following if other.found[0].word != "SET"), None)
            return creating is not None and _creates(creating) == piece.found[4].name
        return False

    def _statement(self, piece: Piece) -> Statement:
        found = piece.found
        if bad := next((token for token in found if token.kind is Kind.BAD), None):
            raise Misfit(f"the quote {bad.text} is never closed", bad.start)
        first = found[0]
        if first.word != "CREATE":
            raise Misfit(refusal(first), first.start)
        head = Head(found, self._names, self._flavour)
        shape = head.read()
        text = self._source.text[first.start : found[-1].end]
        for token in shape.blanked:
            at = token.start - first.start
            text = text[:at] + " " * len(token.text) + text[at + len(token.text) :]
        open_marks = _open_marks(text)
        return Statement(
            kind=shape.kind,
            name=shape.name,
            table=shape.table,
            text=text + (" */" if open_marks else ""),
            start=first.start,
            source=self._source,
            comments=tuple(piece.comments),
        )


def _open_marks(text: str) -> bool:
    """Whether a version comment that began in *text* is not closed there."""
    if "/*" not in text:
        return False
    at = marks = 0
    while at < len(text):
        match = mysql_dialect(";").pattern.match(text, at)
        assert match is not None
        token = token_of(match)
        at = token.end
        if token.kind is Kind.SPACE:
            marks += token.text.startswith(("/*!", "/*M!")) - (token.text == "*/")
    return marks > 0


def _is_run(mark: str, flavour: Flavour) -> bool:
    number = int("".join(sign for sign in mark if sign.isdigit()) or 0)
    major, minor, patch = flavour.version
    if number > major * 10_000 + minor * 100 + patch:
        return False
    if flavour.mariadb:
        return not 50_700 <= number <= 99_999
    return "M" not in mark


def _creates(piece: Piece) -> str:
    """The table that the piece creates, empty when it is something else."""
    words = [token.word for token in piece.found[:2]]
    return piece.found[2].name if words == ["CREATE", "TABLE"] and len(piece.found) > 2 else ""


def _grouped(found: Sequence[Statement], flavour: Flavour, problems: list[str]) -> list[Group]:
    tables: dict[str, Statement] = {}
    indexes: dict[str, dict[str, Statement]] = {}
    for statement in found:
        if statement.kind == "table":
            _add(tables, flavour.folded(statement.name), statement, problems)
        else:
            on_table = indexes.setdefault(flavour.folded(statement.table), {})
            _add(on_table, statement.name.lower(), statement, problems)
    for name, strays in indexes.items():
        if name not in tables:
            problems += [
                f"{stray.where()}: index {stray.name} is on {stray.table}, which is not in the files"
                for stray in strays.values()
            ]
    return [
        Group(table=tables[name], indexes=tuple(indexes.get(name, {}).values())) for name in sorted(tables)
    ]


def _add(known: dict[str, Statement], key: str, statement: Statement, problems: list[str]) -> None:
    other = known.setdefault(key, statement)
    if other is not statement:
        problems.append(
            f"{statement.where()}: {statement.kind} {statement.name} is defined twice; the first is at {other.where()}"
        )
