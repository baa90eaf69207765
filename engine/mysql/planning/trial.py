"""Finds out how the server would run an ALTER: by running it on an empty clone of the table, the gentlest algorithm first."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

from engine.mysql.catalog import plainly, read_table, told_of
from engine.mysql.flavour import Flavour
from engine.mysql.link import Link
from engine.mysql.planning.alters import makes_a_key_again
from engine.mysql.planning.dictionary import entry_of, look_up, text_column
from engine.mysql.planning.partitions import moves_no_row
from engine.mysql.planning.recollated import WHY_COPIED, misplaces, retypes
from engine.mysql.planning.rewriting import with_constraints
from engine.mysql.quoting import quote_name, quote_table
from engine.mysql.shown import NAME, STRING
from engine.mysql.spec import OWN_PREFIX, Algorithm
from engine.mysql.tables import Index, Table
from engine.mysql.trouble import NOT_THAT_WAY, ServerRefused

_SYNTAX = 1064
_TOO_LONG = frozenset({1071, 1118, 1709})  # a key, a row, a column of an index: for the row format
_CONVERTED = "its dates and times are of an old format, which every change converts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What one ALTER turned out to be on the clone."""

    clauses: str  # what follows ALTER TABLE <name>
    algorithm: Algorithm  # the gentlest that the server took
    moves_rows: bool  # the rows are written anew: the time grows with the table
    builds_index: bool  # all rows are read for an index, the rows themselves stay
    row_versions: int  # how many of InnoDB's instant row versions it uses up
    unseen: bool  # InnoDB does not tell (`look_up`); then the worst is said of moves_rows and builds_index
    reason: str  # why it takes a copy, mostly in the server's words; often empty


@dataclass(frozen=True, slots=True, kw_only=True)
class Unshown:
    """What the live table has and its text does not say."""

    columns: int = 0  # of InnoDB, hidden ones included; 0: not known, or of no matter
    row_format: str = ""  # upper case; empty: whatever the server makes it
    # Columns of an old format, which no scratch table has.
    old_temporals: Mapping[str, str] = field(default_factory=dict)


class Clone:
    """The table, empty, in a scratch schema of which everything else is dropped; its relatives (foreign keys) beside it."""

    def __init__(
        self,
        link: Link,
        flavour: Flavour,
        scratch: str,
        table: Table,
        relatives: Sequence[Table],
        unshown: Unshown,
    ) -> None:
        """*scratch* is a schema that holds nothing but earlier clones, with a plain name."""
        self._link = link
        self._flavour = flavour
        self._scratch = scratch
        self._table = table
        self._hidden = unshown.columns
        self._only_copied = bool(unshown.old_temporals)
        default = str(link.value("SELECT @@GLOBAL.innodb_default_row_format")).upper()
        self._row_format = "" if unshown.row_format == default else unshown.row_format
        self._relatives = [other for other in relatives if other.name != table.name]

    def fresh(self) -> None:
        """Make the clone (again) as the live table is."""
        self._make(self._table)

    def _make(self, table: Table) -> None:
        with plainly(self._link), self._foreign_key_checks(on=False), self._selected():
            for (name,) in self._link.rows(
                "SELECT table_name FROM information_schema.tables WHERE table_schema = %s", self._scratch
            ):
                self._link.run(f"DROP TABLE {quote_table(self._scratch, name)}")
            for one in (table, *self._relatives):
                self._link.run(_at_home(one.text))
            if self._row_format:
                self._link.run(self._alter(f"ROW_FORMAT={self._row_format}"))
            self._hide(table)

    def _hide(self, table: Table) -> None:
        """Have the hidden column of a FULLTEXT index that was dropped, if the live table has one: columns do not come or go
        instantly then.
        """
        column = text_column(table)
        if not self._hidden or column is None:
            return
        if entry_of(self._link, self._flavour, self._scratch, table.name).columns < self._hidden:
            index = quote_name(f"{OWN_PREFIX}fulltext")
            self._link.run(self._alter(f"ADD FULLTEXT KEY {index} ({quote_name(column)})"))
            self._link.run(self._alter(f"DROP INDEX {index}"))
        else:
            self._hidden = 0

    def run(self, clauses: str, *, instant: bool = True) -> Trial:
        """Alter the clone by the gentlest algorithm that the server takes for *clauses* and that does them right, and say which.

        ServerRefused: it takes them by none. *instant* = False leaves INSTANT out.
        """
        before, table = self._pieces(), self._retyped(clauses)
        instant = instant and not makes_a_key_again(self._table, clauses)
        algorithm, reason = self._gentlest(clauses, instant=instant)
        if algorithm is not Algorithm.COPY and self._misplaces(clauses, table):
            algorithm, reason = Algorithm.COPY, WHY_COPIED
            with self._foreign_key_checks(on=False):
                self._link.run(self._alter(clauses) + algorithm.clause)
        return self._trial(clauses, before, algorithm, reason)

    def instantly(self, clauses: str) -> Trial | None:
        """Alter the clone if the server does it instantly, or says so; None: it refuses, or would do it wrongly, and the clone is
        as it was.
        """
        if self._only_copied or makes_a_key_again(self._table, clauses):
            return None
        before, table = self._pieces(), self._retyped(clauses)
        try:
            self._link.run(self._alter(clauses) + Algorithm.INSTANT.clause)
        except ServerRefused:
            return None
        if self._misplaces(clauses, table):
            return None
        return self._trial(clauses, before, Algorithm.INSTANT)

    def _retyped(self, clauses: str) -> Table | None:
        """The clone as it is, where *clauses* may give a column another collation."""
        return read_table(self._link, self._scratch, self._table.name) if retypes(clauses) else None

    def _misplaces(self, clauses: str, before: Table | None) -> bool:
        """Whether what was just done to the clone would leave rows where they are not found; then it is *before* again."""
        after = self._retyped(clauses)
        if before is None or after is None or not misplaces(clauses, before, after):
            return False
        self._make(before)
        return True

    def _trial(self, clauses: str, before: "_Pieces | None", algorithm: Algorithm, reason: str = "") -> Trial:
        after = self._pieces() if before else None
        moved = self._moved(clauses, algorithm, before, after)
        if moved and algorithm in (Algorithm.INSTANT, Algorithm.NOCOPY):
            algorithm = Algorithm.COPY  # MariaDB takes ALGORITHM=INSTANT for some that it copies all the same
        return Trial(
            clauses=clauses,
            algorithm=algorithm,
            moves_rows=moved,
            builds_index=not moved
            and (makes_a_key_again(self._table, clauses) or self._built(algorithm, before, after)),
            row_versions=after.versions - before.versions if before and after else 0,
            unseen=before is None or after is None,
            reason=reason,
        )

    @property
    def text(self) -> str:
        """What the clone is by now, in its canonical form; without its CHECKs, which may read otherwise after each ALTER."""
        table = read_table(self._link, self._scratch, self._table.name)
        return with_constraints(table, table.foreign_keys, ()).text if table else ""

    @property
    def engine(self) -> str:
        """The storage engine the clone has by now."""
        return str(told_of(self._link, self._scratch, self._table.name, "ENGINE"))

    def _gentlest(self, clauses: str, *, instant: bool) -> tuple[Algorithm, str]:
        alter = self._alter(clauses)
        reason = _CONVERTED if self._only_copied else ""
        for algorithm in self._ladder(instant=instant):
            try:
                with self._foreign_key_checks(on=algorithm is not Algorithm.COPY):
                    self._link.run(alter + algorithm.clause)
            except ServerRefused as error:
                # Clauses about partitions have no room for an algorithm behind them.
                if error.code == _SYNTAX:
                    break
                if error.code in _TOO_LONG and self._row_format:
                    return self._reformatted(clauses)
                if error.code not in NOT_THAT_WAY or algorithm is Algorithm.COPY:
                    raise
                reason = _reason(str(error)) or reason
            else:
                return algorithm, reason
        self._link.run(alter)
        return Algorithm.PLAIN, reason

    def _reformatted(self, clauses: str) -> tuple[Algorithm, str]:
        """A copy gets the format that new tables have, where the table says none."""
        self._link.run(self._alter("ROW_FORMAT=DEFAULT"))
        with self._foreign_key_checks(on=False):
            self._link.run(self._alter(clauses) + Algorithm.COPY.clause)
        return (
            Algorithm.COPY,
            f"it is too long for ROW_FORMAT={self._row_format}, a copy gets the server's default",
        )

    def _alter(self, clauses: str) -> str:
        return f"ALTER TABLE {quote_table(self._scratch, self._table.name)} {clauses}"

    def _ladder(self, *, instant: bool) -> Iterator[Algorithm]:
        if self._only_copied:
            yield Algorithm.COPY
            return
        if instant:
            yield Algorithm.INSTANT
        if self._flavour.mariadb:
            yield Algorithm.NOCOPY
        yield Algorithm.INPLACE
        yield Algorithm.COPY

    def _foreign_key_checks(self, *, on: bool) -> AbstractContextManager[None]:
        """As in the session that will run it; off where tables that the scratch schema does not have are referred to."""
        return self._link.having({"foreign_key_checks": int(on)})

    @contextmanager
    def _selected(self) -> Iterator[None]:
        """The texts of tables name no schema."""
        was = self._link.value("SELECT DATABASE()")
        self._link.run(f"USE {quote_name(self._scratch)}")
        try:
            yield
        finally:
            if was is not None:
                self._link.run(f"USE {quote_name(str(was))}")

    def _pieces(self) -> "_Pieces | None":
        """What InnoDB has of the scratch schema; None where that is not to be seen."""
        prefix = f"{self._scratch}/"
        found = look_up(
            self._link,
            self._flavour.innodb_view("tables"),
            f"name, table_id, {self._flavour.row_versions}",
            "LEFT(name, %s) = %s",
            len(prefix),
            prefix,
        )
        if found is None:
            return None
        return _Pieces(
            tables={str(name): int(number) for name, number, _ in found},
            indexes=self._indexes([int(row[1]) for row in found]),
            versions=max((int(row[2]) for row in found), default=0),
        )

    def _indexes(self, tables: Sequence[int]) -> frozenset[object]:
        """What tells whether an index was built: InnoDB's numbers, a new one for each that is.

        MySQL tells none at all (1812) while its dictionary has a table without a file, such as an unfinished DROP of a FULLTEXT
        index may leave anywhere on the server. Then it is what each index is made of.
        """
        ids = ", ".join(map(str, tables)) or "0"
        view = self._flavour.innodb_view("indexes")
        found = look_up(self._link, view, "index_id", f"table_id IN ({ids})")
        if found is not None:
            return frozenset(int(number) for (number,) in found)
        table = read_table(self._link, self._scratch, self._table.name)
        return frozenset(_made_of(table, index) for index in table.indexes) if table else frozenset()

    def _moved(
        self, clauses: str, algorithm: Algorithm, before: "_Pieces | None", after: "_Pieces | None"
    ) -> bool:
        """Whether the rows got a new home. A table of another engine has no pieces: then the algorithm says it."""
        if algorithm is Algorithm.COPY:
            return True
        if before is not None and after is not None and bool(before.tables) is not bool(after.tables):
            return True  # into InnoDB, or out of it
        if before is None or after is None or not before.tables:
            if algorithm is Algorithm.PLAIN:
                return not moves_no_row(clauses)
            # On MySQL it may or may not, on MariaDB NOCOPY would have done.
            return algorithm is Algorithm.INPLACE
        rebuilt = any(after.tables.get(name, number) != number for name, number in before.tables.items())
        gone, new = before.tables.keys() - after.tables.keys(), after.tables.keys() - before.tables.keys()
        return rebuilt or bool(gone and new)

    def _built(self, algorithm: Algorithm, before: "_Pieces | None", after: "_Pieces | None") -> bool:
        if algorithm is Algorithm.INSTANT:
            return False
        if before is None or after is None:
            return algorithm is Algorithm.NOCOPY
        if after.tables.keys() != before.tables.keys():
            return False  # a partition more or less: its indexes are as empty, or as gone, as it is
        return bool(after.indexes - before.indexes)


@dataclass(frozen=True, slots=True)
class _Pieces:
    """InnoDB's numbers: a new one for a table (or partition) means that its rows were written anew."""

    tables: dict[str, int]
    indexes: frozenset[object]
    versions: int


def _made_of(table: Table, index: Index) -> tuple[object, ...]:
    """All that an index holds; its name and its visibility are nothing that is built."""
    columns = [column for name in index.columns if (column := table.column(name))]
    return (index.unique, index.kind, index.parts, tuple(c.collation for c in columns))


def _at_home(text: str) -> str:
    """*text* with foreign keys to other schemas pointing nowhere: nothing live gets tied to a clone."""
    return re.sub(
        rf"{STRING}|(?<= REFERENCES ){NAME}\.(?=`)",
        lambda found: found[0] if found[0].startswith("'") else f"`{OWN_PREFIX}nowhere`.",
        text,
    )


def _reason(text: str) -> str:
    found = re.search(r"Reason: (.+?)\. Try ", text)
    return found[1] if found else ""
