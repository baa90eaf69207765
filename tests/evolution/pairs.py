"""The strategy: pairs of schemas, the second made of the first by changes, with rows of the first."""

from collections.abc import Iterator
from random import Random

from hypothesis import strategies as st

from engine.mysql.quoting import quote_name, quote_names
from tests.evolution.changing import Changing
from tests.evolution.choosing import Choosing, Draw
from tests.evolution.drawing import Drawing
from tests.evolution.model import AnyColumn, AnySchema, AnyTable
from tests.evolution.pair import Kept, Pair

MOST_ROWS = 40
EDGE, NULL = 25, 12
"""How many of a hundred values are at an edge, and NULL where that may be."""


@st.composite
def pairs(draw: Draw, flavour: str) -> Pair:
    """Of schemas that a server of that flavour mostly takes."""
    choose = Choosing(draw, flavour)
    drawing = Drawing(choose)
    before = drawing.schema()
    after = Changing(drawing).changed(before)
    return Pair(
        before=tuple(before.statements()),
        rows=tuple(row for table in _parents_first(before) for row in _rows(choose, table)),
        desired=tuple(after.statements(before)),
        kept=tuple(_kept(before, after)),
        online=choose.chance(80),
    )


def _parents_first(schema: AnySchema) -> list[AnyTable]:
    """As far as foreign keys let one say so."""
    return sorted(schema.tables, key=lambda table: len(table.foreign_keys))


def _rows(choose: Choosing, table: AnyTable) -> Iterator[str]:
    columns = [column for column in table.columns if not column.computed]
    into = f"INSERT IGNORE INTO {quote_name(table.name)} ({quote_names(column.name for column in columns)})"
    for _ in range(choose.between(0, choose.among((3, 12, MOST_ROWS)))):
        random = Random(choose.between(0, 9999))
        yield f"{into} VALUES ({', '.join(_value(random, column) for column in columns)})"


def _value(random: Random, column: AnyColumn) -> str:
    where = random.randrange(100)
    if column.nullable and where < NULL:
        return "NULL"
    if column.kind.edges and where >= 100 - EDGE:
        return random.choice(column.kind.edges)
    return column.kind.counted.format(random.randint(1, 28))


def _kept(before: AnySchema, after: AnySchema) -> Iterator[Kept]:
    """Values that nobody asked to lose: of columns that stay, and are not computed."""
    for old in before.tables:
        new = after.table(old.uid)
        for column in old.columns if new else ():
            now = new.column(column.uid) if new else None
            if new and now and not (column.computed or now.computed):
                yield (old.name, column.name), (new.name, now.name)
