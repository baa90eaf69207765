"""The records the store hands out: frozen, typed, free of SQL. Imports nothing of ours but the states."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from storage.states import State


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedChange:
    """One reviewed change of one table, as the plan stored it.

    `spec` belongs to the engine: the store keeps it as JSON and looks at nothing in it.
    """

    namespace: str
    table: str
    ddl: str
    change_type: str  # create | alter | drop | other
    strategy: str  # how it will run, in the engine's word
    lock: str  # what it locks and for how long, for people
    is_unsafe: bool = False
    unsafe_reason: str = ""
    spec: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """An immutable, reviewed plan: what will be done, and the live schema it was computed from."""

    plan_id: str
    database: str
    database_type: str
    environment: str
    deployment: str = ""
    repository: str = ""
    pull_request: int | None = None
    engine: str = ""
    schema_files: Mapping[str, Mapping[str, str]]  # namespace → file name → text
    changes: Sequence[PlannedChange]
    findings: Sequence[Mapping[str, Any]] = ()
    original_schema: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # namespace → file → text
    fingerprints: Mapping[str, str] = field(default_factory=dict)  # live table → fingerprint at plan time
    created_at: datetime | None = None  # set by the store


@dataclass(frozen=True, slots=True, kw_only=True)
class NewApply:
    """What `enqueue` needs to make one apply of one plan; its tasks are the plan's changes, in order."""

    plan_id: str
    environment: str
    deployment: str
    caller: str = ""
    options: Mapping[str, str] = field(default_factory=dict)
    idempotency_key: str | None = None
    max_attempts: int = 10
    warnings: Sequence[str] = ()  # what must stand in its log from the beginning; not part of the request


@dataclass(frozen=True, slots=True, kw_only=True)
class Apply:
    """One run of a plan against one target, as the store knows it now."""

    id: int
    apply_uid: str
    plan_id: str
    database: str
    database_type: str
    environment: str
    deployment: str
    repository: str
    pull_request: int | None
    caller: str
    engine: str
    options: Mapping[str, str]
    state: State
    attempt: int
    max_attempts: int
    fence: int
    leased: bool  # somebody holds a lease token, expired or not
    lease_owner: str
    next_attempt_at: datetime | None  # when failed_retryable: the time of the next try
    error: str
    external_id: str
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One table's change inside an apply."""

    apply_id: int
    seq: int
    task_uid: str
    namespace: str
    table: str
    ddl: str
    change_type: str
    strategy: str
    state: State
    attempt: int
    error: str
    rows_copied: int
    rows_total: int
    eta_seconds: int | None
    rows_per_second: int | None
    detail: str
    started_at: datetime | None
    completed_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The right to drive one apply: every write of a driver carries its fence and token (OW-2)."""

    apply_id: int
    apply_uid: str
    fence: int
    token: str
    owner: str
    attempt: int
    lease_seconds: float
    waited_seconds: float  # from due to claimed, on the store's clock
    recovered: bool  # a retry, or its last driver died


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskMove:
    """A task's next state; `error` is kept with a failed task."""

    seq: int
    state: State
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskProgress:
    """How far a task is; replaces what was stored before."""

    seq: int
    rows_copied: int
    rows_total: int
    eta_seconds: int | None = None
    rows_per_second: int | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlRequest:
    """A person's command about one apply, durable before it is acknowledged."""

    id: int
    apply_id: int
    kind: str  # stop | start | cancel | cutover
    caller: str
    state: str  # pending | done | failed | superseded
    reason: str
    affected: int  # tasks the command moved, once settled
    skipped: int  # tasks that were terminal already, once settled
    created_at: datetime
    settled_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One line of an apply's log."""

    id: int
    apply_uid: str
    task_id: int | None  # seq of the task
    level: str  # debug | info | warn | error
    event_type: str
    message: str
    old_state: str
    new_state: str
    fence: int | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One ownership of an apply: who, when, how it ended."""

    apply_id: int
    fence: int
    attempt: int
    owner: str
    claimed_at: datetime
    ended_at: datetime | None
    outcome: str  # "" while it lasts


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """A person's (or pull request's) reservation of a database."""

    database: str
    database_type: str
    owner: str
    repository: str
    pull_request: int | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """Which applies a list is limited to; the empty ones limit nothing."""

    environment: str = ""
    deployment: str = ""
    states: frozenset[State] = frozenset(State)
    within_seconds: float | None = None
    """Only those that changed in that time, by the store's clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """An apply the sweep gave up on."""

    apply_uid: str
    attempt: int
    reason: str
