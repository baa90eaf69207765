"""A number for a row, computed by the server in both tables, that is equal when what was copied is equal.

The source's value is first turned into what storing it in the new column gives. A conversion that is not known here is left to
the strict mode under which rows are copied: of such a column only NULL is compared.
"""

from engine.mysql.members import in_members, reads_alike
from engine.mysql.quoting import quote_name
from engine.mysql.shadow.shape import Shape
from engine.mysql.tables import Column

_WHOLE = frozenset({"whole", "year"})
_CODED = frozenset({"uuid", "inet4", "inet6"})
"""An empty text cannot take the place of a NULL there."""
_TEXT = frozenset({"text", "members"}) | _CODED
_LONG = frozenset({"text", "mediumtext", "longtext", "blob", "mediumblob", "longblob", "json"})
"""Together they may be longer than max_allowed_packet, and a CONCAT of more than that is NULL."""


def row_numbers(shape: Shape) -> tuple[str, str]:
    """The expressions over the source and over the shadow."""
    old, new = [], []
    for after, before in shape.pairs:
        ours, theirs = _values(before, after)
        if ours and {before.data_type, after.data_type} & _LONG:
            ours, theirs = f"CRC32({ours})", f"CRC32({theirs})"
        if before.nullable or after.nullable:
            ours, theirs = _with_null(ours, before), _with_null(theirs, after)
        if ours:
            old.append(ours)
            new.append(theirs)
    return _number(old), _number(new)


def uncompared(shape: Shape) -> list[str]:
    """The columns of the source of which only NULL is compared."""
    return [before.name for after, before in shape.pairs if not _values(before, after)[0]]


def _number(values: list[str]) -> str:
    """The separator keeps 'ab','c' and 'a','bc' apart. What begins with bytes is made of bytes: no text is converted."""
    parts = ", '#', ".join(["CAST('' AS BINARY)", *values])
    return f"CRC32(CONCAT({parts}))"


def _with_null(value: str, column: Column) -> str:
    """A CONCAT with NULL is NULL."""
    mark = f"ISNULL({quote_name(column.name)})"
    return f"COALESCE({value}, ''), {mark}" if value else mark


def _values(before: Column, after: Column) -> tuple[str, str]:
    """The value of the source, as the shadow should have it, and that of the shadow; empty: not known to be comparable."""
    old, new = quote_name(before.name), quote_name(after.name)
    if after.members and before.kind in _TEXT and not reads_alike(before, after):
        return _text(in_members(old, before, after), pad=False), _text(new, pad=False)
    types, kinds = (before.data_type, after.data_type), (before.kind, after.kind)
    alike = types[0] == types[1] and before.charset == after.charset
    if alike and (before.column_type == after.column_type or (kinds[0] in _TEXT and "char" not in types)):
        return _plain(before, old), _plain(after, new)
    if kinds[0] in _WHOLE and kinds[1] == "whole":  # of 1 a YEAR makes 2001
        return f"{old} + 0", f"{new} + 0"  # one may be ZEROFILL
    if kinds[0] in _TEXT | {"json"} and kinds[1] in _TEXT - _CODED:
        pad = "char" in types  # trailing spaces are not stored there
        return _text(old, pad=pad), _text(new, pad=pad)
    if kinds == ("binary", "binary") and "binary" not in types:  # of which a short one is padded
        return old, new
    return _cast(before, after, old, new)


def _cast(before: Column, after: Column, old: str, new: str) -> tuple[str, str]:
    """Types that the server converts by CAST as it does when it stores."""
    if after.kind == "decimal" and before.kind in _WHOLE | {"decimal"}:
        return f"CAST({old} AS {_bare(after)}) + 0", f"{new} + 0"  # it may be ZEROFILL
    if after.data_type == "datetime" and before.kind in ("moment", "date"):
        return f"CAST({old} AS {_bare(after)})", new
    if after.data_type == "timestamp" and before.kind == "moment":
        return f"CAST({old} AS {_bare(after).replace('timestamp', 'datetime')})", new
    # A DOUBLE(10,2) is rounded.
    if after.column_type in ("double", "double unsigned") and before.kind == "real":
        return f"{old} + 0e0", f"{new} + 0e0"
    return "", ""


def _bare(column: Column) -> str:
    return column.column_type.replace("unsigned", "").replace("zerofill", "").strip()


def _plain(column: Column, name: str) -> str:
    if column.data_type in _CODED:
        return f"CAST({name} AS BINARY)"
    if column.data_type == "float":
        return f"{name} + 0e0"  # its text has six digits only
    if column.kind in ("bit", "vector", "shape"):
        return f"HEX({name})"
    return name


def _text(name: str, *, pad: bool) -> str:
    text = f"CONVERT({name} USING utf8mb4)"
    return f"TRIM(TRAILING ' ' FROM {text})" if pad else text
