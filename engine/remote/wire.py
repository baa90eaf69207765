"""From the other SchemaBot's JSON to our records. Nothing in it is trusted to have the type it should."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from engine.base import Change, Finding, PlanResult, SchemaFiles, Severity, Strategy
from engine.errors import Refused
from engine.remote.client import Answer

COMPLETED, STOPPED, RETRYING = "completed", "stopped", "failed_retryable"
WAITING = "waiting_for_cutover"
OVER = frozenset({COMPLETED, "failed", "cancelled", "reverted"})
"""States nothing leaves."""

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class FarTable:
    """One table's change, as far as it is there."""

    namespace: str
    table: str
    state: str
    rows_copied: int
    rows_total: int
    detail: str

    @property
    def key(self) -> tuple[str, str]:
        """What identifies it inside its plan."""
        return (self.namespace, self.table)


@dataclass(frozen=True, slots=True, kw_only=True)
class FarApply:
    """How far the other SchemaBot is with the apply it does for us."""

    state: str
    error: str
    tries: str  # "attempt 3 of 10", or ""
    retry_in: float | None  # seconds, on the other's clock alone
    tables: tuple[FarTable, ...]
    volume: int | None  # None: nobody set one there

    @property
    def advance(self) -> tuple[str, int, int]:
        """Grows, or changes, with everything that lasts."""
        done = sum(table.state == COMPLETED for table in self.tables)
        return (self.state, done, sum(table.rows_copied for table in self.tables))


def to_progress(answer: Answer) -> FarApply:
    """The body of a progress answer."""
    body = answer.body
    return FarApply(
        state=_text(body, "state"),
        error=_text(body, "error_message"),
        tries=_tries(body),
        retry_in=_retry_in(_text(body, "next_attempt_at"), answer.sent_at),
        tables=tuple(_table(found) for found in _objects(body, "tables")),
        volume=_number(body, "volume") or None,
    )


def to_plan(body: Json, original: SchemaFiles) -> PlanResult:
    """The body of a plan answer. The plan's id over there travels in every change's spec."""
    plan_id = _text(body, "plan_id")
    changes = [
        _change(table, _text(group, "namespace"), plan_id)
        for group in _objects(body, "changes")
        for table in _objects(group, "table_changes")
    ]
    if changes and not plan_id:
        raise Refused("the other SchemaBot planned without naming the plan")
    return PlanResult(
        changes=tuple(changes),
        findings=tuple(_finding(found) for found in _objects(body, "lint_violations")),
        fingerprints={},
        original=original,
        unmanaged=tuple(item for item in _list(body, "unmanaged") if isinstance(item, str)),
    )


def plan_id_of(change: Change) -> str:
    """The id of the plan over there that *change* belongs to."""
    return str(change.spec["plan_id"])


def changed_tables(body: Json) -> set[tuple[str, str]]:
    """The keys of what a plan answer would change."""
    return {
        (_text(table, "namespace") or _text(group, "namespace"), _text(table, "table_name"))
        for group in _objects(body, "changes")
        for table in _objects(group, "table_changes")
    }


def to_files(body: Json, key: str = "files") -> SchemaFiles:
    """The files of a pull answer, or those that a plan answer has under *key*."""
    found = body.get(key)
    return {
        str(namespace): {str(name): str(text) for name, text in texts.items()}
        for namespace, texts in (found.items() if isinstance(found, dict) else ())
        if isinstance(texts, dict)
    }


def applies_of(body: Json) -> Iterator[Json]:
    """The applies of a history answer, newest first."""
    yield from _objects(body, "applies")


def events_of(body: Json) -> Iterator[Json]:
    """The events of a log answer, oldest first."""
    yield from _objects(body, "logs")


def accepted(body: Json) -> bool:
    """Whether the other side does what it was asked."""
    return body.get("accepted") is True


def _change(table: Json, namespace: str, plan_id: str) -> Change:
    reason = _text(table, "unsafe_reason")
    return Change(
        namespace=_text(table, "namespace") or namespace,
        table=_text(table, "table_name"),
        change_type=_text(table, "change_type"),
        ddl=_text(table, "ddl"),
        strategy=_strategy(_text(table, "strategy")),
        lock=_text(table, "lock"),
        unsafe=(reason or "unsafe",) if table.get("is_unsafe") is True else (),
        spec={"plan_id": plan_id},
    )


def _strategy(text: str) -> Strategy:
    try:
        return Strategy(text)
    except ValueError:
        return Strategy.ONLINE  # the original does not say, and copies


def _finding(found: Json) -> Finding:
    try:
        severity = Severity(_text(found, "severity_detail") or _text(found, "severity"))
    except ValueError:
        severity = Severity.ERROR
    return Finding(
        severity=severity,
        linter=_text(found, "linter"),
        message=_text(found, "message"),
        table=_text(found, "table"),
        column=_text(found, "column"),
        file=_text(found, "file"),
        line=_number(found, "line"),
    )


def _table(found: Json) -> FarTable:
    return FarTable(
        namespace=_text(found, "keyspace"),
        table=_text(found, "table_name"),
        state=_text(found, "status"),
        rows_copied=_number(found, "rows_copied"),
        rows_total=_number(found, "rows_total"),
        detail=_text(found, "detail"),
    )


def _tries(body: Json) -> str:
    most = _number(body, "max_attempts")
    return f"attempt {_number(body, 'attempt')} of {most}" if most else ""


def _retry_in(stamp: str, sent_at: float | None) -> float | None:
    if not stamp or sent_at is None:
        return None
    try:
        return datetime.fromisoformat(stamp).timestamp() - sent_at
    except ValueError:
        return None


def _text(body: Json, name: str) -> str:
    value = body.get(name)
    return value if isinstance(value, str) else ""


def _number(body: Json, name: str) -> int:
    value = body.get(name)
    return max(0, value) if type(value) is int else 0


def _list(body: Json, name: str) -> list[Any]:
    value = body.get(name)
    return value if isinstance(value, list) else []


def _objects(body: Json, name: str) -> Iterator[Json]:
    yield from (item for item in _list(body, name) if isinstance(item, dict))
