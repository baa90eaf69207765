"""The desired schema: its statements, loaded and read back, and where each of its pieces stands in the files."""

from collections.abc import Iterable, Sequence

from engine.errors import BadFiles
from engine.files import Statement
from engine.sqlite.catalog import Catalog
from engine.sqlite.planning.scratch import Scratch, broken
from engine.sqlite.spec import HELPER_MARK, OWN_PREFIX
from engine.table_text import Element, TableText, read_table_text


class Desired:
    """What the files say. BadFiles when SQLite does not take them."""

    def __init__(self, statements: Sequence[Statement], foreign: Iterable[str]) -> None:
        _refuse_our_names(statements)
        self._by_name = {(s.kind == "trigger", s.name.lower()): s for s in statements}
        self.scratch = Scratch()
        self.scratch.load_files(statements, foreign)
        self.catalog: Catalog = self.scratch.catalog()

    def close(self) -> None:
        """Give the memory back."""
        self.scratch.close()

    def statement(self, name: str, *, trigger: bool = False) -> Statement | None:
        """The CREATE statement of a table, view or index (or of a trigger)."""
        return self._by_name.get((trigger, name.lower()))

    def text(self, table: str) -> TableText | None:
        """The CREATE TABLE text of *table*, taken apart; None for views and virtual tables."""
        statement = self.statement(table)
        return read_table_text(statement.text) if statement and statement.kind == "table" else None

    def element(self, table: str, column: str) -> Element | None:
        """The definition of a column."""
        text = self.text(table)
        return text.column(column) if text else None

    def line(self, name: str, column: str = "") -> tuple[str, int]:
        """File and line of a table, view or index, or of one of its columns; ("", 0) when it is not in the files."""
        statement = self.statement(name)
        if statement is None:
            return ("", 0)
        element = self.element(name, column) if column else None
        return (statement.source.file, statement.line(element.start if element else 0))

    def refuse_broken(self, known: dict[tuple[str, str], str]) -> list[tuple[str, str, str]]:
        """BadFiles for views and triggers that would not work, but for those in *known* (broken live with the same text).

        Returns the known ones, as (kind, name, reason).
        """
        old, problems = [], []
        for (kind, name), reason in broken(self.scratch.connection, self.catalog).items():
            if (kind, name) in known:
                old.append((kind, name, reason))
                continue
            statement = self.statement(name, trigger=kind == "trigger")
            at = statement.where() if statement else name
            problems.append(f"{at}: {kind} {name} would not work: {reason}")
        if problems:
            raise BadFiles(problems)
        return old


def _refuse_our_names(statements: Sequence[Statement]) -> None:
    problems = [
        f"{s.where()}: the name {s.name} is reserved: names with {HELPER_MARK} in them or {OWN_PREFIX} before them are ours"
        for s in statements
        if HELPER_MARK in s.name.lower() or s.name.lower().startswith(OWN_PREFIX)
    ]
    if problems:
        raise BadFiles(problems)
