"""The desired tables of one schema: made from the files on the server, read back, and where each of their pieces stands.

What the server made of a group of statements is cached for the next plan: it depends on nothing but the statements, the kind of
server and the session's settings.
"""

import hashlib
import re
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from engine.annotations import leads_back, managed_elsewhere, old_name, partitions_split_off
from engine.errors import BadFiles
from engine.files import Statement
from engine.lexer import MYSQL, Token, significant
from engine.mysql.planning.files import Group
from engine.mysql.planning.insistence import remedy
from engine.mysql.planning.rewriting import as_spelled
from engine.mysql.planning.scratch import Scratch, Stage, explained
from engine.mysql.planning.unkept import unkept
from engine.mysql.planning.untold import lost_character
from engine.mysql.tables import ForeignKey, Table
from engine.mysql.trouble import ServerRefused
from engine.table_text import read_table_text


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A schema of the plan: its namespace in the files, its real name, its defaults."""

    namespace: str
    schema: str
    charset: str
    collation: str
    any_case: bool
    """Names of schemas that differ in upper and lower case only are the same; `schema` is the one in lower case."""

    def named(self, schema: str) -> str:
        """The real name of what the files call *schema*."""
        if not self.any_case:
            return self.schema if schema == self.namespace else schema
        lower = schema.lower()
        return self.schema if lower == self.namespace.lower() else lower


MOST_CACHED = 8 << 20
"""Characters of canonical text. A table takes about eleven times its text (measured): some 90 MiB of memory a target."""


class TableCache:
    """Tables that texts were found to make (several: by and by), the last used ones; safe to share between threads."""

    def __init__(self, most: int = MOST_CACHED) -> None:
        """*most*: so many characters the texts of all tables may have."""
        self._most = most
        self._filled = 0
        self._tables: OrderedDict[str, tuple[Table, ...]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> tuple[Table, ...] | None:
        """What is cached under *key*."""
        with self._lock:
            if key in self._tables:
                self._tables.move_to_end(key)
            return self._tables.get(key)

    def put(self, key: str, tables: tuple[Table, ...]) -> None:
        """Keep it, and let go of what was not used for longest."""
        with self._lock:
            if key in self._tables:
                return  # of the same texts
            self._tables[key] = tables
            self._filled += _characters(tables)
            while self._filled > self._most:
                self._filled -= _characters(self._tables.popitem(last=False)[1])


def _characters(tables: tuple[Table, ...]) -> int:
    return sum(len(table.text) for table in tables)


class Desired:
    """What the files of one namespace say."""

    def __init__(self, place: Place, groups: Sequence[Group], tables: Mapping[str, Table]) -> None:
        self.place = place
        self.tables = dict(tables)
        self._groups = {tables_name(group, tables): group for group in groups}

    def group(self, table: str) -> Group | None:
        """The statements of a table."""
        return self._groups.get(table)

    def text(self, table: str) -> str:
        """All that the files say of a table."""
        return "\n".join(statement.text for statement in self._groups[table].statements)

    def renamed_from(self, table: str, column: str = "") -> str:
        """The old name that the files tell of a table or of one of its columns, or empty."""
        return old_name(self._beside(table, column))

    def leads_back(self, table: str, column: str = "") -> bool:
        """Whether the files are those of a rollback, and tell of a rename that it takes back."""
        return leads_back(self._beside(table, column))

    def _beside(self, table: str, column: str) -> tuple[Token, ...]:
        statement = self._groups[table].table
        text = read_table_text(statement.text, MYSQL)
        if not column:
            return (*statement.comments, *text.comments)
        element = text.column(column)
        return element.comments if element else ()

    def partitions_split_off(self, table: str) -> frozenset[str]:
        """The partitions that were made of rows of others, where the files are those of a rollback."""
        return partitions_split_off(self._groups[table].table.comments)

    def partitions_elsewhere(self, table: str) -> bool:
        """Whether the files say that somebody else looks after the partitions."""
        group = self._groups[table]
        return managed_elsewhere([*group.table.comments, *_comments(group.table.text)])

    def locate(self, table: str, name: str) -> tuple[str, int]:
        """File and line of a table, or of a column, index or foreign key of it; ("", 0) when it is in no file."""
        group = self._groups.get(table)
        if group is None:
            return ("", 0)
        offset, statement = _find(group, name) if name else (0, group.table)
        return (statement.source.file, statement.line(offset))

    def where(self, table: str, name: str = "") -> str:
        """`file:line:column` of the same."""
        group = self._groups[table]
        offset, statement = _find(group, name) if name else (0, group.table)
        return statement.where(offset)


def tables_name(group: Group, tables: Mapping[str, Table]) -> str:
    """The name under which the server has the group's table (it may not know upper case)."""
    return group.table.name if group.table.name in tables else group.table.name.lower()


def load_desired(
    scratch: Scratch,
    places: Mapping[str, Place],
    groups: Mapping[str, Sequence[Group]],
    live: Mapping[str, Mapping[str, Table]],
    cached: TableCache,
) -> dict[str, Desired]:
    """The desired tables of every schema in *places* (by its real name), of the *groups* of that schema.

    *live*: the tables that are there. What a file says in the very words that the server has for one of them is that table, and
    is not made again; nor is what *cached* has. BadFiles tells everything that the server does not take.
    """
    stage: Stage | None = None
    problems: list[str] = []
    found: dict[str, dict[str, Table]] = {}
    for schema, place in sorted(places.items()):
        keys = {group.table.name: _key(scratch, place, group) for group in groups[schema]}
        tables = {name: known[0] for name, key in keys.items() if (known := cached.get(key)) is not None}
        tables |= {
            group.table.name: table for group in groups[schema] if (table := _same(group, live[schema]))
        }
        missing = [group for group in groups[schema] if group.table.name not in tables]
        if missing:
            stage = stage or Stage(scratch, {s: (p.charset, p.collation) for s, p in places.items()})
            made = _make(scratch, stage, place, missing, problems)
            for name, table in made.items():
                cached.put(keys[name], (table,))
            tables |= made
        found[schema] = {table.name: table for _, table in sorted(tables.items())}
    if problems:
        raise BadFiles(problems)
    spelled = {
        schema: {name: _spelled(table, live[schema].get(name), found) for name, table in tables.items()}
        for schema, tables in found.items()
    }
    desired = {schema: Desired(places[schema], groups[schema], spelled[schema]) for schema in sorted(places)}
    _refuse_orphans(desired, live)
    return desired


def _spelled(table: Table, now: Table | None, parents: Mapping[str, Mapping[str, Table]]) -> Table:
    """With what its foreign keys refer to spelled as it will be live, whichever table was made first here. A table that was made
    live before its parent has the files' spelling for good: as long as nothing changes it stays.
    """
    return table if now is not None and now.text == table.text else as_spelled(table, parents)


def _same(group: Group, live: Mapping[str, Table]) -> Table | None:
    """The live table whose canonical text is all that the group says."""
    table = live.get(group.table.name)
    said = table is not None and len(group.statements) == 1 and group.table.text.strip() == table.text
    return table if said else None


def _key(scratch: Scratch, place: Place, group: Group) -> str:
    parts = [
        str(scratch.flavour), scratch.files_mode, scratch.default_engine, place.schema, place.namespace, place.charset,
        place.collation, *(statement.text for statement in group.statements),
    ]  # fmt: skip
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def _make(
    scratch: Scratch, stage: Stage, place: Place, groups: Iterable[Group], problems: list[str]
) -> dict[str, Table]:
    tried = []
    stage.select(place.schema)
    with scratch.reading_files():
        for group in groups:
            statement = group.table
            try:
                for statement in group.statements:
                    scratch.link.run(_referring(statement.text, place, stage))
                tried.append(group)
            except ServerRefused as refused:
                said = stage.said(explained(scratch.link, refused))
                problems.append(_problem(statement, said + remedy(refused)))
    there = stage.read_all(place.schema)
    made: dict[str, Table] = {}
    for group in tried:
        table = there.get(group.table.name) or there.get(group.table.name.lower())
        if table is None:
            problems.append(
                f"{group.table.where()}: this makes no ordinary table, which is all that can be managed"
            )
        elif lost := lost_character(group.statements, table) or unkept(group.statements, table):
            problems.append(lost)
        else:
            made[group.table.name] = table
    return made


def _referring(text: str, place: Place, stage: Stage) -> str:
    """*text* with the schemas that foreign keys refer to replaced by those on the stage."""
    if "REFERENCES" not in text.upper():
        return text
    pieces: list[str] = []
    last = 0
    found = significant(text, MYSQL)
    for at, token in enumerate(found[:-3]):
        if token.word == "REFERENCES" and found[at + 2].text == ".":
            schema = found[at + 1]
            pieces += [text[last : schema.start], stage.scratch_name(place.named(schema.name))]
            last = schema.end
    return "".join([*pieces, text[last:]])


def _problem(statement: Statement, said: str) -> str:
    """The server's words, at the line that it names."""
    line = re.search(r" at line (\d+)", said)
    if line is None:
        return f"{statement.where()}: {said}"
    at = statement.text.split("\n")
    offset = sum(len(one) + 1 for one in at[: int(line[1]) - 1])
    return f"{statement.where(min(offset, len(statement.text)))}: {said}"


def _refuse_orphans(desired: Mapping[str, Desired], live: Mapping[str, Mapping[str, Table]]) -> None:
    """A foreign key must refer to a table and columns that the files have too; or be there, to one that is not managed."""
    problems = []
    for files in desired.values():
        for table in files.tables.values():
            for key in table.foreign_keys:
                if key.parent_schema not in desired:
                    continue  # of a schema that is none of ours; the server will tell
                if _is_there(live, table, key):
                    continue
                parent = desired[key.parent_schema].tables.get(key.parent)
                lost = [c for c in key.parent_columns if parent is None or parent.column(c) is None]
                if parent is None:
                    what = f"table {key.parent}, which is not in the files"
                elif lost:
                    what = f"column {lost[0]} of {key.parent}, which it has not"
                else:
                    continue
                problems.append(
                    f"{files.where(table.name, key.name)}: foreign key {key.name} refers to {what}"
                )
    if problems:
        raise BadFiles(problems)


def _is_there(live: Mapping[str, Mapping[str, Table]], table: Table, key: ForeignKey) -> bool:
    """Whether the very foreign key is live, and no plan would drop what it refers to: a system-versioned table."""
    now = live[table.schema].get(table.name)
    return now is not None and key in now.foreign_keys and key.parent not in live[key.parent_schema]


def _comments(text: str) -> list[Token]:
    table = read_table_text(text, MYSQL)
    return [*table.comments, *(comment for element in table.elements for comment in element.comments)]


def _find(group: Group, name: str) -> tuple[int, Statement]:
    for index in group.indexes:
        if index.name.lower() == name.lower():
            return 0, index
    text = read_table_text(group.table.text, MYSQL)
    column = text.column(name)
    if column is not None:
        return column.start, group.table
    for element in text.elements:
        if not element.column and any(
            token.name.lower() == name.lower() for token in significant(element.text, MYSQL)[:6]
        ):
            return element.start, group.table
    return 0, group.table
