"""The ALTERs that turn one table into another of the same name: all at once where the server takes it, else piece by piece.

Which of them work is not known here: the drafting tries them and reads back what came of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from engine.mysql.flavour import Flavour
from engine.mysql.planning.columns import column_parts
from engine.mysql.planning.partitions import drops_before_all_go, partition_alters
from engine.mysql.quoting import quote_name
from engine.mysql.shown import FILE_PER_TABLE
from engine.mysql.tables import ForeignKey, Index, Table

_TO_DEFAULT = {
    "COMMENT": "''", "KEY_BLOCK_SIZE": "0", "AVG_ROW_LENGTH": "0", "MAX_ROWS": "0", "MIN_ROWS": "0", "CHECKSUM": "0",
    "DELAY_KEY_WRITE": "0", "COMPRESSION": "''", "ENCRYPTION": "'N'", "CONNECTION": "''", "TRANSACTIONAL": "DEFAULT",
    "AUTOEXTEND_SIZE": "0", "TABLESPACE": FILE_PER_TABLE, "SECONDARY_ENGINE": "NULL",
    "SECONDARY_ENGINE_ATTRIBUTE": "''",
}  # fmt: skip

_CHARSET = "DEFAULT CHARSET"

Alters = list[list[str]]
"""ALTERs in order, each as its parts."""


@dataclass(slots=True)
class Parts:
    """The clauses by what they touch, in the order in which they go together."""

    foreign_key_drops: list[str] = field(default_factory=list)
    index_keeps: list[str] = field(default_factory=list)  # of those that the server may take away by itself
    check_drops: list[str] = field(default_factory=list)
    index_drops: list[str] = field(default_factory=list)
    fulltext_drops: list[str] = field(default_factory=list)  # but for one, which is with the others
    key_drops: list[str] = field(default_factory=list)  # of the primary key
    column_drops: list[str] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    keys_again: list[str] = field(default_factory=list)  # of foreign keys: indexes that go and come in one
    index_renames: list[str] = field(default_factory=list)
    indexes: list[str] = field(default_factory=list)
    fulltexts: list[str] = field(default_factory=list)
    fulltexts_ahead: list[str] = field(default_factory=list)  # before others go, which serve until then
    visibility: list[str] = field(default_factory=list)
    periods: list[str] = field(default_factory=list)
    checks: list[str] = field(default_factory=list)
    charset: list[str] = field(default_factory=list)  # what columns without one of their own have
    options: list[str] = field(default_factory=list)  # all others
    foreign_keys: list[str] = field(default_factory=list)
    unpartition: Alters = field(default_factory=list)  # first: it lifts what partitions forbid
    partitions: Alters = field(default_factory=list)
    foreign_keys_apart: bool = False  # not in one ALTER with what stands before them

    def together(self) -> Alters:
        """As few ALTERs as rules that always hold allow: a foreign key is not dropped and made again under its name in one,
        FULLTEXT indexes come and go one by one (of two that go in one, MySQL 9.7 leaves tables behind that nothing removes, and
        that make its INNODB_INDEXES unreadable), partitions alone, and indexes that serve foreign keys before and after: if the
        server made them by itself, MariaDB builds them anew, and whatever goes with that it can not do instantly. A foreign key
        to the table itself waits for the key that it refers to: MySQL 9.7 dies of both in one ALTER of a table with rows.
        """
        first = [
            *self.foreign_key_drops, *self.index_keeps, *self.check_drops, *self.index_drops, *self.key_drops,
            *self.column_drops, *self.columns, *self.keys, *self.index_renames, *self.indexes, *self.periods, *self.checks,
            *self.charset, *self.options,
        ]  # fmt: skip
        fulltexts = [[part] for part in self.fulltexts]
        leaving = [[part] for part in (*self.fulltexts_ahead, *self.fulltext_drops)]
        if len(fulltexts) == 1 and not self.index_drops:  # nothing tells whether one of those is a FULLTEXT
            first += fulltexts.pop()
        if not self.foreign_keys_apart:
            first += self.foreign_keys
        last = self.foreign_keys if self.foreign_keys_apart else []
        alters = [*leaving, first, self.keys_again, *fulltexts, self.visibility, last]
        return _filled([*self.unpartition, *alters, *self.partitions])

    def apart(self) -> Alters:
        """One kind of thing after the other, what depends on columns before the columns. The table's character set goes with
        these: a column that says none would have the old one in between, into which its values may not fit.
        """
        return _filled(
            [
                *self.unpartition, [*self.foreign_key_drops, *self.index_keeps], self.check_drops,
                *[[part] for part in (*self.fulltexts_ahead, *self.fulltext_drops)], self.index_drops,
                [*self.key_drops, *self.column_drops, *self.columns, *self.keys, *self.charset],
                self.keys_again, self.index_renames, self.indexes, *[[part] for part in self.fulltexts], self.visibility,
                self.periods, self.checks, self.options, self.foreign_keys, *self.partitions,
            ]
        )  # fmt: skip


def parts_between(now: Table, wanted: Table, flavour: Flavour, *, whole_partitions: bool) -> Parts:
    """The clauses that lead from *now* to *wanted*. *whole_partitions*: those that change are all taken away and made again."""
    found = Parts()
    columns = column_parts(now, wanted)
    found.column_drops, found.columns = columns.drops, columns.rest
    _indexes(now, wanted, flavour, found)
    _checks(now, wanted, flavour, found)
    _foreign_keys(now, wanted, flavour, found)
    _keep_implicit(now, wanted, found)
    _options(now, wanted, found)
    found.periods = [
        *(f"DROP {period.split('(')[0].strip()}" for period in now.periods if period not in wanted.periods),
        *(f"ADD {period}" for period in wanted.periods if period not in now.periods),
    ]
    if now.partitions and (whole_partitions or not wanted.partitions) and now.partitions != wanted.partitions:
        drops = drops_before_all_go(now.partitions, wanted.partitions, {}, wanted.absorbed)
        found.unpartition = [*drops, ["REMOVE PARTITIONING"]]
        found.partitions = partition_alters("", wanted.partitions)
    else:
        found.partitions = partition_alters(now.partitions, wanted.partitions, wanted.absorbed)
    return found


def _filled(alters: Sequence[Sequence[str]]) -> Alters:
    return [list(parts) for parts in alters if parts]


def _indexes(now: Table, wanted: Table, flavour: Flavour, found: Parts) -> None:
    anew = not flavour.mariadb and _keeps_block_size(now, wanted)
    gone = [index for index in now.indexes if anew or _other(index, wanted)]
    new = [index for index in wanted.indexes if anew or _other(index, now)]
    for index in new:
        before = now.index(index.name)
        if not anew and before is not None and _visibly(index) == _visibly(before):
            gone.remove(before)
            found.visibility.append(_visibility(index, flavour))
            continue
        renamed = (old for old in gone if not anew and _renames(old, index, now, wanted))
        source = next(renamed, None)
        if source is not None:
            gone.remove(source)
            found.index_renames.append(f"RENAME INDEX {quote_name(source.name)} TO {quote_name(index.name)}")
            if source.visible != index.visible:
                found.visibility.append(_visibility(index, flavour))
            continue
        added = _where_added(index, now, found)
        if added is found.keys_again and before is not None:
            gone.remove(before)
            added.append(f"DROP INDEX {quote_name(before.name)}")
        added.append(f"ADD {index.line}")
    if any(index.kind == "FULLTEXT" for index in gone):
        ahead = {f"ADD {index.line}" for index in new if _fits_ahead(index, now, wanted)}
        found.fulltexts_ahead = [part for part in found.fulltexts if part in ahead]
        found.fulltexts = [part for part in found.fulltexts if part not in ahead]
    texts = [index.name for index in gone if index.kind == "FULLTEXT"]
    for index in gone:
        if index.name == "PRIMARY":
            found.key_drops.append("DROP PRIMARY KEY")
        elif index.name in texts[1:]:
            found.fulltext_drops.append(f"DROP INDEX {quote_name(index.name)}")
        else:
            found.index_drops.append(f"DROP INDEX {quote_name(index.name)}")


def _keeps_block_size(now: Table, wanted: Table) -> bool:
    """Whether MySQL would leave each index that stays the block size that the table has until then, as one of its own."""
    before, after = (table.options.get("KEY_BLOCK_SIZE") for table in (now, wanted))
    return before is not None and after not in (None, before)


def _where_added(index: Index, now: Table, found: Parts) -> list[str]:
    before = now.index(index.name)
    if before is not None and _serves(before, now) and _serves(index, now):
        return found.keys_again
    if index.name == "PRIMARY":
        return found.keys
    return found.fulltexts if index.kind == "FULLTEXT" else found.indexes


def _fits_ahead(index: Index, now: Table, wanted: Table) -> bool:
    """Whether a new index can be there before anything else changes."""
    columns = [(now.column(name), wanted.column(name)) for name in index.columns]
    same = all(before and after and before.line == after.line for before, after in columns)
    return same and now.index(index.name) is None


def _lower(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(name.lower() for name in names)


def _other(index: Index, table: Table) -> bool:
    """Whether *table* has no such index."""
    there = table.index(index.name)
    return there is None or there.line != index.line


def _visibly(index: Index) -> str:
    """Its line, whether or not the optimiser sees it."""
    return index.line.replace(" INVISIBLE", "").replace(" IGNORED", "")


def _renames(old: Index, new: Index, now: Table, wanted: Table) -> bool:
    """Whether *new* is *old* under another name, which is still free, or in other capitals."""
    if "PRIMARY" in (old.name, new.name):
        return False
    if now.index(new.name) not in (None, old) or wanted.index(old.name) not in (None, new):
        return False
    return _visibly(old.named(new.name)) == _visibly(new)


def _visibility(index: Index, flavour: Flavour) -> str:
    hidden, shown = ("IGNORED", "NOT IGNORED") if flavour.mariadb else ("INVISIBLE", "VISIBLE")
    return f"ALTER INDEX {quote_name(index.name)} {shown if index.visible else hidden}"


def check_drop(name: str, flavour: Flavour) -> str:
    """MySQL wants to know which of all constraints of a name is meant; MariaDB has no two of one."""
    return f"DROP {'CONSTRAINT' if flavour.mariadb else 'CHECK'} {quote_name(name)}"


def _checks(now: Table, wanted: Table, flavour: Flavour, found: Parts) -> None:
    before, after = {c.name: c.line for c in now.checks}, {c.name: c.line for c in wanted.checks}
    found.check_drops = [
        check_drop(name, flavour) for name, line in before.items() if after.get(name) != line
    ]
    found.checks = [f"ADD {line}" for name, line in after.items() if before.get(name) != line]


def _foreign_keys(now: Table, wanted: Table, flavour: Flavour, found: Parts) -> None:
    before, after = {k.name: k.line for k in now.foreign_keys}, {k.name: k.line for k in wanted.foreign_keys}
    changed = {name for name in before if after.get(name) != before[name]}
    found.foreign_key_drops = [f"DROP FOREIGN KEY {quote_name(name)}" for name in before if name in changed]
    found.foreign_keys = [
        f"ADD {line}" for name, line in after.items() if name not in before or name in changed
    ]
    found.foreign_keys_apart = any(name in after for name in changed) or (
        not flavour.mariadb
        and any(key not in now.foreign_keys and _awaits(key, now) for key in wanted.foreign_keys)
    )


def _awaits(key: ForeignKey, now: Table) -> bool:
    """Whether it refers to its own table, by columns that no index finds yet."""
    theirs = _lower(key.parent_columns)
    return (key.parent_schema, key.parent) == (now.schema, now.name) and not any(
        _leads_to(index, theirs) for index in now.indexes
    )


def _leads_to(index: Index, columns: Sequence[str]) -> bool:
    """Whether a foreign key can refer to *columns* by it: they are what it begins with, each as a whole."""
    first = index.parts[: len(columns)]
    whole = all(part.prefix is None for part in first) and index.kind not in ("FULLTEXT", "SPATIAL")
    return whole and _lower([part.column or "" for part in first]) == tuple(columns)


def _keep_implicit(now: Table, wanted: Table, found: Parts) -> None:
    """An index that the server made for a foreign key by itself vanishes by itself as soon as another one covers it: one that we
    add, or one that the server makes for a key that comes, even if it is the same key again. Nothing tells whether one was made
    so. One that is wanted is therefore given the name that it has: no row is touched, and from then on it is one of ours. That is
    done while its key is there, which shows where to look.
    """
    before, after = set(now.foreign_keys), set(wanted.foreign_keys)
    covers = [
        *(_lower(index.columns) for index in wanted.indexes if _other(index, now)),
        *(_lower(key.columns) for key in after - before),
    ]
    for key in now.foreign_keys:
        columns = _lower(key.columns)
        if key not in after or any(cover[: len(columns)] == columns for cover in covers):
            found.index_keeps += [
                f"RENAME INDEX {quote_name(index.name)} TO {quote_name(index.name)}"
                for index in now.indexes
                if _lower(index.columns) == columns and not index.unique and not _other(index, wanted)
            ]
    found.index_keeps = list(dict.fromkeys(found.index_keeps))


def makes_a_key_again(table: Table, clauses: str) -> bool:
    """Whether *clauses* drop an index of *table* that serves a foreign key, and add one of its name.

    If the server made the index by itself, it builds the new one even where it leaves one of ours as it is.
    """
    names = [quote_name(index.name).lower() for index in table.indexes if _serves(index, table)]
    clauses = clauses.lower()
    return any(f"drop index {name}" in clauses and f"add key {name} " in clauses for name in names)


def _serves(index: Index, table: Table) -> bool:
    """Whether it is as the server makes one by itself for a foreign key of *table*."""
    return not index.unique and _lower(index.columns) in {_lower(key.columns) for key in table.foreign_keys}


def _options(now: Table, wanted: Table, found: Parts) -> None:
    before, after = _settable(now.options), _settable(wanted.options)
    for key, value in after.items():
        if before.get(key) != value:
            (found.charset if key == _CHARSET else found.options).append(f"{key}={value}")
    for key in before:
        if key not in after:
            found.options.append(f"{key}={_TO_DEFAULT.get(key, 'DEFAULT')}")


def _settable(options: Mapping[str, str]) -> dict[str, str]:
    """The options, character set and collation as the one that they are."""
    found = dict(options)
    charset = found.pop("CHARSET", "")
    collation = found.pop("COLLATE", "")
    if charset:
        found[_CHARSET] = charset + (f" COLLATE={collation}" if collation else "")
    return found
