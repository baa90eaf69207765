"""The waist: what every store does. One abstract method = one transaction.

Rules every implementation keeps (ids from docs/invariants.md):

* Only the database reads a clock; callers send durations in seconds.
* Every method with a `Claim` starts its transaction with the guard (OW-2), renews the lease with it, and raises
  `LeaseLost` when the guard matches no row.
* State changes go through `storage.states`; the apply's state is `derive`d from its tasks in the same transaction.
* An event is appended in the transaction that changes something a person may ask about.
* An apply holds its target from enqueue until it is terminal; `stopped` and `failed_retryable` hold it too (OW-4).
* Driver errors are translated to `storage.errors` once, here.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from types import TracebackType
from typing import Self

from storage.records import (
    Apply,
    Attempt,
    Claim,
    ControlRequest,
    Event,
    Expired,
    Lock,
    NewApply,
    Plan,
    Sought,
    Task,
    TaskMove,
    TaskProgress,
)


class Store(ABC):
    """Safe to share between threads; safe beside other processes on the same store."""

    # -- the store itself -------------------------------------------------------------------------------------

    @abstractmethod
    def upgrade(self) -> None:
        """Converge the store's own tables; safe to repeat. Raises SchemaTooNew, Corrupt, Unavailable."""

    @abstractmethod
    def ping(self) -> None:
        """Raise Unavailable unless the store can be read and written now."""

    @abstractmethod
    def close(self) -> None:
        """Release every connection; further calls raise Unavailable."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -- plans ------------------------------------------------------------------------------------------------

    @abstractmethod
    def save_plan(self, plan: Plan) -> None:
        """Keep *plan*; saving the same plan id again changes nothing."""

    @abstractmethod
    def plan(self, plan_id: str) -> Plan:
        """The plan of that id, or NotFound."""

    # -- enqueue, claim, lease --------------------------------------------------------------------------------

    @abstractmethod
    def enqueue(self, new: NewApply) -> Apply:
        """Make one apply and its tasks, due at once.

        The same idempotency key and the same request give the same apply again; another request under the key
        raises KeyReused. NotFound: unknown plan. TargetBusy: a live apply holds the target.
        """

    @abstractmethod
    def made_before(self, new: NewApply) -> Apply | None:
        """The apply that `enqueue` made of this request, by its idempotency key. KeyReused, as there."""

    @abstractmethod
    def claim(self, owner: str, lease_seconds: float) -> Claim | None:
        """Hand the first due apply to *owner*, or None when nothing is due.

        Raises the fence. A queued, handed-back or parked apply changes nothing else; a `failed_retryable` one goes to
        `pending`, its retryable tasks too (task attempt + 1), and `attempt` is bumped; one whose lease ran out
        has `attempt` bumped. An exhausted apply is never handed out: `expire_retryable` ends it.
        """

    @abstractmethod
    def next_due(self) -> float | None:
        """Seconds until something becomes claimable (0 when something is), or None when nothing will."""

    @abstractmethod
    def heartbeat(self, claims: Iterable[Claim]) -> frozenset[str]:
        """Renew every lease, in short transactions on a connection of its own.

        Returns the tokens of the claims that are *proven* lost (read successfully and not ours; OW-3). An expired
        lease nobody took revives.
        """

    @abstractmethod
    def hand_back(self, claim: Claim, *, fence: int = 0) -> None:
        """Give the apply back, as on shutdown: due at once, the attempt not spent. Its next claim is above *fence* as well."""

    @abstractmethod
    def release_orphans(self) -> int:
        """Make every leased apply due at once: for a process that has proven to be alone on the store (a file lock).

        They count as died drivers: their next claim raises the fence and bumps `attempt`. Returns how many there were.
        """

    # -- a driver's writes (all guarded) ------------------------------------------------------------------------

    @abstractmethod
    def advance(self, claim: Claim, moves: Sequence[TaskMove], message: str = "") -> Apply:
        """Move tasks among live states, derive the apply's state, log *message*. A completed task resets `attempt`.

        The derived state must be a live one: ends have verbs of their own below. Sets `started_at` once.
        """

    @abstractmethod
    def record(self, claim: Claim, progress: Sequence[TaskProgress], *, durable: bool) -> None:
        """Store progress; *durable* (a checkpoint moved on the target) resets `attempt` to 0."""

    @abstractmethod
    def log(self, claim: Claim, level: str, event_type: str, message: str) -> None:
        """Append an event."""

    @abstractmethod
    def attach(self, claim: Claim, external_id: str) -> None:
        """Note under which id the work is done elsewhere ("" takes it back). Such work goes on without its driver.

        While an apply has an `external_id`, a stop is true only once a driver had it confirmed there: `request` and
        `retry_later` never settle one, they leave it pending and the apply due. `start` stays pending for the driver, too.
        """

    @abstractmethod
    def complete(self, claim: Claim, message: str = "") -> None:
        """Every live task → completed, apply → completed, lease released, open commands superseded."""

    @abstractmethod
    def fail(self, claim: Claim, seq: int | None, error: str) -> None:
        """Task *seq* → failed (None: the first that is not finished), other unfinished ones → cancelled, apply → failed."""

    @abstractmethod
    def retry_later(
        self, claim: Claim, seq: int | None, error: str, delay: float, *, spent: bool = True
    ) -> None:
        """Begun, unfinished tasks (and *seq*, else the first unfinished) → failed_retryable, apply likewise, due in *delay* s.

        Not *spent*: the attempt that this claim cost is given back, not those before it.
        With a stop pending the apply comes to rest as stopped instead: nobody is left to obey it (CO-1).
        """

    @abstractmethod
    def park(self, claim: Claim, delay: float) -> None:
        """Release the lease of an apply whose tasks are all waiting_for_cutover or completed; next catch-up in *delay* s.

        A pending cutover, stop or cancel makes it due at once instead (no command is slept through). Being in step with
        the table again is progress: `attempt` goes to 0.
        """

    @abstractmethod
    def settle_stop(self, claim: Claim, request_id: int) -> None:
        """Unfinished tasks → stopped, apply → stopped, lease released, the command done, cutovers superseded.

        A cancel that overtook the stop keeps the apply due at once instead, for its clean-up.
        """

    @abstractmethod
    def settle_cancel(self, claim: Claim, request_id: int) -> None:
        """Unfinished tasks → cancelled, apply → cancelled, lease released, the command done."""

    @abstractmethod
    def settle(self, claim: Claim, request_id: int, state: str, reason: str) -> None:
        """Close one command as `done`, `failed` or `superseded`, nothing else."""

    # -- commands (any process) ---------------------------------------------------------------------------------

    @abstractmethod
    def request(self, apply_uid: str, kind: str, caller: str) -> ControlRequest:
        """Record a person's command: stop, start, cancel or cutover. NotFound, Refused (with what would work).

        Nobody drives (no lease token) → settled here: `stop` → stopped; `cancel` of an apply that never began →
        cancelled; of one that began → pending and due at once, the request stays pending for the driver's clean-up;
        `start` (only from stopped) → pending, due at once, attempt 0, fence raised. `cutover` needs
        waiting_for_cutover and no pending stop, and makes the apply due at once. Somebody drives → pending; a
        stop or cancel supersedes a pending cutover, a cancel supersedes a pending stop. An equal pending command is
        returned, not doubled. Of an apply with an `external_id`, stop and start make it due at once and stay pending for
        its driver (see `attach`).
        """

    @abstractmethod
    def set_option(self, apply_uid: str, name: str, value: str, caller: str) -> str | None:
        """Change one option of an apply that is not over, with an event; what it was. NotFound, Refused.

        Its driver, if there is one, finds it when it reads the apply again.
        """

    @abstractmethod
    def control_request(self, request_id: int) -> ControlRequest:
        """The command as it stands now, or NotFound."""

    @abstractmethod
    def pending_requests(self, apply_id: int) -> list[ControlRequest]:
        """Open commands, oldest first."""

    # -- the sweep ------------------------------------------------------------------------------------------------

    @abstractmethod
    def expire_retryable(self, max_idle_seconds: float = 86_400.0) -> list[Expired]:
        """Give up on applies that are due, spent their budget (retrying, or their driver died), or that have been
        failed_retryable for longer than *max_idle_seconds*: retryable and begun tasks → failed, pending ones →
        cancelled, apply → failed, fence raised, the last engine error kept. Row by row, keyset paged; several may run.
        """

    # -- reading (never writes; ST-5) -----------------------------------------------------------------------------

    @abstractmethod
    def apply(self, apply_uid: str) -> Apply:
        """The apply of that id, or NotFound (`apply not found: X`)."""

    @abstractmethod
    def active_apply(self, database: str, environment: str) -> Apply | None:
        """The newest apply of the target that is not terminal."""

    @abstractmethod
    def latest_apply(self, database: str, environment: str) -> Apply | None:
        """The newest apply of the target in any state."""

    @abstractmethod
    def history(self, database: str, environment: str | None = None, limit: int = 200) -> list[Apply]:
        """Applies of a database, newest first."""

    @abstractmethod
    def recent(self, limit: int = 20, sought: Sought | None = None) -> list[Apply]:
        """The latest applies by COALESCE(started_at, created_at), newest first; of those that are *sought*."""

    @abstractmethod
    def tasks(self, apply_id: int) -> list[Task]:
        """The tasks of an apply, in order."""

    @abstractmethod
    def silence(self, apply_id: int) -> float:
        """For how many seconds nobody wrote how far the apply is, on the store's clock. A heartbeat says nothing of that."""

    @abstractmethod
    def events(self, apply_id: int, limit: int = 50) -> list[Event]:
        """The newest *limit* events, ascending."""

    @abstractmethod
    def attempts(self, apply_id: int) -> list[Attempt]:
        """Every ownership of the apply, by fence."""

    @abstractmethod
    def counts(self) -> dict[str, int]:
        """Number of live (non-terminal) applies by state, for the metrics."""

    # -- locks and settings -----------------------------------------------------------------------------------------

    @abstractmethod
    def acquire_lock(
        self,
        database: str,
        database_type: str,
        owner: str,
        repository: str = "",
        pull_request: int | None = None,
    ) -> Lock:
        """Take the lock, or get it again when *owner* holds it. LockHeld otherwise."""

    @abstractmethod
    def release_lock(self, database: str, database_type: str, owner: str, *, force: bool = False) -> None:
        """Release it. NotFound: nobody holds it. NotOwner: somebody else does and *force* is not set."""

    @abstractmethod
    def lock(self, database: str, database_type: str) -> Lock:
        """The lock, or NotFound."""

    @abstractmethod
    def locks(self) -> list[Lock]:
        """All locks, newest first."""

    @abstractmethod
    def settings(self) -> dict[str, str]:
        """All settings, sorted by key."""

    @abstractmethod
    def setting(self, key: str) -> str:
        """One setting, or NotFound."""

    @abstractmethod
    def set_setting(self, key: str, value: str) -> None:
        """Insert or replace a setting."""
