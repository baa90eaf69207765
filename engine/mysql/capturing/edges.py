"""Whether a TRUNCATE shows of which nothing else tells: at the first and the last row of a copy that is in step."""

from engine.mysql.link import Link
from engine.mysql.shadow.shape import Shape


def an_edge_is_gone(link: Link, shape: Shape) -> bool:
    """Whether the live table, nobody writing, lacks the shadow's first row or its last. All but a moment: for under locks."""
    for order in (shape.new_key.order, shape.new_key.order_back):
        edge = link.row(
            f"SELECT {shape.new_key.select_list_for(shape.key)} FROM {shape.shadow} {shape.new_key.hint} ORDER BY {order} LIMIT 1"
        )
        if edge is not None and not link.row(
            f"SELECT 1 FROM {shape.source} {shape.key.hint} WHERE {shape.key.among([tuple(map(str, edge))])}"
        ):
            return True
    return False
