"""What a column's declared type does to the values stored in it."""

from engine.sqlite.catalog import Column, Relation

_RULES = (
    ("INTEGER", ("INT",)),
    ("TEXT", ("CHAR", "CLOB", "TEXT")),
    ("BLOB", ("BLOB",)),
    ("REAL", ("REAL", "FLOA", "DOUB")),
)


def affinity(column: Column, *, strict: bool = False) -> str:
    """INTEGER, TEXT, BLOB (nothing is converted), REAL or NUMERIC, by SQLite's rules (section 3.1 of its datatype3)."""
    declared = column.type.upper()
    if not declared or (strict and declared == "ANY"):
        return "BLOB"
    return next((name for name, parts in _RULES if any(part in declared for part in parts)), "NUMERIC")


def stored_as(value: str, target: str) -> str:
    """SQL for what *value* (the SQL of a column) becomes when stored under affinity *target*.

    CAST alone will not do: it makes 0 of 'abc', where storing leaves 'abc' alone. A comparison applies the affinity.
    """
    if target == "TEXT":
        return f"CASE WHEN typeof({value}) IN ('integer', 'real') THEN CAST({value} AS TEXT) ELSE {value} END"
    if target in ("INTEGER", "NUMERIC"):
        return (
            f"CASE WHEN typeof({value}) = 'text' AND CAST({value} AS NUMERIC) = {value} "
            f"THEN CAST({value} AS NUMERIC) ELSE {value} END"
        )
    if target == "REAL":
        return (
            f"CASE WHEN typeof({value}) = 'integer' "
            f"OR (typeof({value}) = 'text' AND CAST({value} AS NUMERIC) = {value}) "
            f"THEN CAST({value} AS REAL) ELSE {value} END"
        )
    return value


def loses(value: str, target: str) -> str:
    """SQL condition: storing *value* under affinity *target* changes it so that it cannot be told what it was."""
    numeric_text = f"typeof({value}) = 'text' AND CAST({value} AS NUMERIC) = {value}"
    rewritten = f"({numeric_text} AND CAST(CAST({value} AS NUMERIC) AS TEXT) <> {value})"
    if target == "TEXT":
        return f"(typeof({value}) = 'real' AND CAST(CAST({value} AS TEXT) AS REAL) <> {value})"
    if target in ("INTEGER", "NUMERIC"):
        return rewritten
    if target == "REAL":
        whole = f"CAST({value} AS NUMERIC)"
        large = (
            f"(typeof({whole}) = 'integer' AND abs({whole}) > 9007199254740992 AND typeof({value}) <> 'blob')"
        )
        return f"({rewritten} OR {large})"
    return "0"


def misfits(value: str, column: Column) -> str:
    """SQL condition: a STRICT table refuses *value* (already converted) in *column*."""
    allowed = {
        "INT": "'null', 'integer'", "INTEGER": "'null', 'integer'", "REAL": "'null', 'real'",
        "TEXT": "'null', 'text'", "BLOB": "'null', 'blob'",
    }.get(column.type.upper())  # fmt: skip
    if allowed is None:
        return "0"
    if column.type.upper().startswith("INT"):
        exact = f"(typeof({value}) = 'real' AND CAST({value} AS INTEGER) = {value})"
        return f"(typeof({value}) NOT IN ({allowed}) AND NOT {exact})"
    return f"typeof({value}) NOT IN ({allowed})"


def harmless(old: Column, new: Column, *, was_strict: bool, strict: bool) -> bool:
    """Whether the change of type needs no question: what can be stored in *old* stays as it is in *new*."""
    before, after = affinity(old, strict=was_strict), affinity(new, strict=strict)
    return before == after or after == "BLOB" or {before, after} == {"INTEGER", "NUMERIC"}


def type_changed(old: Column, new: Column, was: Relation, now: Relation) -> bool:
    """Whether values may be converted on their way."""
    return not harmless(old, new, was_strict=was.strict, strict=now.strict)
