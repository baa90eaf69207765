"""Linters of keys: the primary key, foreign keys, indexes that nobody needs, and one that is dropped while it may be needed."""

from collections.abc import Iterator

from engine.base import Finding, Severity
from engine.mysql.planning.linters.case import Case
from engine.mysql.tables import Index, Table

KEY_TYPES = ("bigint", "binary", "varbinary")


def primary_key(case: Case) -> Iterator[Finding]:
    """No primary key, or one of a type that runs out."""
    if case.wanted is None:
        return
    key = case.wanted.index("PRIMARY")
    if key is None:
        yield case.finding(Severity.WARNING, "primary_key", "No primary key defined")
        return
    for name in key.columns:
        column = case.wanted.column(name)
        if column is not None and column.data_type not in KEY_TYPES:
            message = f'Primary key column "{column.name}" has type "{column.data_type}"'
            yield case.finding(Severity.WARNING, "primary_key", message, column=column.name)


def has_foreign_key(case: Case) -> Iterator[Finding]:
    """Foreign keys: what they refer to is locked along, and no copy goes online."""
    known = {key.name.lower() for key in case.now.foreign_keys} if case.now else set()
    for key in case.wanted.foreign_keys if case.wanted else ():
        message = (
            f'Table "{case.name}" has FOREIGN KEY constraint "{key.name}"'
            if case.now is None or key.name.lower() in known
            else f'Adding foreign key constraint "{key.name}" to table "{case.name}"'
        )
        yield case.finding(Severity.WARNING, "has_foreign_key", message, at=key.name)


def redundant_indexes(case: Case) -> Iterator[Finding]:
    """An index that another one makes superfluous, or that ends with the primary key, which InnoDB appends by itself."""
    if case.wanted is None:
        return
    for index in case.wanted.indexes:
        if index.name == "PRIMARY" or not _ordered(index):
            continue
        cover = next((other for other in case.wanted.indexes if _covers(other, index)), None)
        if cover is not None:
            message = f'Index "{index.name}" is redundant: {_called(cover)} begins with the same columns'
            yield case.finding(Severity.WARNING, "redundant_indexes", message, at=index.name)
        elif _ends_with_key(case.wanted, index):
            message = f'Index "{index.name}" ends with the columns of the primary key, which every index has at its end'
            yield case.finding(Severity.WARNING, "redundant_indexes", message, at=index.name)


def invisible_index_before_drop(case: Case) -> Iterator[Finding]:
    """Dropping an index that queries may use: invisible for a while, it would be back at once."""
    if case.now is None or case.wanted is None:
        return
    kept = {case.shape(index) for index in case.wanted.indexes}
    gone = {column.name.lower() for column in case.gone()}
    for index in case.now.indexes:
        stays = case.wanted.index(index.name) is not None or case.shape(index, live=True) in kept
        with_columns = bool(index.columns) and all(name.lower() in gone for name in index.columns)
        if index.name == "PRIMARY" or not index.visible or stays or with_columns or _of_gone_key(case, index):
            continue
        message = f"Index '{index.name}' should be made invisible before dropping to ensure it's not needed"
        yield case.finding(Severity.ERROR, "invisible_index_before_drop", message, at=index.name)


def _of_gone_key(case: Case, index: Index) -> bool:
    """The index that the server made for a foreign key which goes now, too: it is in nobody's files."""
    if case.now is None or case.wanted is None or index.unique:
        return False
    kept = {key.name.lower() for key in case.wanted.foreign_keys}
    return any(key.columns == index.columns and key.name.lower() not in kept for key in case.now.foreign_keys)


def _ordered(index: Index) -> bool:
    """An ordinary index, which serves by its first columns."""
    return index.kind == "BTREE"


def _terms(index: Index) -> list[tuple[object, ...]]:
    return [((p.column or "").lower(), p.expression, p.prefix, p.descending) for p in index.parts]


def _covers(other: Index, index: Index) -> bool:
    """Whether *index* adds nothing to *other*. Of two equal ones it is the later by name that is superfluous."""
    mine, theirs = _terms(index), _terms(other)
    if other is index or not _ordered(other) or not other.visible or theirs[: len(mine)] != mine:
        return False
    if index.unique:  # it forbids what a longer one allows
        return other.unique and len(theirs) == len(mine) and _rank(other) < _rank(index)
    return len(theirs) > len(mine) or other.unique or _rank(other) < _rank(index)


def _rank(index: Index) -> tuple[bool, str]:
    return (index.name != "PRIMARY", index.name.lower())


def _ends_with_key(table: Table, index: Index) -> bool:
    key = table.index("PRIMARY")
    if key is None or index.unique or len(index.parts) <= len(key.parts):
        return False
    return _terms(index)[-len(key.parts) :] == _terms(key)


def _called(index: Index) -> str:
    return "the primary key" if index.name == "PRIMARY" else f'"{index.name}"'
