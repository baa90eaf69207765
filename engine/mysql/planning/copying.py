"""Whether a table can be copied online into what it is to become, and what goes over."""

from collections.abc import Mapping, Sequence

from engine.mysql.flavour import Flavour
from engine.mysql.found_again import bent
from engine.mysql.planning.columns import remade
from engine.mysql.planning.conversions import copied_alike
from engine.mysql.planning.copied_checks import against_checks
from engine.mysql.spec import Copy
from engine.mysql.tables import Table

DIRECTORY = "DATA DIRECTORY"


def copied_columns(start: Table, wanted: Table, columns: Mapping[str, str]) -> list[tuple[str, str]]:
    """(new column, old column) of all whose values go over."""
    found = [(own.name, own.name)] if (own := wanted.own_key) else []
    for column in wanted.columns:
        before = start.column(columns.get(column.name.lower(), column.name)) or start.column(column.name)
        if before is not None and not column.generated and not remade(before, column):
            found.append((column.name, before.name))
    return found


def copy_between(
    source: str, start: Table, wanted: Table, columns: Mapping[str, str], clauses: Sequence[str]
) -> Copy:
    """The online copy of the live table *source*, whose shadow gets *clauses*."""
    pairs = copied_columns(start, wanted, columns)
    after = {old.lower(): new for new, old in pairs}
    key = start.row_key
    return Copy(
        source=source,
        table=wanted.name,
        clauses=tuple(clauses),
        columns=tuple(pairs),
        key=key,
        new_key=tuple(after[name.lower()] for name in key),
    )


def against_copying(now: Table, wanted: Table, columns: Mapping[str, str], flavour: Flavour) -> str:
    """Why the table cannot be copied online, as far as its columns and constraints tell; empty: it can."""
    if now.foreign_keys or wanted.foreign_keys:
        return "it is in a foreign key"
    if DIRECTORY in now.options or DIRECTORY in now.partitions:
        return "its file is in a directory of its own, which a copy would leave"
    after = {old.lower(): new.lower() for new, old in copied_columns(now, wanted, columns)}
    key = [name for name in (after.get(name.lower()) for name in now.row_key) if name is not None]
    if len(key) < len(now.row_key):
        return "the key by which its rows are found does not stay"
    if key and wanted.unique_over(key) is None:
        return "the key by which its rows are found has no index afterwards"
    found = [(now.column(old), wanted.column(new)) for old, new in zip(now.row_key, key, strict=True)]
    if name := bent([(old, new) for old, new in found if old is not None and new is not None]):
        return f"the values of {name}, by which its rows are found, read differently afterwards"
    if unlike := _stored_otherwise(now, wanted, columns, flavour):
        return f"what a copy would store of {unlike} differs from what ALTER TABLE makes of it"
    return "" if flavour.mariadb else against_checks(now, wanted)


def _stored_otherwise(now: Table, wanted: Table, columns: Mapping[str, str], flavour: Flavour) -> str:
    """A column of which nobody knows that a copy stores the same as ALTER TABLE; empty: there is none."""
    for after, before in copied_columns(now, wanted, columns):
        old, new = now.column(before), wanted.column(after)
        if old and new and not copied_alike(old, new, mariadb=flavour.mariadb):
            return before
    return ""
