"""The linter `unsafe`: what drops data or may change it. All of it needs --allow-unsafe."""

import re
from collections.abc import Iterator

from engine.base import Finding, Severity
from engine.mysql.found_again import MINDS_SPACES
from engine.mysql.members import reads_alike
from engine.mysql.planning.columns import remade
from engine.mysql.planning.linters.case import Case
from engine.mysql.planning.lossless import lossless
from engine.mysql.quoting import quote_name
from engine.mysql.tables import Column

_PARTITIONS = re.compile(r"(DROP|COALESCE|TRUNCATE|DISCARD) PARTITION\b[^;]*", re.IGNORECASE)
_OWN_ROWS = ("INNODB", "MYISAM", "ARIA", "ARCHIVE", "CSV")
"""Engines whose tables hold rows of their own, which ALTER TABLE takes along. One that only shows rows (MERGE, SPIDER, FEDERATED)
gets none and gives none.
"""
_FATES = {"BLACKHOLE": "", "MEMORY": " when the server stops"}
_TABLESPACE = re.compile(r"DISCARD TABLESPACE\b", re.IGNORECASE)


def dropped(case: Case) -> Iterator[Finding]:
    """Tables, columns, partitions and the primary key that go."""
    if case.now is None:
        return
    if case.wanted is None:
        yield _unsafe(case, f'"DROP TABLE {quote_name(case.now.name)}"')
        return
    for column in case.gone():
        yield _unsafe(case, f"DROP COLUMN {quote_name(column.name)}", column.name)
    if case.now.index("PRIMARY") is not None and not _keeps_key(case):
        yield _unsafe(case, "DROP PRIMARY KEY", at="PRIMARY")
    for part in case.parts:
        if _PARTITIONS.match(part.strip()) or _TABLESPACE.match(part.strip()):
            yield _unsafe(case, part.strip())


def _keeps_key(case: Case) -> bool:
    assert case.now is not None
    assert case.wanted is not None
    old, new = case.now.index("PRIMARY"), case.wanted.index("PRIMARY")
    return old is not None and new is not None and case.shape(old, live=True) == case.shape(new)


def altered_types(case: Case) -> Iterator[Finding]:
    """Types that are not proven to hold every value of the old one; values that become generated ones."""
    for old, column in case.pairs():
        if old is None:
            continue
        if column.generated and not old.generated:
            what = f"column {quote_name(column.name)} becomes generated, its values are lost"
            yield _unsafe(case, what, column.name)
        elif old.generated and remade(old, column):
            if not column.generated:
                what = f"column {quote_name(column.name)} is not computed any more, what it shows now is lost"
                yield _unsafe(case, what, column.name)
        elif not column.generated and not lossless(old, column, in_utc=not case.zone):
            yield _unsafe(
                case, f"MODIFY COLUMN {quote_name(column.name)}: {_change(old, column)}", column.name
            )


def forgetful_engines(case: Case) -> Iterator[Finding]:
    """Storage engines that keep no rows, or not for long, or show those of another place."""
    if case.now is None or case.wanted is None:
        return
    before, after = (table.options.get("ENGINE", "").upper() for table in (case.now, case.wanted))
    if before == after:
        return
    if after in _FATES:
        yield _unsafe(case, f"ENGINE={after}: all rows are lost{_FATES[after]}")
    elif strange := [name for name in (before, after) if name not in (*_OWN_ROWS, "MEMORY")]:
        reason = f"{strange[0]} may show rows of another place"
        yield _unsafe(case, f"{before} becomes {after}: the rows may not go over, {reason}")


def bared(case: Case) -> Iterator[Finding]:
    """Tables that are encrypted no more."""
    if case.now is None or case.wanted is None:
        return
    before, after = (table.options.get("ENCRYPTION") == "'Y'" for table in (case.now, case.wanted))
    if before and not after:
        yield _unsafe(case, "the rows are encrypted no more")


def unique_collations(case: Case) -> Iterator[Finding]:
    """A collation under a unique key that may find equal what the old one tells apart. One that tells more apart does no harm."""
    if case.wanted is None:
        return
    unique = {name.lower() for index in case.wanted.indexes if index.unique for name in index.columns}
    for old, column in case.pairs():
        if old is None or column.name.lower() not in unique or old.collation == column.collation:
            continue
        if not old.collation or not column.collation or _tells_as_much(column.collation, old.collation):
            continue
        if lossless(old, column):
            what = f"{old.collation} becomes {column.collation} under a unique key: values that differ may become equal"
            yield _unsafe(case, f"MODIFY COLUMN {quote_name(column.name)}: {what}", column.name)


def _tells_as_much(new: str, old: str) -> bool:
    """Whether the collation *new* is known to tell apart all that *old* does: it goes by the characters themselves, or minds
    accents or case besides. One that does not mind spaces at the end finds more equal than one that does. Those of utf8mb3 are
    those of utf8mb4 for the characters that it has.
    """
    if new.endswith("_bin"):
        return bool(MINDS_SPACES.search(new)) or not MINDS_SPACES.search(old)
    old = old.replace("utf8mb3_", "utf8mb4_")
    finer = {old.replace("_ai_", "_as_"), old.replace("_ai_ci", "_as_cs"), old.replace("_as_ci", "_as_cs")}
    return new in finer


def _change(old: Column, column: Column) -> str:
    before, after = old.column_type, column.column_type
    if before == after or old.charset != column.charset:
        before, after = _with_charset(old), _with_charset(column)
    if old.data_type == column.data_type and reads_alike(old, column):
        return f"{before} becomes {after}: the members get other numbers, by which they are sorted and computed with"
    return f"{before} becomes {after}, which may not hold every value"


def _with_charset(column: Column) -> str:
    return f"{column.column_type} of {column.charset}" if column.charset else column.column_type


def _unsafe(case: Case, what: str, column: str = "", *, at: str = "") -> Finding:
    message = f"Unsafe operation detected: {what}"
    return case.finding(Severity.ERROR, "unsafe", message, column=column, at=at)
