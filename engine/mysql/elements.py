"""Read the lines of indexes and foreign keys of SHOW CREATE TABLE into records."""

from collections.abc import Sequence

from engine.mysql.shown import Piece, joined, pieces, solid_pieces, split_list, unquoted
from engine.mysql.tables import ForeignKey, Index, IndexPart

_KINDS = ("FULLTEXT", "SPATIAL", "VECTOR")


def index_of(name: str, line: str) -> Index:
    """The index that *line* defines."""
    found = list(pieces(line))
    start = next(at for at, piece in enumerate(found) if piece.text == "(")
    parts, end = split_list(found, start)
    words = [piece.word for piece in found]
    rest = [word for word in words[end + 1 :] if word]
    using = rest[rest.index("USING") + 1] if "USING" in rest else "BTREE"
    return Index(
        name=name,
        line=line,
        unique=words[0] in ("PRIMARY", "UNIQUE"),
        kind=words[0] if words[0] in _KINDS else using,
        parts=tuple(_part(part) for part in parts),
        visible="INVISIBLE" not in rest and "IGNORED" not in rest,
    )


def foreign_key_of(name: str, line: str, schema: str) -> ForeignKey:
    """The foreign key that *line* defines, in a table of *schema*."""
    found = solid_pieces(line)
    start = next(at for at, piece in enumerate(found) if piece.text == "(")
    columns, end = split_list(found, start)
    parent = unquoted(found[end + 2].text)
    if found[end + 3].text == ".":
        schema, parent = parent, unquoted(found[end + 4].text)
    start = next(at for at in range(end + 2, len(found)) if found[at].text == "(")
    parent_columns, _ = split_list(found, start)
    return ForeignKey(
        name=name,
        line=line,
        columns=_names(columns),
        parent_schema=schema,
        parent=parent,
        parent_columns=_names(parent_columns),
    )


def _names(parts: Sequence[Sequence[Piece]]) -> tuple[str, ...]:
    return tuple(unquoted(part[0].text) for part in parts)


def _part(part: Sequence[Piece]) -> IndexPart:
    descending = part[-1].word == "DESC"
    if part[0].kind != "name":
        expression = joined(part[:-1] if part[-1].word in ("ASC", "DESC") else part)
        return IndexPart(column=None, expression=expression, descending=descending)
    prefix = int(part[2].text) if len(part) > 2 and part[1].text == "(" else None
    return IndexPart(column=unquoted(part[0].text), prefix=prefix, descending=descending)
