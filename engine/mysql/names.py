"""The names of the helper objects of a copy, and those of constraints as far as they follow that of their table.

Each helper sorts after its table. A RENAME takes its metadata locks in the order of the names; were a helper's first, it
would wait there while writes that had queued on the table got into the old one (402 of them in 25 swaps, measured).
"""

import hashlib
from dataclasses import dataclass

from engine.errors import Refused
from engine.mysql.quoting import LONGEST
from engine.mysql.spec import DELTA_SUFFIX, HELPER_MARK, OLD_SUFFIX, OWN_PREFIX, SHADOW_SUFFIX

MOMENTS = "iud"
"""Of the capture triggers: insert, update, delete."""
LATE = ("~", "\uffe6")
"""What names begin with that sort after nearly all others, after all others."""

KEY_MARK = "_ibfk_"
CHECK_MARK = "_chk_"
"""Behind the name of the table, in the names that a server gives to constraints; CHECKs on MySQL only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The helpers of one table's copy."""

    source: str
    stem: str

    @property
    def shadow(self) -> str:
        """The table that is filled."""
        return self.stem + SHADOW_SUFFIX

    @property
    def old(self) -> str:
        """The replaced table."""
        return self.stem + OLD_SUFFIX

    @property
    def delta(self) -> str:
        """The keys that changed, where triggers capture them."""
        return self.stem + DELTA_SUFFIX

    def trigger(self, moment: str) -> str:
        """A capture trigger: *moment* is one of MOMENTS."""
        return f"{self.stem}{HELPER_MARK}t{moment}"


def names_of(source: str) -> Names:
    """The names for the table *source*."""
    # MySQL names CHECKs after their table, and anew whenever it is renamed; those need more room than the triggers.
    kept = LONGEST - len(SHADOW_SUFFIX) - len(f"{CHECK_MARK}999")
    digest = hashlib.sha256(source.encode()).hexdigest()[:16]
    # Cut off alone, names that differ at their ends only would have the same helpers.
    own = source if len(source) <= kept else f"{source[: kept - 9]}~{digest[:8]}"
    for stem in (own, *(f"{late}{digest}" for late in LATE)):
        names = Names(source=source, stem=stem)
        # Servers with lower_case_table_names lock by the lower-case name; both orders must do.
        if all(_after(name, source) for name in (names.shadow, names.old, names.delta)):
            return names
    raise Refused(
        f"no helper name sorts after {source!r}: the table cannot be copied online; rename it first"
    )


def carried(name: str, before: str, after: str, mark: str) -> str:
    """What the constraint *name* of the table *before* is called once that is called *after*.

    The server knows the names that it gave by how they begin, so what somebody named like that follows the table, too.
    """
    begin = before + mark
    return after + name.removeprefix(before) if name.startswith(begin) and name != begin else name


def is_capture(table: str, trigger: str) -> bool:
    """Whether a trigger on *table*, live or replaced, has the name of one by which a copy captures changes."""
    if table.endswith(OLD_SUFFIX):
        stem = table.removesuffix(OLD_SUFFIX)
    else:
        try:
            stem = names_of(table).stem
        except Refused:
            return False
    names = Names(source=table, stem=stem)
    return trigger in {names.trigger(moment) for moment in MOMENTS}


def _after(name: str, source: str) -> bool:
    return name.encode() > source.encode() and name.lower().encode() > source.lower().encode()


def is_helper_name(name: str) -> bool:
    """Whether a table of that *name* is one that a change makes and removes, or one of SchemaBot's own."""
    lower = name.lower()
    return lower.endswith((SHADOW_SUFFIX, OLD_SUFFIX, DELTA_SUFFIX)) or lower.startswith(OWN_PREFIX)
