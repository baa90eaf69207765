"""The server's answers as records: read once from JSON, leniently, so that no view touches a dictionary."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

ENDED = frozenset({"completed", "failed", "cancelled", "reverted"})
PACKED = re.compile(
    r"(?P<copied>\d{1,18})/(?P<total>\d{1,18})\s+(?P<percent>\d{1,3}(?:\.\d+)?)%\s*(?P<words>.*)", re.S
)
"""How the original's server says how far a copy is, and what holds it."""
NOTES = {
    "deploy_request_url": "Deploy request",
    "branch_name": "Branch",
    "status_detail": "Status",
    "revert_expires_at": "Revert possible until",
}
NOT_MOVING = ENDED | {"stopped", ""}


def _text(data: Mapping[str, Any], key: str) -> str:
    value = data.get(key)
    return value if isinstance(value, str) else ""


def _count(data: Mapping[str, Any], key: str) -> int:
    value = data.get(key)
    return int(value) if isinstance(value, (int, float)) and abs(value) < 1e18 else 0


def _list(data: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    value = data.get(key)
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _texts(data: Mapping[str, Any], key: str) -> tuple[str, ...]:
    value = data.get(key)
    return tuple(str(item) for item in value) if isinstance(value, list) else ()


def parse_time(text: str) -> datetime | None:
    """An RFC 3339 time, or None."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None


@dataclass(frozen=True, slots=True, kw_only=True)
class TableChange:
    """One change of a plan."""

    namespace: str
    table: str
    ddl: str
    change_type: str
    is_unsafe: bool
    unsafe_reason: str
    strategy: str
    lock: str

    @classmethod
    def read(cls, data: Mapping[str, Any], namespace: str) -> "TableChange":
        """From one item of `table_changes`."""
        return cls(
            namespace=_text(data, "namespace") or namespace,
            table=_text(data, "table_name"),
            ddl=_text(data, "ddl"),
            change_type=_text(data, "change_type") or "other",
            is_unsafe=data.get("is_unsafe") is True,
            unsafe_reason=_text(data, "unsafe_reason"),
            strategy=_text(data, "strategy"),
            lock=_text(data, "lock"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One finding of a plan."""

    severity: str
    linter: str
    message: str
    table: str
    column: str
    file: str
    line: int

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> "Violation":
        """From one item of `lint_violations`."""
        return cls(
            # Our server says `blocked` apart; the original's clients know it only as an error.
            severity=_text(data, "severity_detail") or _text(data, "severity") or "warning",
            linter=_text(data, "linter"),
            message=_text(data, "message"),
            table=_text(data, "table"),
            column=_text(data, "column"),
            file=_text(data, "file"),
            line=_count(data, "line"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A plan of one environment; `raw` is the server's answer as it came."""

    plan_id: str
    database: str
    database_type: str
    environment: str
    engine: str
    changes: tuple[TableChange, ...]
    violations: tuple[Violation, ...]
    errors: tuple[str, ...]
    unmanaged: tuple[str, ...]
    vschema_changed: bool
    raw: Mapping[str, Any]

    @classmethod
    def read(cls, data: Mapping[str, Any], *, database: str, database_type: str, environment: str) -> "Plan":
        """From a plan response; the keywords fill what an ordinary plan response leaves out."""
        groups = _list(data, "changes")
        return cls(
            plan_id=_text(data, "plan_id"),
            database=_text(data, "database") or database,
            database_type=_text(data, "database_type") or database_type,
            environment=_text(data, "environment") or environment,
            engine=_text(data, "engine"),
            changes=tuple(
                TableChange.read(item, _text(group, "namespace"))
                for group in groups
                for item in _list(group, "table_changes")
            ),
            violations=tuple(Violation.read(item) for item in _list(data, "lint_violations")),
            errors=_texts(data, "errors"),
            unmanaged=_texts(data, "unmanaged"),
            vschema_changed=any("vschema" in (group.get("metadata") or {}) for group in groups),
            raw=data,
        )

    @property
    def empty(self) -> bool:
        """Whether the live schema already is the desired one."""
        return not self.changes and not self.vschema_changed

    @property
    def unsafe(self) -> tuple[str, ...]:
        """What could lose data, one line each; empty when the plan is safe."""
        lines = [
            f"{v.table}: {v.message}" if v.table else v.message
            for v in self.violations
            if v.severity == "error"
        ]
        named = {violation.table for violation in self.violations if violation.severity == "error"}
        lines += [
            f"{change.table}: {change.unsafe_reason or 'unsafe change'}"
            for change in self.changes
            if change.is_unsafe and change.table not in named
        ]
        return tuple(dict.fromkeys(lines))


@dataclass(frozen=True, slots=True, kw_only=True)
class TableProgress:
    """How far one table's change is."""

    namespace: str
    table: str
    ddl: str
    status: str
    strategy: str
    rows_copied: int
    rows_total: int
    percent: int
    eta_seconds: int
    rows_per_second: int
    detail: str
    error: str
    shards: tuple[str, ...]  # the states of its shards, where it has some

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> "TableProgress":
        """From one item of `tables`. Our server sends figures and words apart; the original packs both into one text."""
        text = _text(data, "progress_detail")
        packed = PACKED.search(text)
        return cls(
            namespace=_text(data, "keyspace") or _text(data, "namespace"),
            table=_text(data, "table_name"),
            ddl=_text(data, "ddl"),
            status=_text(data, "status").lower() or "pending",
            strategy=_text(data, "strategy"),
            rows_copied=_count(data, "rows_copied") or (int(packed["copied"]) if packed else 0),
            rows_total=_count(data, "rows_total") or (int(packed["total"]) if packed else 0),
            percent=min(
                100,
                max(0, _count(data, "percent_complete") or (int(float(packed["percent"])) if packed else 0)),
            ),
            eta_seconds=_count(data, "eta_seconds"),
            rows_per_second=_count(data, "rows_per_second"),
            detail=_text(data, "detail") or (packed["words"].strip() if packed else text),
            error=_text(data, "error_message") or _text(data, "error"),
            shards=tuple(_text(item, "status").lower() for item in _list(data, "shards")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far an apply is; `state` is "" when there never was one."""

    state: str
    apply_id: str
    database: str
    environment: str
    caller: str
    tables: tuple[TableProgress, ...]
    error_code: str
    error: str
    options: Mapping[str, Any]
    attempt: int
    max_attempts: int
    volume: int  # how hard the copy works, 1 to 11; 0: nobody said
    next_attempt_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    notes: tuple[tuple[str, str], ...]  # what is known besides, for people: label and text
    raw: Mapping[str, Any]

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> "Progress":
        """From a progress response."""
        options, metadata = data.get("options"), data.get("metadata")
        known = metadata if isinstance(metadata, dict) else {}
        state = _text(data, "state").lower().removeprefix("state_")
        return cls(
            state="" if state == "no_active_change" else state,
            apply_id=_text(data, "apply_id"),
            database=_text(data, "database"),
            environment=_text(data, "environment"),
            caller=_text(data, "caller"),
            tables=tuple(TableProgress.read(item) for item in _list(data, "tables")),
            error_code=_text(data, "error_code"),
            error=_text(data, "error_message"),
            options=options if isinstance(options, dict) else {},
            attempt=_count(data, "attempt"),
            max_attempts=_count(data, "max_attempts"),
            volume=_count(data, "volume"),
            next_attempt_at=parse_time(_text(data, "next_attempt_at")),
            started_at=parse_time(_text(data, "started_at")),
            completed_at=parse_time(_text(data, "completed_at")),
            notes=tuple((label, text) for key, label in NOTES.items() if (text := _text(known, key))),
            raw=data,
        )

    @property
    def ended(self) -> bool:
        """Whether it will never move again."""
        return self.state in ENDED

    @property
    def moving(self) -> bool:
        """Whether a server works on it, or will by itself."""
        return self.state not in NOT_MOVING

    @property
    def phase(self) -> str:
        """The state as a person sees it: between two tables an apply that began is running, not waiting to begin."""
        return "running" if self.state == "pending" and self.finished_tables() else self.state

    @property
    def deferred(self) -> bool:
        """Whether the cutover waits for a person."""
        return self.state == "waiting_for_cutover" and self.options.get("defer_cutover") == "true"

    def finished_tables(self) -> int:
        """How many changes are live."""
        return sum(table.status == "completed" for table in self.tables)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyRow:
    """One line of the status or history table."""

    apply_id: str
    database: str
    environment: str
    state: str
    engine: str
    caller: str
    started_at: str
    completed_at: str
    error: str

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> "ApplyRow":
        """From one item of `applies`."""
        names = (
            "apply_id",
            "database",
            "environment",
            "state",
            "engine",
            "caller",
            "started_at",
            "completed_at",
            "error",
        )
        return cls(**{name: _text(data, name) for name in names})


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of an apply's log."""

    id: int
    level: str
    event_type: str
    message: str
    created_at: str

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> "Event":
        """From one item of `logs`."""
        return cls(
            id=_count(data, "id"),
            level=_text(data, "level"),
            event_type=_text(data, "event_type"),
            message=_text(data, "message"),
            created_at=_text(data, "created_at"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedRow:
    """A database that a server changes, or a deployment (its type) that changes others for it."""

    name: str
    type: str
    environments: tuple[str, ...]

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> "ServedRow":
        """From one item of `databases`, whose environments are objects, or of `deployments`, whose are names."""
        named = tuple(_text(item, "environment") for item in _list(data, "environments"))
        return cls(
            name=_text(data, "name") or _text(data, "database"),
            type=_text(data, "type"),
            environments=named or _texts(data, "environments"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """Who holds a database."""

    database: str
    database_type: str
    owner: str
    repository: str
    pull_request: int
    created_at: str

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> "Lock":
        """From a lock object."""
        return cls(
            database=_text(data, "database"),
            database_type=_text(data, "database_type"),
            owner=_text(data, "owner"),
            repository=_text(data, "repository"),
            pull_request=_count(data, "pull_request"),
            created_at=_text(data, "created_at"),
        )


def rows(data: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """The objects in the list under *key*; anything else is left out."""
    return _list(data, key)
