"""What the planner tells the executor about one change: plain data, kept as JSON in the plan.

Fingerprints are those of `engine.sqlite.catalog`: of a table with its indexes and triggers (or of a view) as it stands at this
step of the plan, our own helper objects left out. All SQL here was shown to the reviewer or follows from what was shown.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

SHADOW_SUFFIX = "__osc_n"  # the table that is filled
OLD_SUFFIX = "__osc_o"  # the replaced table, until it is removed
DELTA_SUFFIX = "__osc_d"  # the keys that changed while copying
HELPER_MARK = "__osc_"  # every helper object of a change has it in its name
OWN_PREFIX = "_schemabot_"  # the tables of SchemaBot itself on the target (owner, checkpoints)


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexSpec:
    """An index of the rebuilt table, under its final name and under the name it has while the shadow is filled."""

    name: str
    sql: str
    shadow_name: str
    shadow_sql: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rebuild:
    """How a table is rebuilt: fill *shadow* from *source*, then swap."""

    source: str  # the live table
    table: str  # its name afterwards (differs from source only when renamed)
    shadow: str
    create: str  # CREATE TABLE of the shadow, under the shadow's name
    columns: tuple[tuple[str, str], ...]  # (new column, column of the source), generated ones left out
    key: tuple[
        str, ...
    ]  # source columns of a stable unique NOT NULL key that stays one, in key order; empty: none
    new_key: tuple[str, ...]  # the same columns under their new names
    rowid_key: bool  # key is the INTEGER PRIMARY KEY
    indexes: tuple[IndexSpec, ...]
    triggers: tuple[str, ...]  # CREATE TRIGGER statements to run after the swap
    exact: tuple[
        str, ...
    ] = ()  # new columns of another type in which no value may be altered: nobody allowed it
    keep_rowids: bool = False  # copy the hidden numbers of the rows, too: something finds them by these


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One change: plain `statements` in one transaction, or a `rebuild` (then `statements` run after the swap, too)."""

    before: str | None  # fingerprint the live object must have; None: it must not exist
    after: str | None  # fingerprint it has when done; None: it must not exist
    source: str  # name of the live object looked at for `before` (differs from `table` only for a rename)
    table: str  # name of the object looked at for `after`
    statements: tuple[str, ...] = ()
    rebuild: Rebuild | None = None
    online: bool = False  # rebuild in batches; else in one transaction
    small: bool = False  # in one transaction that reads or removes rows, because there were few of them

    def to_json(self) -> dict[str, Any]:
        """Plain lists, dicts, strings; `from_json` reads it back."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The step that `to_json` wrote (tuples may have become lists)."""
        fields = dict(data)
        fields["statements"] = tuple(fields["statements"])
        if fields["rebuild"] is not None:
            rebuild = dict(fields["rebuild"])
            rebuild["columns"] = tuple((new, old) for new, old in rebuild["columns"])
            rebuild["indexes"] = tuple(IndexSpec(**index) for index in rebuild["indexes"])
            for name in ("key", "new_key", "triggers", "exact"):
                rebuild[name] = tuple(rebuild.get(name, ()))
            fields["rebuild"] = Rebuild(**rebuild)
        return cls(**fields)
