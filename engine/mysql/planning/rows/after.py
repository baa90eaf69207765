"""SQL of a live table's rows as the change will leave them: new names, converted values, default values filled in."""

from collections.abc import Sequence

from engine.mysql.members import in_members
from engine.mysql.planning.columns import remade
from engine.mysql.planning.linters.case import Case
from engine.mysql.planning.lossless import lossless
from engine.mysql.planning.mentions import mentions
from engine.mysql.quoting import quote_name, quote_table
from engine.mysql.shown import Piece, in_utf8, joined, pieces, split_list
from engine.mysql.tables import Column, Table

KEY_ALIAS = "_schemabot_key"  # under this name the key of a row goes along, to be shown as the example
BEFORE = "_schemabot_before"  # and under this a value that is computed anew, as it is now
_DRAWING = (
    "NEXTVAL", "LASTVAL", "SETVAL", "RAND", "RANDOM_BYTES", "SYSDATE", "SYS_GUID", "UUID", "UUID_SHORT", "UUID_V4", "UUID_V7",
)  # fmt: skip
"""Functions that are different each time; some of them change what they draw from."""


def live_rows(table: Table) -> str:
    """The live table, as `r`."""
    return f"{quote_table(table.schema, table.name)} AS r"


def live_value(column: Column) -> str:
    """A column of `live_rows`."""
    return f"r.{quote_name(column.name)}"


def rows_after(case: Case, before: Column | None = None) -> str:
    """A derived table by the table's new name, with the new columns and, as KEY_ALIAS and a number, the row's key.

    *before*: a column of the live table whose values are to be there, too, as BEFORE.
    Those that are `undecided` are not in it.
    """
    assert case.now is not None
    assert case.wanted is not None
    columns = [
        f"{value} AS {quote_name(column.name)}"
        for old, column in case.kept()
        if (value := value_after(old, column)) is not None
    ]
    keys = [f"r.{quote_name(name)} AS {KEY_ALIAS}{at}" for at, name in enumerate(case.now.row_key)]
    keys += [f"{live_value(before)} AS {BEFORE}"] if before is not None else []
    alias = quote_name(case.wanted.name)
    rows = f"(SELECT {', '.join([*columns, *keys])} FROM {live_rows(case.now)}) AS {alias}"  # noqa: S608
    left_out = undecided(case)
    for old, column in case.kept():  # one may be computed from those before it
        expression = computed_as(old, column)
        if not expression or column.name.lower() in left_out:
            continue
        value = _in_its_collation(as_stored(expression, column), column)
        rows = f"(SELECT {alias}.*, {value} AS {quote_name(column.name)} FROM {rows}) AS {alias}"  # noqa: S608
    return rows


def computed_as(old: Column | None, column: Column) -> str:
    """What the change computes the values of *column* as, from other columns or by functions; empty: it does not.

    Of a generated column that is new or has another expression, and of a new column with such a DEFAULT.
    """
    if column.generated:
        return expression_of(column) if _computed_anew(old, column) else ""
    default = default_of(column) if old is None and has_default(column) else ""
    plain = default.upper().startswith("CURRENT_TIMESTAMP")
    called = any(piece.kind == "name" or piece.text in ("(", "@") for piece in pieces(default))
    return default if called and not plain else ""


def undecided(case: Case) -> set[str]:
    """The columns, lower case, whose values nobody knows before the change: they count by themselves, are drawn, or go by such.

    No question may have them computed: nextval() would take numbers from a sequence of the application.
    """
    found: set[str] = set()
    for old, column in case.kept():
        expression = computed_as(old, column)
        if (
            (old is None and column.auto_increment)
            or any(piece.word in _DRAWING or piece.text == "@" for piece in pieces(expression))
            or mentions(expression, found)
        ):
            found.add(column.name.lower())
    return found


def _computed_anew(old: Column | None, column: Column) -> bool:
    return column.generated != "" and (old is None or old.expression != column.expression)


def altered_columns(case: Case) -> set[str]:
    """The new names, lower case, of the columns that stay and whose values become others, or compare in another way."""
    return {
        column.name.lower()
        for old, column in case.pairs()
        if old is not None
        and (
            remade(old, column)
            or old.collation != column.collation
            or not lossless(old, column)
            or len(old.members) > len(column.members)
            or _computed_anew(old, column)
        )
    }


def _in_its_collation(value: str, column: Column) -> str:
    if column.charset is None or column.members:
        return value
    return f"CONVERT({value} USING {column.charset}) COLLATE {column.collation}"


def value_after(old: Column | None, column: Column) -> str | None:
    """What a row will have in *column*; None where it is computed from the others, or not to be said beforehand."""
    if old is None:
        given = not column.auto_increment and not computed_as(old, column)
        return as_stored(in_utf8(default_of(column)), column) if given else None
    return None if _computed_anew(old, column) else converted(old, column)


def converted(old: Column, column: Column) -> str:
    """The live value, such as it compares in the new column."""
    value = live_value(old)
    alike = lossless(old, column)
    found = column.members and old.charset and not alike
    if found:
        value = in_members(value, old, column)
    if column.charset is not None and (found or _compares_anew(old, column)):
        value = f"CONVERT({value} USING {column.charset}) COLLATE {column.collation}"
    return value if alike else as_stored(value, column)


def _compares_anew(old: Column, column: Column) -> bool:
    """Whether the texts are compared by another collation, or by themselves where it was by the numbers of members."""
    numbered = bool(old.members) and not column.members
    return numbered or (old.charset, old.collation) != (column.charset, column.collation)


def as_stored(value: str, column: Column) -> str:
    """What *value* is once it is in *column*, as far as that can be said."""
    if column.kind == "whole":
        return f"CAST({value} AS {'UNSIGNED' if column.unsigned else 'SIGNED'})"
    figures = ",".join(map(str, column.figures))
    if column.data_type in ("decimal", "date", "datetime", "time"):
        return f"CAST({value} AS {column.data_type}{f'({figures})' if figures else ''})"
    if column.data_type == "timestamp":
        return f"CAST({value} AS DATETIME({figures or 0}))"
    if column.data_type == "float":
        return f"CAST({value} AS FLOAT)"
    if column.data_type == "char":
        return f"TRIM(TRAILING ' ' FROM {value})"
    if column.data_type == "binary":
        return f"RPAD({value}, {figures}, x'00')"
    return value


def expression_of(column: Column) -> str:
    """What a generated column is computed as, with its parentheses."""
    found = list(pieces(column.line))
    at = next(at for at, piece in enumerate(found) if piece.word == "AS")
    start = next(at for at in range(at, len(found)) if found[at].text == "(")
    return joined(found[start : split_list(found, start)[1] + 1])


def has_default(column: Column) -> bool:
    """Whether it says what rows get that do not say it."""
    return any(piece.word == "DEFAULT" for piece in pieces(column.line))


def default_of(column: Column) -> str:
    """SQL of what rows that are there get in a new column."""
    if not has_default(column):
        return "NULL" if column.nullable else column.implicit_default
    found = list(pieces(column.line))
    solid = [at for at, piece in enumerate(found) if piece.kind != "space"]
    start = next(i for i, at in enumerate(solid) if found[at].word == "DEFAULT") + 1
    end = _end_of_value([found[at] for at in solid], start)
    return joined(found[solid[start] : solid[end - 1] + 1])


def _end_of_value(found: Sequence[Piece], start: int) -> int:
    """Where the value that begins at *start* is over: (an expression), -1, b'01', now(6), 'text'."""
    end = start
    if end + 1 < len(found) and (
        found[end].text in ("-", "+") or found[end + 1].text == "(" or found[end + 1].kind == "string"
    ):
        end += found[end].text != "("
    return (split_list(found, end)[1] if found[end].text == "(" else end) + 1
