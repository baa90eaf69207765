"""One change on its way into the plan: its step, how it runs, what it locks, and the SQL people review."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from engine.base import Change, Finding, Strategy
from engine.sqlite.planning.scratch import rebuild_statements
from engine.sqlite.sizes import DIRECT_ROWS
from engine.sqlite.spec import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A change of one table or view, before its findings are known."""

    change_type: str
    step: Step
    strategy: Strategy
    rows: int = 0  # of the live table, counted no further than counted_to + 1
    counted_to: int = DIRECT_ROWS
    aside: bool = False  # dropped by a rename; the rows are removed later, in batches
    keyless: bool = False  # large, and yet not online: no key to walk by
    unseen: str = (
        ""  # large, and yet not online: a unique index by which rows are replaced that no trigger can tell
    )

    @property
    def replaced(self) -> bool:
        """Whether the old object is dropped and another one made."""
        return (
            self.change_type == "alter"
            and self.step.rebuild is None
            and self.step.statements[0].startswith("DROP TABLE")
        )

    @property
    def name(self) -> str:
        """The object's name when the change is done (or, dropped, its last one)."""
        return self.step.table

    def change(self, namespace: str, unsafe: Sequence[Finding]) -> Change:
        """The change as the contract has it. *unsafe*: its findings that somebody must allow."""
        return Change(
            namespace=namespace,
            table=self.name,
            change_type=self.change_type,
            ddl=reviewed_sql(self.step),
            strategy=self.strategy,
            lock=lock_sentence(self),
            unsafe=tuple(finding.message for finding in unsafe),
            spec=self._allowing({finding.column for finding in unsafe}).to_json(),
        )

    def _allowing(self, columns: set[str]) -> Step:
        """The step, in which values of *columns* may be altered: whoever runs it has allowed that."""
        rebuild = self.step.rebuild
        if rebuild is None:
            return self.step
        exact = tuple(name for name in rebuild.exact if name not in columns)
        return replace(self.step, rebuild=replace(rebuild, exact=exact))


def reviewed_sql(step: Step) -> str:
    """All statements of a step, one per line or more, each ending with ;."""
    rebuild = rebuild_statements(step.rebuild) if step.rebuild else []
    return "\n".join(f"{statement};" for statement in (*rebuild, *step.statements))


def lock_sentence(draft: Draft) -> str:
    """What the change locks and for how long."""
    rows = f"more than {draft.counted_to:,}" if draft.rows > draft.counted_to else f"{draft.rows:,}"
    plural, verb = ("row", "is") if draft.rows == 1 else ("rows", "are")
    if draft.aside:
        return (
            "One short write transaction takes the table out of sight, whatever the number of rows; "
            "they are removed in short batches afterwards."
        )
    if draft.strategy is Strategy.INSTANT and draft.rows and (draft.change_type == "drop" or draft.replaced):
        return f"One short write transaction on the database, in which {rows} {plural} {verb} removed."
    if draft.strategy is Strategy.INSTANT:
        return "One short write transaction on the database, whatever the number of rows: only the schema is written."
    if draft.strategy is Strategy.ONLINE:
        return (
            f"Copies {rows} {plural} in short batches, each holding the database's write lock for milliseconds; "
            "writers go on in between; one short write transaction swaps the tables."
        )
    what = "copied" if draft.step.rebuild else "read or removed"
    tail = " There is no stable key to go in batches by." if draft.keyless else ""
    if draft.unseen:
        tail = f" It cannot go in batches: no trigger sees which rows a REPLACE removes by its unique index {draft.unseen}."
    return (
        f"Holds the database's write lock in one transaction while {rows} {plural} {verb} {what}; "
        f"writers wait, and in rollback-journal mode readers at its end, too.{tail}"
    )
