"""Changes for the tests of the execution, made by the real planner when the rows ask for nothing special."""

from contextlib import closing
from pathlib import Path
from typing import Any

import apsw

from engine.base import Change, Job, Strategy, Target
from engine.sqlite.catalog import read_catalog
from engine.sqlite.changing.session import SqliteSession
from engine.sqlite.quoting import quote_name
from engine.sqlite.spec import HELPER_MARK, SHADOW_SUFFIX, IndexSpec, Rebuild, Step
from engine.sqlite.texts import with_index_name, with_table_name
from tests.engine.driving import Caller, drive

__all__ = ["Caller", "drive"]


def make(path: Path, *statements: str, wal: bool = True) -> Path:
    """A database file with these statements run in it."""
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute(f"PRAGMA journal_mode = {'wal' if wal else 'delete'}")
        with connection:
            for statement in statements:
                connection.execute(statement)
    return path


def rebuild_change(path: Path, desired: str, table: str, **overrides: Any) -> Change:
    """The online rebuild of *table* into what the SQL text *desired* makes of it (table, indexes, triggers)."""
    source = overrides.pop("source", table)
    with closing(apsw.Connection(str(path))) as live, closing(apsw.Connection(":memory:")) as wanted:
        before = read_catalog(live)
        wanted.execute(desired)
        after = read_catalog(wanted)
        old, new = before.get(source), after.get(table)
        assert old is not None
        assert new is not None
        rowid_key, key = _key(live, source)
        renames = overrides.pop("renames", {})  # new column → old column
        shadow = source + SHADOW_SUFFIX
        columns = tuple(
            (c.name, renames.get(c.name, c.name))
            for c in new.columns
            if not c.generated and old.column(renames.get(c.name, c.name)) is not None
        )
        back = {o: n for n, o in columns}
        rebuild = Rebuild(
            source=source,
            table=table,
            shadow=shadow,
            create=with_table_name(new.sql, shadow),
            columns=columns,
            key=key,
            new_key=tuple(back.get(column, column) for column in key),
            rowid_key=rowid_key,
            indexes=tuple(_index(part.name, part.sql, shadow) for part in new.indexes.values()),
            triggers=tuple(part.sql for part in new.triggers.values()),
        )
    step = Step(
        before=old.fingerprint, after=new.fingerprint, source=source, table=table, rebuild=rebuild,
        online=overrides.pop("online", True), statements=overrides.pop("statements", ()),
    )  # fmt: skip
    return change_of(step)


def statement_change(path: Path, table: str, *statements: str, after_sql: str | None = None) -> Change:
    """A change by plain statements; what they make of *table* is found by running them on a copy of the schema."""
    with closing(apsw.Connection(str(path))) as live, closing(apsw.Connection(":memory:")) as scratch:
        before = read_catalog(live).fingerprint(table)
        for (sql,) in live.execute(
            "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"
        ):
            scratch.execute(sql)
        for statement in statements:
            scratch.execute(statement)
        after = read_catalog(scratch).fingerprint(table)
    return change_of(Step(before=before, after=after, source=table, table=table, statements=statements))


def change_of(step: Step) -> Change:
    """The change that carries *step*."""
    return Change(
        namespace="main",
        table=step.table,
        change_type="alter",
        ddl="-- as in the test;",
        strategy=Strategy.ONLINE if step.online else Strategy.DIRECT,
        lock="none",
        spec=step.to_json(),
    )


def _key(connection: apsw.Connection, table: str) -> tuple[bool, tuple[str, ...]]:
    keys = connection.execute(
        "SELECT name, type FROM pragma_table_xinfo(?) WHERE pk ORDER BY pk", (table,)
    ).fetchall()
    without_rowid = connection.execute("SELECT wr FROM pragma_table_list WHERE name = ?", (table,)).get
    if len(keys) == 1 and str(keys[0][1]).upper() == "INTEGER" and not without_rowid:
        return True, (str(keys[0][0]),)
    return False, tuple(str(name) for name, _ in keys)


def _index(name: str, sql: str, shadow: str) -> IndexSpec:
    shadow_name = f"{name}{HELPER_MARK}n"
    on = sql.upper().index(" ON ") + 4
    body = sql[on:]
    return IndexSpec(
        name=name,
        sql=sql,
        shadow_name=shadow_name,
        shadow_sql=with_index_name(sql[:on] + quote_name(shadow) + body[body.index("(") :], shadow_name),
    )


def target(path: Path) -> Target:
    """The file as a target."""
    return Target(kind="sqlite", database="shop", environment="test", dsn=str(path))


def open_session(
    path: Path, fence: int = 1, apply_uid: str = "apply_a", *, may_make: bool = False
) -> SqliteSession:
    """A session on *path*."""
    job = Job(apply_uid=apply_uid, fence=fence, owner="host:1:test:worker-1", may_make=may_make)
    return SqliteSession(target(path), job)


def left_behind(path: Path) -> list[str]:
    """Names of everything of ours on the target (I8 wants none)."""
    with closing(apsw.Connection(str(path))) as connection:
        rows = connection.execute(
            "SELECT name FROM sqlite_schema WHERE name LIKE '%!_!_osc!_%' ESCAPE '!' OR name LIKE '!_schemabot!_%' ESCAPE '!'"
        ).fetchall()
        assert connection.execute("PRAGMA integrity_check").get == "ok"
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    return [str(name) for (name,) in rows]


def rows(path: Path, sql: str) -> list[tuple[Any, ...]]:
    """Rows of a query."""
    with closing(apsw.Connection(str(path))) as connection:
        return connection.execute(sql).fetchall()
