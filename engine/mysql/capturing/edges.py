"""Whether rows are gone of which nothing tells: shows at the first and the last row of two tables that are in step.

For under locks, where it must not take more than a moment. Where many rows at an end were just deleted it would, and is given up.
"""

from engine.mysql.link import Link
from engine.mysql.shadow.keys import Literals, RowKey
from engine.mysql.shadow.shape import Shape
from engine.mysql.trouble import TOOK_TOO_LONG, Tolerated

LOOK_MILLISECONDS = 100
"""Each vendor reads its own words."""
_SELECT = (
    f"/*M!100600 SET STATEMENT max_statement_time = {LOOK_MILLISECONDS / 1000} FOR */ "
    f"SELECT /*+ MAX_EXECUTION_TIME({LOOK_MILLISECONDS}) */"
)


def an_edge_is_gone(link: Link, shape: Shape) -> bool:
    """Whether the live table, nobody writing, lacks the shadow's first row or its last: a TRUNCATE of it shows so."""
    key, its = shape.key, shape.new_key
    for order in (its.order, its.order_back):
        edge = _edge(link, its.select_list_for(key), shape.shadow, its, order)
        if edge is not None and not _has(link, shape.source, key, edge):
            return True
    return False


def the_copy_lacks_an_edge(link: Link, shape: Shape) -> bool:
    """The same the other way round."""
    orders = (shape.key.order, shape.key.order_back)
    return any(_copy_lacks(link, shape, order) for order in orders)


def the_copy_lacks_the_first_row(link: Link, shape: Shape) -> bool:
    """The same of the first row, which seldom is a new one: also where writers go on."""
    return _copy_lacks(link, shape, shape.key.order)


def _copy_lacks(link: Link, shape: Shape, order: str) -> bool:
    edge = _edge(link, shape.key.select_list, shape.source, shape.key, order)
    return edge is not None and not _has(link, shape.shadow, shape.new_key, edge)


def _edge(link: Link, told: str, table: str, key: RowKey, order: str) -> Literals | None:
    """The first key of *table* in *order*; None: there is none, or the look took too long."""
    with Tolerated(*TOOK_TOO_LONG):
        row = link.row(f"{_SELECT} {told} FROM {table} {key.hint} ORDER BY {order} LIMIT 1")
        return None if row is None else tuple(map(str, row))
    return None


def _has(link: Link, table: str, key: RowKey, value: Literals) -> bool:
    return link.row(f"SELECT 1 FROM {table} {key.hint} WHERE {key.among([value])}") is not None
