"""How a change of one table will run and what it locks: asked of the server on a clone, never looked up in a list."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from engine.base import Strategy
from engine.errors import Refused
from engine.mysql.catalog import told_of
from engine.mysql.children import has_hidden_children
from engine.mysql.elements import foreign_key_of
from engine.mysql.flavour import Flavour
from engine.mysql.link import Link
from engine.mysql.planning.alter_splitter import AlterSplitter
from engine.mysql.planning.dictionary import (
    entry_of,
    in_live_order,
    old_temporals,
    text_column,
)
from engine.mysql.planning.insistence import insists_on_a_key
from engine.mysql.planning.lock_sentences import Size, Tied, lock_sentence
from engine.mysql.planning.partitions import drops_rows, named_partitions, read_partitioning, reorganises
from engine.mysql.planning.trial import Clone, Trial, Unshown
from engine.mysql.quoting import quote_name
from engine.mysql.receiving import NO_COPY_IN_GALERA, in_galera_cluster
from engine.mysql.replication.followers import followers
from engine.mysql.shown import NAME
from engine.mysql.sizes import DIRECT_BYTES, DIRECT_ROWS, partitions_of
from engine.mysql.spec import Algorithm
from engine.mysql.tables import MOST_CODES, Table
from engine.mysql.trouble import ServerRefused

_NEW_KEY = re.compile(f"ADD CONSTRAINT {NAME} FOREIGN KEY")
_FORMAT = re.compile(r"\b(?:ROW_FORMAT|KEY_BLOCK_SIZE|ENGINE)\b")
_ROW_VERSIONS = 64  # of InnoDB's instant columns, per table
_ROW_VERSIONS_9_1 = 255
_OUT_OF_SIGHT = (
    "without the PROCESS privilege foreign keys of tables that this user has no rights on are not seen: if one refers to this "
    "table, it would go along with the replaced one, and the application could write there no more: GRANT PROCESS ON *.* to the "
    "user of this dsn, then plan again"
)

PartitionSizes = Callable[[tuple[str, ...]], tuple[int, int]]
"""Rows and bytes of the live table's partitions of these names; of none: of all of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class How:
    """How the ALTERs of one table will run.

    `alters`: what follows ALTER TABLE <name>, with the algorithm, in order. They may be more than were asked about: parts of
    one that run apart without a copy, and together do not. For an online copy they are what the shadow table gets.
    """

    strategy: Strategy
    alters: tuple[tuple[str, Algorithm], ...]
    lock: str  # what it locks and how long, for people
    small: bool = False  # it runs so because the table is small
    rebuilds: bool = False  # rows are written anew, and with them all indexes
    warning: str = ""  # said when writers of a big table have to wait, or replicas
    unseen: str = ""  # a warning of what could not be looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveTable:
    """A table that is to change, and where it is live.

    `relatives` are the tables that it refers to, or that refer to it, by foreign keys.
    """

    table: Table  # by the name that it gets
    name: str  # by now
    target: Link  # a session on its server
    flavour: Flavour
    sizes: PartitionSizes
    relatives: Sequence[Table] = ()


def choose(
    link: Link, scratch: str, live: LiveTable, alters: Sequence[Sequence[str]], *, no_copy: str = ""
) -> How:
    """How *alters* of *live* will run.

    Each of them is one ALTER TABLE, given by its parts: `["ADD COLUMN a int", "ADD KEY k (a)"]`. *link* is a session on a server
    of the same release with the sql_mode in which they will run, *scratch* a schema there with a plain name, for clones only:
    all of its tables are dropped. *no_copy* is a further reason why the table can not be copied online, as a phrase ("its key is
    dropped"). ServerRefused: the server takes them in no way. Refused: a copy would bring back rows that are to go.
    """
    unshown = _unshown(live, alters)
    cloned = in_live_order(live.target, live.table, live.name)
    clone = Clone(link, live.flavour, scratch, cloned, _touched(live, alters), unshown)
    choice = _Choice(live, clone, _tied(live, alters))
    return choice.made(alters, no_copy or _unreadable(live.table, unshown.old_temporals))


def _unreadable(table: Table, old_temporals: Mapping[str, str]) -> str:
    """Why changed rows cannot be told from the binary log, which has not how long the fractions of an old format are."""
    for name, column_type in old_temporals.items():
        if name in table.row_key or "(" in column_type:
            return f"{name} is of an old format ({column_type})"
    return ""


def _unshown(live: LiveTable, alters: Sequence[Sequence[str]]) -> Unshown:
    """What a clone has to have beyond the table's text, as far as it matters to *alters*."""
    table, target, flavour = live.table, live.target, live.flavour
    parts = [part for one in alters for part in one]
    columns = 0
    if text_column(table) and any(" COLUMN " in part for part in parts):
        columns = entry_of(target, flavour, table.schema, live.name).columns - bool(table.own_key)
    told = "ROW_FORMAT" in table.options or any(_FORMAT.search(part) for part in parts)
    innodb = table.options.get("ENGINE", "InnoDB") == "InnoDB"
    return Unshown(
        columns=columns,
        row_format=_row_format(live) if innodb and not told else "",
        old_temporals=old_temporals(target, table.schema, live.name) if flavour.mariadb else {},
    )


def _row_format(live: LiveTable) -> str:
    return (told_of(live.target, live.table.schema, live.name, "ROW_FORMAT") or "").upper()


def _tied(live: LiveTable, alters: Sequence[Sequence[str]]) -> Tied:
    table = live.table
    gets = [part.removeprefix("ADD ") for parts in alters for part in parts if _NEW_KEY.match(part)]
    newly = {foreign_key_of("", line, table.schema).parent for line in gets}
    others = [other for other in live.relatives if (other.schema, other.name) != (table.schema, table.name)]
    return Tied(
        mariadb=live.flavour.mariadb,
        all=sorted({other.name for other in others}),
        referred=sorted({foreign.parent for foreign in table.foreign_keys} - {table.name}),
        newly=sorted(newly - {table.name}),
    )


def _touched(live: LiveTable, alters: Sequence[Sequence[str]]) -> Sequence[Table]:
    """The relatives of the same schema, when a part adds a foreign key or names a column of one. To anything else the server does
    what it does without them, and a table in the midst of a schema has dozens.
    """
    relatives = [other for other in live.relatives if other.schema == live.table.schema]
    names = {name for key in live.table.foreign_keys for name in key.columns}
    names |= {name for other in relatives for key in other.foreign_keys for name in key.parent_columns}
    signs = {" references ", *(quote_name(name).lower() for name in names)}
    return (
        relatives if any(sign in part.lower() for parts in alters for part in parts for sign in signs) else ()
    )


class _Choice:
    """One table's choice."""

    def __init__(self, live: LiveTable, clone: Clone, tied: Tied) -> None:
        self._live = live
        self._target = live.target
        self._flavour = live.flavour
        self._table = live.table
        self._clone = clone
        self._tied = tied
        self._small = self._is_small()

    def made(self, alters: Sequence[Sequence[str]], no_copy: str) -> How:
        trials = self._tried(alters)
        if all(map(self._harmless, trials)):
            return self._as_the_server_does(trials)
        if self._small:
            return replace(self._as_the_server_does(trials), small=True)
        apart = self._apart(alters, self._clone.text)
        if apart is not None:
            return self._as_the_server_does(apart)
        obstacle = no_copy or self._obstacle()
        if obstacle:
            return self._as_the_server_does(trials, obstacle)
        self._refuse_lost_drops(trials)
        how = self._how(Strategy.ONLINE, trials)
        return replace(how, unseen=_OUT_OF_SIGHT if self._hidden_children is None else "")

    @cached_property
    def _hidden_children(self) -> bool | None:
        """Those in sight are among its ties, as far as the plan leaves them there."""
        return has_hidden_children(self._target, self._flavour, self._table.schema, self._live.name)

    def _refuse_lost_drops(self, trials: Sequence[Trial]) -> None:
        """A partition that is dropped from an empty copy takes no rows along: they would all come into the others."""
        for trial in filter(lambda one: drops_rows(one.clauses), trials):
            raise Refused(
                f"{self._table.name}: {trial.clauses} removes rows of the table itself, while the rest of the change copies "
                "them into a new one: drop the partitions in a plan of its own, first"
            )

    def _as_the_server_does(self, trials: Sequence[Trial], obstacle: str = "") -> How:
        """No shadow table: the server's own algorithms. Where one makes writers wait, all of it is told as that."""
        if any(
            t.algorithm is Algorithm.COPY or (t.algorithm is Algorithm.PLAIN and t.moves_rows) for t in trials
        ):
            return self._how(Strategy.DIRECT, trials, obstacle)
        instant = all(trial.algorithm is Algorithm.INSTANT for trial in trials)
        return self._how(Strategy.INSTANT if instant else Strategy.IN_PLACE, trials, obstacle)

    def _tried(self, alters: Sequence[Sequence[str]]) -> list[Trial]:
        """Each ALTER on the clone; again without INSTANT when the live table has no row versions left for them."""
        trials = self._run([", ".join(parts) for parts in alters])
        used = sum(trial.row_versions for trial in trials)
        if used and self._versions_used() + used > self._versions_allowed():
            trials = self._run([", ".join(parts) for parts in alters], instant=False)
        return trials

    def _apart(self, alters: Sequence[Sequence[str]], outcome: str) -> list[Trial] | None:
        """The change cut into more ALTERs, when that way none of them does harm and the outcome is the same: the order of columns
        may hang on the order of parts.
        """
        if all(len(parts) == 1 for parts in alters):
            return None
        for cut in AlterSplitter(self._clone, self._harmless, alters).cuts():
            trials = self._run_cut(cut)
            if trials is not None and all(map(self._harmless, trials)) and self._clone.text == outcome:
                used = self._versions_used() + sum(trial.row_versions for trial in trials)
                return trials if used <= self._versions_allowed() else None
        return None

    def _run_cut(self, cut: Sequence[str]) -> list[Trial] | None:
        """None when they do not stand alone, or not in that order."""
        try:
            return self._run(cut)
        except ServerRefused:
            return None

    def _run(self, alters: Sequence[str], *, instant: bool = True) -> list[Trial]:
        self._clone.fresh()
        return [self._clone.run(clauses, instant=instant) for clauses in alters]

    def _harmless(self, trial: Trial) -> bool:
        """Whether it can run on the live table as it is: writers go on, and nobody waits for it long."""
        if self._reorganised([trial]):
            return self._is_small(self._reorganised([trial]))
        if trial.moves_rows or trial.algorithm is Algorithm.COPY:
            return False
        return not trial.builds_index or not self._held_up

    def _is_small(self, partitions: tuple[str, ...] = ()) -> bool:
        rows, bytes_ = self._live.sizes(partitions)
        return rows <= DIRECT_ROWS and bytes_ <= DIRECT_BYTES

    def _reorganised(self, trials: Sequence[Trial]) -> tuple[str, ...]:
        """The partitions of the live table whose rows alone are written anew; empty: all are, or none."""
        moving = [trial.clauses for trial in trials if trial.moves_rows]
        names = tuple(name for clauses in moving for name in named_partitions(clauses))
        known = read_partitioning(self._table.partitions).definitions if names else {}
        return names if all(map(reorganises, moving)) and all(name in known for name in names) else ()

    @cached_property
    def _held_up(self) -> str:
        """Who would be, while an index is built."""
        return followers(self._target, self._flavour)

    def _obstacle(self) -> str:
        """Why the table can not be copied online; empty: it can."""
        engines = {self._table.options.get("ENGINE", "InnoDB"), self._clone.engine}
        foreign = sorted(name for name in engines if name.lower() != "innodb")
        if self._tied.all or self._table.foreign_keys:
            return "it is in a foreign key"
        if self._hidden_children:
            return "a foreign key of a table that this user may not see refers to it"
        if self._table.triggers:
            return f"it has triggers ({', '.join(sorted(self._table.triggers))})"
        if not self._table.row_key:
            return _keyless(self._table)
        if not (self._table.own_key or self._table.index("PRIMARY")) and insists_on_a_key(self._target):
            return "the server makes no copy without a primary key"
        if foreign:
            return f"{foreign[0]} does not lock rows"
        if "WITH SYSTEM VERSIONING" in self._table.text.upper():
            return "it keeps its own history (system versioning)"
        return NO_COPY_IN_GALERA if in_galera_cluster(self._target) else ""

    def _how(self, strategy: Strategy, trials: Sequence[Trial], obstacle: str = "") -> How:
        held_up = self._held_up if any(t.builds_index or t.moves_rows for t in trials) else ""
        size = self._size(self._reorganised(trials) if strategy is Strategy.DIRECT else ())
        gone = [name for t in trials if drops_rows(t.clauses) for name in named_partitions(t.clauses)]
        going = self._size(tuple(gone)) if gone else None
        lock, warning = lock_sentence(
            strategy, trials, size, self._tied, going=going, obstacle=obstacle, held_up=held_up
        )
        return How(
            strategy=strategy,
            alters=tuple((trial.clauses, trial.algorithm) for trial in trials),
            lock=lock,
            warning=warning,
            rebuilds=any(trial.moves_rows for trial in trials),
        )

    def _size(self, partitions: tuple[str, ...]) -> Size:
        rows, bytes_ = self._live.sizes(partitions)
        pieces = (
            partitions_of(self._target, self._table.schema, self._live.name) if self._table.partitions else 1
        )
        return Size(rows=rows, bytes_=bytes_, partitions=partitions, pieces=pieces)

    def _versions_used(self) -> int:
        """How many row versions the live table has already; 0 where that may not be asked, and on MariaDB, which has no limit."""
        return entry_of(self._target, self._flavour, self._table.schema, self._live.name).row_versions

    def _versions_allowed(self) -> int:
        return _ROW_VERSIONS_9_1 if self._flavour.version >= (9, 1, 0) else _ROW_VERSIONS


def _keyless(table: Table) -> str:
    unique = "unique key of NOT NULL columns, visible and not USING HASH"
    if table.index("PRIMARY") is None:
        return f"it has no primary key and no {unique}"
    return (
        "its rows cannot be found in order by its primary key (it has a FLOAT, DOUBLE, BIT, the begin of a column, "
        f"or an ENUM or SET of more than {MOST_CODES} values), and it has no other {unique}"
    )
