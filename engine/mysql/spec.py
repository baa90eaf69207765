"""What the planner tells the executor about one change: plain data, kept as JSON in the plan.

Fingerprints are `engine.mysql.tables.Table.fingerprint`: of a table's canonical SHOW CREATE text. All SQL here was shown to the
reviewer or follows from what was shown. Statements name tables with their schema (`shop`.`users`).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

from engine.mysql.quoting import quote_table

SHADOW_SUFFIX = "__osc_n"  # the table that is filled
OLD_SUFFIX = "__osc_o"  # the replaced table, until it is removed
DELTA_SUFFIX = "__osc_d"  # the keys that changed while copying, where triggers capture them
HELPER_MARK = "__osc_"  # every helper object of a change has it in its name
# Tables and schemas of SchemaBot itself on the target (owner, checkpoints, scratch).
OWN_PREFIX = "_schemabot_"

ALONE = "_"
"""Live tables whose names begin so are left alone unless the files have them: gh-ost, pt-online-schema-change and others call so
what they make for a while.
"""
SYSTEM_SCHEMAS = frozenset({"mysql", "information_schema", "performance_schema", "sys"})
"""Those that belong to the server itself, in lower case."""

Fingerprints = tuple[tuple[str, str | None], ...]
"""(table, fingerprint; None: the table must not exist), of the tables of one schema."""


class Algorithm(StrEnum):
    """How a statement is run; the word the server is told where it is ALTER TABLE."""

    PLAIN = "plain"  # CREATE, DROP, RENAME, and what takes no ALGORITHM clause: as it stands
    INSTANT = "instant"  # ALGORITHM=INSTANT
    NOCOPY = "nocopy"  # ALGORITHM=NOCOPY, LOCK=NONE (MariaDB)
    INPLACE = "inplace"  # ALGORITHM=INPLACE, LOCK=NONE: writers go on
    # ALGORITHM=COPY: writers wait as long as it takes; small tables, or nothing else is possible.
    COPY = "copy"

    @property
    def clause(self) -> str:
        """What is appended to an ALTER TABLE, so that the server refuses rather than takes another way."""
        return _CLAUSES[self]


_CLAUSES = {
    Algorithm.PLAIN: "",
    Algorithm.INSTANT: ", ALGORITHM=INSTANT",
    Algorithm.NOCOPY: ", ALGORITHM=NOCOPY, LOCK=NONE",
    Algorithm.INPLACE: ", ALGORITHM=INPLACE, LOCK=NONE",
    Algorithm.COPY: ", ALGORITHM=COPY",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One statement, run as it stands (the executor appends the algorithm's clauses to an ALTER TABLE)."""

    sql: str  # without ;
    algorithm: Algorithm
    after: Fingerprints  # of every table that the statement touches, once it has run (RC-4)
    small: bool = False  # it runs so because its table was small when the plan was made

    def subject(self, schema: str, *verbs: str) -> str | None:
        """The table that it is about, if it begins with one of *verbs* ("ALTER TABLE")."""
        starts = {f"{verb} {quote_table(schema, name)} ": name for name, _ in self.after for verb in verbs}
        return next((name for start, name in starts.items() if f"{self.sql} ".startswith(start)), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """An online copy: `ALTER TABLE <shadow> <clauses>` one after the other on an empty shadow, then rows, then the swap."""

    source: str  # the live table
    table: str  # its name afterwards (differs from source only when renamed)
    clauses: tuple[str, ...]  # what follows ALTER TABLE <name>, one element per ALTER
    # (new column, column of the source): all that are copied; generated ones left out.
    columns: tuple[tuple[str, str], ...]
    key: tuple[str, ...]  # columns of the source's NOT NULL unique key by which rows are found
    new_key: tuple[str, ...]  # the same columns under their new names


@dataclass(frozen=True, slots=True, kw_only=True)
class SuspendedKey:
    """A foreign key that a change drops and makes again: between two of its statements nobody enforces it."""

    table: str  # afterwards
    name: str  # afterwards
    was: str  # its name before
    dropped: int  # the number of the statement that drops it, from 1
    made: int  # the number of the statement that makes it again


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One change: `statements` one after the other, or an online `copy`. All tables are of the schema `schema`."""

    schema: str  # the schema on the server (the change's namespace may be named otherwise)
    before: Fingerprints  # of every table that the change touches, as it must be when it starts
    after: Fingerprints  # of the same tables when it is done
    statements: tuple[Statement, ...] = ()  # empty for an online copy
    copy: Copy | None = None
    suspended: tuple[SuspendedKey, ...] = ()
    copied_before: tuple[tuple[str, str], ...] = ()
    """(schema, table afterwards) of the online copies that have to be live first, as its foreign keys or names want it."""

    def to_json(self) -> dict[str, Any]:
        """Plain lists, dicts, strings; `from_json` reads it back."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The step that `to_json` wrote (tuples may have become lists)."""
        copy = data["copy"]
        return cls(
            schema=data["schema"],
            before=_pairs(data["before"]),
            after=_pairs(data["after"]),
            statements=tuple(
                Statement(
                    sql=one["sql"],
                    algorithm=Algorithm(one["algorithm"]),
                    after=_pairs(one["after"]),
                    small=one.get("small", False),
                )
                for one in data["statements"]
            ),
            copy=None
            if copy is None
            else Copy(
                source=copy["source"],
                table=copy["table"],
                clauses=tuple(copy["clauses"]),
                columns=tuple((new, old) for new, old in copy["columns"]),
                key=tuple(copy["key"]),
                new_key=tuple(copy["new_key"]),
            ),
            suspended=tuple(SuspendedKey(**one) for one in data.get("suspended", ())),
            copied_before=tuple((schema, table) for schema, table in data.get("copied_before", ())),
        )


def _pairs(data: Any) -> Fingerprints:
    return tuple((name, fingerprint) for name, fingerprint in data)
