"""What the lifecycle asks of a dialect: the statements of one open transaction, and the transactions themselves.

Rows are dicts keyed by column name; a time in them is an aware datetime. Durations are seconds. Only the store reads a
clock: no method takes the time of day. A method that names a row the transaction goes on to change *holds* it: nobody
else changes it before the transaction ends.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal, TypeVar

from storage.records import Claim, Sought, TaskProgress

Row = dict[str, Any]
Result = TypeVar("Result")
Guard = Literal["full", "state", "id"]
"""How `renew` knows the owner: right, or, for fault tests that must notice it, by the state or the id alone."""


class Statements(ABC):
    """The statements of one open transaction, by the records they touch."""

    repeated: bool = False
    """An earlier run of the same work may have been committed: its connection was lost before the answer to COMMIT came."""

    # -- plans ------------------------------------------------------------------------------------------------

    @abstractmethod
    def insert_plan(self, columns: Mapping[str, Any]) -> None:
        """Add a plan, created now; one of that id stays as it is."""

    @abstractmethod
    def plan(self, plan_id: str) -> Row | None:
        """The plan of that id."""

    # -- applies: looking ---------------------------------------------------------------------------------------

    @abstractmethod
    def apply(self, apply_id: int) -> Row:
        """An apply that is known to exist."""

    @abstractmethod
    def find_apply(self, apply_uid: str) -> Row | None:
        """The apply of that uid."""

    @abstractmethod
    def silence(self, apply_id: int) -> float:
        """How long ago an apply that is known to exist was written, heartbeats aside."""

    @abstractmethod
    def hold_apply(self, apply_uid: str) -> Row | None:
        """The apply of that uid, held."""

    @abstractmethod
    def apply_of_key(self, idempotency_key: str) -> Row | None:
        """The apply that the key made."""

    @abstractmethod
    def live_apply(self, database: str, environment: str, database_type: str) -> Row | None:
        """The apply that holds the target."""

    @abstractmethod
    def active_apply(self, database: str, environment: str) -> Row | None:
        """The newest apply that is not terminal, of any type of database."""

    @abstractmethod
    def latest_apply(self, database: str, environment: str) -> Row | None:
        """The newest apply in any state."""

    @abstractmethod
    def history(self, database: str, environment: str | None, limit: int) -> list[Row]:
        """Applies of a database, newest first."""

    @abstractmethod
    def recent(self, limit: int) -> list[Row]:
        """Applies by COALESCE(started_at, created_at), newest first."""

    @abstractmethod
    def recent_sought(self, limit: int, sought: Sought) -> list[Row]:
        """The same of the applies that are sought."""

    @abstractmethod
    def live_sought(self, limit: int, sought: Sought) -> list[Row]:
        """The same of those that have not ended: as many as there are busy targets, found without their past."""

    @abstractmethod
    def counts(self) -> list[Row]:
        """`state` and `applies`: how many live ones are in it."""

    # -- applies: in and out ------------------------------------------------------------------------------------

    @abstractmethod
    def insert_apply(self, columns: Mapping[str, Any]) -> Row | None:
        """Add a pending apply, due now. None when its uid, its key or its target is taken (OW-4)."""

    @abstractmethod
    def first_due(self, idle: float) -> Row | None:
        """The first due apply that may be handed out, held, and since when it was due as `waited`.

        Not handed out: exhausted ones, retries older than *idle*. Where transactions run beside each other, rows held
        by others are passed over.
        """

    @abstractmethod
    def next_wait(self, idle: float) -> float | None:
        """How long until `first_due` finds something (negative: it would have), or None."""

    @abstractmethod
    def take(self, claim: Claim, *, retry: bool) -> None:
        """Make the claim's owner the owner; *retry*: it is failed_retryable, and becomes pending."""

    @abstractmethod
    def renew(self, claim: Claim) -> bool:
        """The guard: renew the lease, whether the claim is the owner's (OW-2).

        No time is compared: an expired lease that nobody took revives, one that was taken has another fence. So no
        clock can make it wrong.
        """

    @abstractmethod
    def release_leases(self) -> int:
        """Every leased apply is due now; how many."""

    # -- applies: driving -----------------------------------------------------------------------------------------

    @abstractmethod
    def show(self, apply_id: int, state: str, *, progress: bool) -> None:
        """Set the state of a driven apply and, once, `started_at`; *progress* sets `attempt` to 0."""

    @abstractmethod
    def touch(self, apply_id: int, *, progress: bool) -> None:
        """Note that it lives; *progress* sets `attempt` to 0."""

    @abstractmethod
    def attach(self, apply_id: int, external_id: str) -> None:
        """Set where its work is done."""

    @abstractmethod
    def set_options(self, apply_id: int, options: str) -> None:
        """Replace the options an apply was asked for with (JSON)."""

    @abstractmethod
    def set_started(self, apply_id: int) -> None:
        """Set `started_at`, once."""

    @abstractmethod
    def let_go(
        self,
        apply_id: int,
        state: str,
        *,
        ended: bool,
        fence: int,
        delay: float | None,
        attempt: int | None,
        error: str | None,
    ) -> None:
        """Nobody drives it: due after *delay*, or never (None). *attempt* and *error* None keep what is stored."""

    # -- applies: the sweep -----------------------------------------------------------------------------------------

    @abstractmethod
    def spent_page(self, after: tuple[datetime, int] | None, idle: float, page: int) -> list[Row]:
        """`id`, `fence`, `claimable_at` of applies to give up on, in the order of (claimable_at, id), after that key.

        To give up on: exhausted ones that are due, retries older than *idle*.
        """

    @abstractmethod
    def hold_spent(self, apply_id: int, fence: int, idle: float) -> Row | None:
        """One of them, held, if it still is; `spent`: exhausted and due."""

    @abstractmethod
    def late(self, slack: float) -> list[Row]:
        """`id`, `claimable_at` of applies due further ahead than they ever were put, and *slack* more."""

    @abstractmethod
    def mend(self, apply_id: int, seen: datetime) -> None:
        """Due as far ahead of now as it was put, unless it was changed since it was *seen*."""

    # -- tasks ------------------------------------------------------------------------------------------------------

    @abstractmethod
    def insert_tasks(self, tasks: Sequence[Mapping[str, Any]]) -> None:
        """Add pending tasks."""

    @abstractmethod
    def tasks(self, apply_id: int) -> list[Row]:
        """The tasks of an apply, in order."""

    @abstractmethod
    def move_task(
        self,
        apply_id: int,
        seq: int,
        state: str,
        *,
        fence: int,
        error: str | None,
        retried: bool,
        begun: bool,
        ended: bool,
    ) -> None:
        """Set a task's state: attempt + 1 when *retried*, `started_at` once when *begun*, `completed_at` when *ended*."""

    @abstractmethod
    def retry_tasks(self, apply_id: int, fence: int) -> None:
        """Tasks that are failed_retryable → pending, attempt + 1."""

    @abstractmethod
    def record_progress(self, apply_id: int, fence: int, progress: TaskProgress) -> None:
        """Replace a task's progress."""

    # -- attempts and events ------------------------------------------------------------------------------------------

    @abstractmethod
    def insert_attempt(self, claim: Claim, *, bumped: bool) -> None:
        """Note that an ownership began."""

    @abstractmethod
    def end_attempt(self, apply_id: int, fence: int, outcome: str) -> None:
        """Note how it ended; one that is over stays as it was noted."""

    @abstractmethod
    def attempt_of(self, claim: Claim) -> Row | None:
        """The ownership that the claim's token began; waits for a transaction that is about to begin it."""

    @abstractmethod
    def attempts(self, apply_id: int) -> list[Row]:
        """Every ownership of an apply, by fence."""

    @abstractmethod
    def insert_event(self, columns: Mapping[str, Any]) -> None:
        """Add a line to an apply's log, now."""

    @abstractmethod
    def events(self, apply_id: int, limit: int) -> list[Row]:
        """The newest lines, newest first, each with its `apply_uid`."""

    # -- commands -----------------------------------------------------------------------------------------------------

    @abstractmethod
    def insert_request(self, apply_id: int, kind: str, caller: str) -> int:
        """Add a pending command; its id."""

    @abstractmethod
    def control_request(self, request_id: int) -> Row | None:
        """The command of that id."""

    @abstractmethod
    def open_requests(self, apply_id: int) -> list[Row]:
        """Pending commands, oldest first."""

    @abstractmethod
    def settle_request(self, request_id: int, state: str, reason: str, affected: int, skipped: int) -> None:
        """Close a pending command; one that is closed stays as it is."""

    @abstractmethod
    def count_request(self, request_id: int, affected: int, skipped: int) -> None:
        """Note what a command moved."""

    # -- locks and settings ---------------------------------------------------------------------------------------------

    @abstractmethod
    def insert_lock(self, columns: Mapping[str, Any]) -> None:
        """Add a lock; one of that database and type stays as it is."""

    @abstractmethod
    def lock(self, database: str, database_type: str) -> Row | None:
        """The lock."""

    @abstractmethod
    def hold_lock(self, database: str, database_type: str) -> Row | None:
        """The lock, held."""

    @abstractmethod
    def delete_lock(self, database: str, database_type: str) -> None:
        """Remove the lock."""

    @abstractmethod
    def locks(self) -> list[Row]:
        """All locks, newest first."""

    @abstractmethod
    def settings(self) -> list[Row]:
        """`name` and `value`, by name."""

    @abstractmethod
    def setting(self, name: str) -> Row | None:
        """One of them."""

    @abstractmethod
    def put_setting(self, name: str, value: str) -> None:
        """Insert or replace."""


class Transactions(ABC):
    """Where statements run. Errors of the driver are translated here, once."""

    @abstractmethod
    def write(self, work: Callable[[Statements], Result]) -> Result:
        """Run *work* in one transaction: COMMIT when it returns, ROLLBACK when it raises.

        *work* runs again when the store undid it (a deadlock, a lost connection), and then also when that cannot be
        known (`Statements.repeated`): it must have no effect but its statements.
        """

    @abstractmethod
    def beat(self, work: Callable[[Statements], Result]) -> Result:
        """As `write`, on the heartbeat's own connection, tried less often and for less long."""

    @abstractmethod
    def read(self, work: Callable[[Statements], Result]) -> Result:
        """Run *work*, which only looks; every look is of the newest committed state."""
