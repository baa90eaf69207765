"""Random pairs of schemas with rows between them: whatever the change, it arrives, keeps the values, and plans as nothing."""

import os
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import apsw
import pytest
from hypothesis import HealthCheck, Phase, event, given, settings
from hypothesis import strategies as st

from engine.base import PlanResult, Severity
from engine.errors import Refused
from engine.sqlite.affinity import affinity
from engine.sqlite.catalog import Relation, read_catalog
from engine.sqlite.planning.planner import plan_sqlite
from engine.sqlite.quoting import quote_name, quote_names
from engine.sqlite.sizes import DIRECT_ROWS
from tests.engine.planning.rig import (
    assert_reached,
    by_the_engine,
    database,
    files,
    messages,
    migrate,
    rows,
    run,
)

COLUMNS = ("a", "b", "c", "Order", "e f")
TYPES = ("INTEGER", "TEXT", "REAL", "NUMERIC(10, 2)", "BLOB", "", "varchar(20)")
STRICT_TYPES = ("INTEGER", "TEXT", "REAL", "ANY")
VALUES = (None, 0, 1, 2, 7, -1, 1.5, 2.0, "x", "X", "y''", "12", "007", "1.50", b"\x01", "")
TABLES = ("one", "Two", "three")


@st.composite
def table(draw: st.DrawFn, name: str, tables: tuple[str, ...]) -> str:
    strict = draw(st.booleans())
    columns = draw(st.lists(st.sampled_from(COLUMNS), min_size=1, max_size=5, unique=True))
    elements = [_key(draw)] if (keyed := draw(st.booleans())) else []
    for column in columns:
        elements.append(_column(draw, column, strict))
    if draw(st.booleans()):
        elements.append(
            f"{quote_name('made')} {'TEXT' if strict else ''} AS ({quote_name(columns[0])} || 'z') VIRTUAL"
        )
    if draw(st.integers(0, 3)) == 0:
        elements.append(f"UNIQUE ({quote_names(draw(st.permutations(columns))[:2])})")
    if draw(st.integers(0, 3)) == 0:
        parent = quote_name(draw(st.sampled_from(tables)))
        elements.append(f"FOREIGN KEY ({quote_name(columns[-1])}) REFERENCES {parent} (id) ON DELETE CASCADE")
    options = ["STRICT"] if strict else []
    if keyed and draw(st.integers(0, 3)) == 0 and "AUTOINCREMENT" not in elements[0]:
        options.append("WITHOUT ROWID")
    text = f"CREATE TABLE {quote_name(name)} (\n  " + ",\n  ".join(elements) + f"\n) {', '.join(options)};\n"
    return text + _parts(draw, name, columns)


def _key(draw: st.DrawFn) -> str:
    return draw(
        st.sampled_from(
            ["id INTEGER PRIMARY KEY", "id INTEGER PRIMARY KEY AUTOINCREMENT", "id TEXT NOT NULL PRIMARY KEY"]
        )
    )


def _column(draw: st.DrawFn, name: str, strict: bool) -> str:
    kind = draw(st.sampled_from(STRICT_TYPES if strict else TYPES))
    extra = draw(
        st.sampled_from(
            ["", "", "", " NOT NULL DEFAULT '3'", " DEFAULT 5", " NOT NULL", " COLLATE NOCASE",
             f" CHECK ({quote_name(name)} IS NULL OR {quote_name(name)} <> 7)", " UNIQUE", " DEFAULT CURRENT_TIMESTAMP"]
        )
    )  # fmt: skip
    comment = draw(st.sampled_from(["", " /* , ) a comment */"]))
    return f"{quote_name(name)} {kind}{extra}{comment}"


def _parts(draw: st.DrawFn, name: str, columns: list[str]) -> str:
    quoted, first = quote_name(name), quote_name(columns[0])
    parts = [
        f"CREATE INDEX {name}_i ON {quoted} ({first} DESC);",
        f"CREATE UNIQUE INDEX {name}_u ON {quoted} ({first}) WHERE {first} > 100;",
        f"CREATE INDEX {name}_e ON {quoted} (lower({first}));",
        f"CREATE TRIGGER {name}_t AFTER UPDATE ON {quoted} BEGIN SELECT CASE WHEN new.{first} = 1 THEN 2 END; END;",
        f"CREATE VIEW {name}_v AS SELECT {first}, 'x; --' AS lit FROM {quoted};",
    ]
    return "\n".join(draw(st.lists(st.sampled_from(parts), unique=True, max_size=3))) + "\n"


@st.composite
def schema(draw: st.DrawFn) -> str:
    tables = tuple(draw(st.lists(st.sampled_from(TABLES), max_size=3, unique=True)))
    return "\n".join(draw(table(name, tables)) for name in tables)


def seed(connection: apsw.Connection, data: st.DataObject) -> None:
    for relation in read_catalog(connection):
        if relation.kind != "table":
            continue
        columns = [c.name for c in relation.columns if not c.generated]
        values = st.tuples(*(st.sampled_from(VALUES) for _ in columns))
        for row in data.draw(st.lists(values, max_size=4)):
            marks = ", ".join("?" for _ in columns)
            try:
                connection.execute(
                    f"INSERT OR IGNORE INTO {quote_name(relation.name)} ({quote_names(columns)}) VALUES ({marks})",
                    row,
                )
            except (apsw.ConstraintError, apsw.MismatchError):
                continue  # the drawn row does not fit its table


def kept_columns(before: Relation, after: Relation) -> list[str]:
    """Columns on both sides whose values nothing converts."""
    return [
        old.name
        for old in before.columns
        if (new := after.column(old.name)) is not None
        and not old.generated
        and not new.generated
        and affinity(old, strict=before.strict) == affinity(new, strict=after.strict)
    ]


def values(connection: apsw.Connection, table: str, columns: list[str]) -> list[str]:
    return sorted(map(repr, rows(connection, f"SELECT {quote_names(columns)} FROM {quote_name(table)}")))


# Without shrinking: a failure is reported at once, whole, and the suite's time stays bounded.
@settings(
    max_examples=int(os.environ.get("PLANNING_EXAMPLES", "120")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=(Phase.explicit, Phase.generate),
    derandomize="PLANNING_EXAMPLES" not in os.environ,
)
@given(old=schema(), new=schema(), data=st.data())
@pytest.mark.parametrize(("execute", "direct_rows"), [(run, DIRECT_ROWS), (by_the_engine, 0)])
def test_any_change_that_is_not_blocked_runs_arrives_and_keeps_the_values(
    execute: Callable[[apsw.Connection, PlanResult], None],
    direct_rows: int,
    old: str,
    new: str,
    data: st.DataObject,
) -> None:
    """Run the simple way, and by the engine with everything online that can be."""
    with TemporaryDirectory() as folder, database(Path(folder), old) as connection:
        seed(connection, data)
        before = read_catalog(connection)

        result = plan_sqlite(connection, files(new), direct_rows=direct_rows)

        assert result == plan_sqlite(connection, files(new), direct_rows=direct_rows)
        wanted = plan_target(new)
        kept = {
            relation.name: columns
            for relation in before
            if relation.kind == "table"
            and (after := wanted.get(relation.name.lower())) is not None
            and (columns := kept_columns(relation, after))
            and not any(
                f'DROP TABLE "{relation.name}"' in message for message in messages(result, Severity.ERROR)
            )
        }
        values_before = {name: values(connection, name, columns) for name, columns in kept.items()}
        if result.blocked:
            event("blocked")
            if any(message.startswith("foreign key mismatch") for message in result.blocked):
                return  # blocked for what every later write would do, not for its rows
            with pytest.raises((apsw.ConstraintError, apsw.MismatchError, AssertionError, Refused)):
                _run_strictly(connection, result, execute)
            return
        event(f"changes: {len(result.changes)}")
        try:
            execute(connection, result)
        except Refused as refused:
            if not open_question(result, refused):
                raise
            return
        assert_reached(connection, new)
        for name, columns in kept.items():
            assert values(connection, name, columns) == values_before[name], name


def open_question(result: PlanResult, refused: Refused) -> bool:
    """Whether the rows refused what the plan had said it could not check."""
    unchecked = [message for message in messages(result, Severity.INFO) if "not checked" in message]
    return bool(unchecked) and "would have no parent" in str(refused)


def plan_target(text: str) -> dict[str, Relation]:
    connection = apsw.Connection(":memory:")
    connection.execute(text)
    return {relation.name.lower(): relation for relation in read_catalog(connection)}


def _run_strictly(
    connection: apsw.Connection, result: PlanResult, execute: Callable[[apsw.Connection, PlanResult], None]
) -> None:
    """What is blocked really fails: on its rows, or on its foreign keys."""
    before = _orphans(connection)
    execute(connection, result)
    assert not _orphans(connection) - before


def _orphans(connection: apsw.Connection) -> Counter[tuple[object, ...]]:
    """How many rows violate which foreign key (table, parent, columns)."""
    count: Counter[tuple[object, ...]] = Counter()
    for name in read_catalog(connection).names():
        with suppress(apsw.SQLError):  # "foreign key mismatch": the parent has no such unique key
            for table, _, parent, key in rows(connection, f"PRAGMA foreign_key_check({quote_name(name)})"):
                count[table, parent, columns_of(connection, name, key)] += 1
    return count


def columns_of(connection: apsw.Connection, table: str, key: object) -> tuple[object, ...]:
    """The child's columns of the foreign key number *key*."""
    found = rows(connection, f"PRAGMA foreign_key_list({quote_name(table)})")
    return tuple(row[3] for row in found if row[0] == key)


def test_two_changes_of_one_table_in_a_row_arrive(tmp_path: Path) -> None:
    with database(tmp_path, "CREATE TABLE t (a, b)", "INSERT INTO t VALUES (1, 2)") as connection:
        migrate(connection, "CREATE TABLE t (b, a TEXT);")
        migrate(connection, "CREATE TABLE t (a TEXT, b, c DEFAULT 3);")
        assert rows(connection, "SELECT a, b, c FROM t") == [("1", 2, 3)]
