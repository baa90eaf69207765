"""The one conversion, each way, between a change as the engine speaks of it and as the store keeps it."""

from engine.base import Change, Strategy
from storage.records import PlannedChange


def to_stored(change: Change) -> PlannedChange:
    """The record the store keeps of *change*."""
    return PlannedChange(
        namespace=change.namespace,
        table=change.table,
        ddl=change.ddl,
        change_type=change.change_type,
        strategy=change.strategy.value,
        lock=change.lock,
        is_unsafe=bool(change.unsafe),
        unsafe_reason="; ".join(change.unsafe),
        spec=change.spec,
    )


def to_engine(stored: PlannedChange) -> Change:
    """The engine's view of a stored change: what was reviewed, nothing else (RC-2)."""
    return Change(
        namespace=stored.namespace,
        table=stored.table,
        change_type=stored.change_type,
        ddl=stored.ddl,
        strategy=Strategy(stored.strategy),
        lock=stored.lock,
        unsafe=(stored.unsafe_reason,) if stored.is_unsafe else (),
        spec=stored.spec,
    )
