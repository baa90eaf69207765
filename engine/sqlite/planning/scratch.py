"""The place in memory where a schema is loaded, tried and compared; steps run here the simple way."""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import apsw

from engine.annotations import leads_back, without
from engine.errors import BadFiles, Refused
from engine.files import Statement
from engine.lexer import Kind, significant
from engine.sqlite.catalog import Catalog, Relation, read_catalog
from engine.sqlite.quoting import quote_name, quote_names
from engine.sqlite.spec import Rebuild, Step

_ORDER = {"table": 0, "virtual": 0, "view": 1, "index": 2, "trigger": 3}
_UNKNOWN = re.compile(r"no such (function|collation sequence): (.+)\Z")


def blank() -> apsw.Connection:
    """An empty database in memory, foreign keys off as on the target."""
    connection = apsw.Connection(":memory:")
    connection.execute("PRAGMA foreign_keys = OFF")
    return connection


def stand_in(connection: apsw.Connection, error: apsw.SQLError) -> str:
    """Make the function or collation that *error* misses, so that texts of an application that brings its own can load.

    Returns `function name` or `collation name`, empty when the error is another one.
    """
    found = _UNKNOWN.search(str(error))
    if found is None:
        return ""
    name = found.group(2)
    if found.group(1) == "function":
        connection.create_scalar_function(name, lambda *_: None, -1, deterministic=True)
        return f"function {name}"
    connection.create_collation(name, lambda one, other: (one > other) - (one < other))
    return f"collation {name}"


def load_text(connection: apsw.Connection, sql: str) -> list[str]:
    """Run one CREATE statement; what it misses of its application is stood in for, and returned."""
    made: list[str] = []
    while True:
        try:
            connection.execute(sql)
        except apsw.SQLError as error:
            missing = stand_in(connection, error)
            if not missing or missing in made:
                raise
            made.append(missing)
        else:
            return made


class Scratch:
    """A schema in memory. Its catalogue is read one table at a time, for speed."""

    def __init__(self) -> None:
        self.connection = blank()
        self.foreign: list[str] = []  # functions and collations only the application has

    def close(self) -> None:
        """Give the memory back."""
        self.connection.close()

    def load_live(self, live: Catalog) -> None:
        """Load the live schema. Refused when SQLite cannot make one of its objects again."""
        with self.connection:
            for sql in _texts_in_order(live):
                try:
                    self.foreign += load_text(self.connection, sql)
                except apsw.SQLError as error:
                    raise Refused(f"the live schema cannot be made again: {error}\n{sql}") from error

    def load_files(self, statements: Sequence[Statement], foreign: Iterable[str] = ()) -> None:
        """Load the desired schema. BadFiles, with the place of every statement that SQLite does not take."""
        for missing in foreign:
            kind, _, name = missing.partition(" ")
            stand_in(
                self.connection,
                apsw.SQLError(
                    f"no such {'function' if kind == 'function' else 'collation sequence'}: {name}"
                ),
            )
        problems = []
        with self.connection:
            for statement in sorted(statements, key=lambda s: _ORDER[s.kind]):
                try:
                    self.connection.execute(without(statement.text, leads_back))
                except apsw.Error as error:
                    problems.append(f"{place_of(statement, error)}: {error}")
        if problems:
            raise BadFiles(problems)

    def catalog(self) -> Catalog:
        """All of it."""
        return read_catalog(self.connection)

    def get(self, name: str) -> Relation | None:
        """One table or view."""
        return read_catalog(self.connection, [name]).get(name)

    def fingerprint(self, name: str) -> str | None:
        """Digest of one table or view."""
        found = self.get(name)
        return found.fingerprint if found else None

    @contextmanager
    def trial(self) -> Iterator[None]:
        """Whatever is done inside is undone."""
        self.connection.execute("SAVEPOINT trial")
        try:
            yield
        finally:
            if not self.connection.get_autocommit():
                self.connection.execute("ROLLBACK TO trial")
                self.connection.execute("RELEASE trial")

    def run(self, step: Step) -> None:
        """Run *step* whole, in one transaction."""
        run_step(self.connection, step)


def place_of(statement: Statement, error: apsw.Error) -> str:
    """Where in the file *error* points; the statement's beginning when it does not say."""
    offset = getattr(error, "error_offset", -1)
    if offset is None or offset < 0:
        return statement.where()
    return statement.where(len(statement.text.encode()[:offset].decode(errors="ignore")))


def _texts_in_order(catalog: Catalog) -> list[str]:
    tables = [relation for relation in catalog if relation.kind != "view"]
    views = [relation for relation in catalog if relation.kind == "view"]
    return [
        *(relation.sql for relation in (*tables, *views)),
        *(part.sql for relation in tables for part in relation.indexes.values()),
        *(part.sql for relation in (*tables, *views) for part in relation.triggers.values()),
    ]


def run_step(connection: apsw.Connection, step: Step) -> None:
    """Run *step* the simple way: everything in one transaction, the whole table copied by one statement."""
    try:
        with connection:
            if step.rebuild is not None:
                _rebuild(connection, step.rebuild)
            for statement in step.statements:
                connection.execute(statement)
    finally:
        connection.execute("PRAGMA legacy_alter_table = OFF")  # no rollback takes it back


def _rebuild(connection: apsw.Connection, rebuild: Rebuild) -> None:
    for statement in rebuild_statements(rebuild):
        connection.execute(statement)
        if statement == rebuild.create:
            for index in rebuild.indexes:  # the texts the online way uses must work too
                connection.execute(index.shadow_sql)
                connection.execute(f"DROP INDEX {quote_name(index.shadow_name)}")
        elif statement.startswith("INSERT"):
            _carry_sequence(connection, rebuild)


def rebuild_statements(rebuild: Rebuild) -> list[str]:
    """The rebuild as plain SQL, in order: what a reviewer reads and what runs on small tables."""
    new = quote_names([new for new, _ in rebuild.columns])
    old = quote_names([old for _, old in rebuild.columns])
    shadow, source = quote_name(rebuild.shadow), quote_name(rebuild.source)
    fill = f"INSERT INTO {shadow} ({new}) SELECT {old} FROM {source}" if rebuild.columns else ""  # noqa: S608
    return [
        rebuild.create,
        *([fill] if fill else []),
        f"DROP TABLE {source}",
        "PRAGMA legacy_alter_table = ON",
        f"ALTER TABLE {shadow} RENAME TO {quote_name(rebuild.table)}",
        "PRAGMA legacy_alter_table = OFF",
        *(index.sql for index in rebuild.indexes),
        *rebuild.triggers,
    ]


def _carry_sequence(connection: apsw.Connection, rebuild: Rebuild) -> None:
    """Take over the AUTOINCREMENT counter: ids of deleted rows must not come back."""
    known = connection.execute("SELECT count(*) FROM sqlite_schema WHERE name = 'sqlite_sequence'").get
    if not known:
        return
    counter = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (rebuild.source,)).get
    if counter is not None and "AUTOINCREMENT" in {token.word for token in significant(rebuild.create)}:
        connection.execute("DELETE FROM sqlite_sequence WHERE name = ?", (rebuild.shadow,))
        connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES (?, ?)", (rebuild.shadow, counter))


class Mentions:
    """Which views and triggers may feel a change of a table: by the names in their texts, through views of views."""

    def __init__(self, catalog: Catalog) -> None:
        self._words = {
            relation.name.lower(): _words([relation.sql] if relation.kind == "view" else [])
            | _words([trigger.sql for trigger in relation.triggers.values()])
            for relation in catalog
            if relation.kind == "view" or relation.triggers
        }

    def of(self, names: Iterable[str]) -> set[str]:
        """Lower-case names of the views, and of the tables with triggers, that mention one of *names* or are one."""
        reached = {name.lower() for name in names}
        found: set[str] = set()
        while True:
            more = {
                name
                for name, words in self._words.items()
                if name not in found and (name in reached or words & reached)
            }
            if not more:
                return found
            found |= more
            reached |= more


def _words(texts: Iterable[str]) -> set[str]:
    return {
        token.name.lower()
        for text in texts
        for token in significant(text)
        if token.kind in (Kind.WORD, Kind.QUOTED, Kind.STRING)
    }


def broken(connection: apsw.Connection, relations: Iterable[Relation]) -> dict[tuple[str, str], str]:
    """Views that cannot be read and triggers that cannot fire: (kind, name) → SQLite's reason."""
    found: dict[tuple[str, str], str] = {}
    for relation in relations:
        if relation.kind == "view":
            reason = _compiles(connection, f"SELECT * FROM {quote_name(relation.name)}")  # noqa: S608
            if reason:
                found["view", relation.name] = reason
                continue
        if relation.triggers:
            found.update(_broken_triggers(connection, relation))
    return found


def _broken_triggers(connection: apsw.Connection, relation: Relation) -> dict[tuple[str, str], str]:
    name = quote_name(relation.name)
    columns = [
        str(column)
        for column, hidden in connection.execute(
            "SELECT name, hidden FROM pragma_table_xinfo(?)", (relation.name,)
        )
        if hidden == 0
    ]
    sets = ", ".join(f"{quote_name(column)} = NULL" for column in columns)
    statements = {
        "insert": f"INSERT INTO {name} DEFAULT VALUES",
        "delete": f"DELETE FROM {name}",  # noqa: S608
        "update": f"UPDATE {name} SET {sets}",  # noqa: S608
    }
    found = {}
    for trigger in relation.triggers.values():
        event = next((word for word in trigger.form.split() if word in statements), "delete")
        reason = _compiles(connection, statements[event])
        if reason:
            found["trigger", trigger.name] = reason
    return found


def _compiles(connection: apsw.Connection, sql: str) -> str:
    """Empty when *sql* compiles, else why not."""
    try:
        connection.execute("EXPLAIN " + sql).close()
    except apsw.SQLError as error:
        return str(error)
    return ""
