"""The contract of an engine: plan a change of one target, then drive it, change by change.

An engine knows nothing of the store, of applies' states or of HTTP. The server opens a `Session` for the apply it has
claimed and calls, for one change (sequential) or for all (grouped): `standing`, `prepare`, `cut_over`, `tidy`.
Every one of them may be called again after an interruption at any point and goes on from there.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from types import TracebackType
from typing import Any, ClassVar, Protocol, Self

SchemaFiles = Mapping[str, Mapping[str, str]]
"""namespace → file name → text of the file."""


VOLUMES = range(1, 12)
"""How hard a copy may press on its target: 1 is the gentlest, 11 the hardest."""
DEFAULT_VOLUME = 3


class Severity(StrEnum):
    """How bad a finding is. `error` is unsafe and needs `allow_unsafe`; `blocked` is refused whatever is allowed."""

    BLOCKED = "blocked"
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class Strategy(StrEnum):
    """How a change will run."""

    INSTANT = "instant"  # catalogue only: the time does not depend on the rows
    IN_PLACE = "in_place"  # the server changes the table itself, while writers go on
    DIRECT = "direct"  # one transaction whose time grows with the rows; planned for small tables only
    ONLINE = "online"  # shadow table, batches, checkpoint, cutover


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where a database is. `dsn` may hold a secret: never log it."""

    kind: str  # sqlite | mysql | vitess | remote
    database: str
    environment: str
    dsn: str = field(repr=False)  # of a remote one: the address of the other SchemaBot
    token: str = field(default="", repr=False)  # what the other SchemaBot knows us by
    # The dsn of a server to try plans out on instead of the target.
    workspace: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing a person should know about the plan."""

    severity: Severity
    linter: str
    message: str
    table: str = ""
    column: str = ""
    file: str = ""
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One table's (or view's) reviewed change. `spec` is the engine's own, plain JSON, read back when it runs."""

    namespace: str
    table: str
    change_type: str  # create | alter | drop | other
    ddl: str  # what people review; ends with ';'
    strategy: Strategy
    lock: str  # what it locks and how long, one sentence
    unsafe: tuple[str, ...] = ()  # messages of its `error` findings
    spec: Mapping[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str]:
        """What identifies the change inside its plan."""
        return (self.namespace, self.table)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanResult:
    """A verified plan. No `changes`: the live schema is the desired one.

    `fingerprints`: of every live table and view (those that the changes do not touch, too). `original`: the live schema
    as files. `unmanaged`: live objects that the plan leaves alone, as `kind name`.
    """

    changes: tuple[Change, ...]
    findings: tuple[Finding, ...]
    fingerprints: Mapping[str, str]
    original: SchemaFiles
    unmanaged: tuple[str, ...] = ()

    @property
    def blocked(self) -> tuple[str, ...]:
        """Messages of the findings no flag can override."""
        return tuple(f.message for f in self.findings if f.severity is Severity.BLOCKED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What commands the engine can service (CO-2)."""

    stop: bool
    cancel: bool
    defer_cutover: bool
    whole_plan: bool = False
    """The plan is one piece of work that goes on elsewhere, without its driver. `prepare` follows it: GO means all live
    (`standing` says so) or waiting for the cutover. Signals are passed on by `prepare` and `cut_over` themselves."""
    volume: bool = False
    """It asks `Control.volume` between chunks and keeps to it, also when it changes on the way."""


class Verdict(StrEnum):
    """What an observation means to the operator."""

    GOOD = "good"
    DOUBTFUL = "doubtful"  # works, but slower, or not for every change
    BAD = "bad"  # has to be mended before changes can run


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One thing that was looked at on a target before anything is changed there."""

    verdict: Verdict
    subject: str  # what was looked at, two or three words: "journal mode", "binlog_format", "privileges"
    text: str  # what was found, one sentence
    remedy: str = ""  # what to do about it; said of everything that is not good


def good(subject: str, text: str) -> Observation:
    """What needs nothing."""
    return Observation(verdict=Verdict.GOOD, subject=subject, text=text)


def doubtful(subject: str, text: str, remedy: str) -> Observation:
    """What makes changes slower, or some of them impossible."""
    return Observation(verdict=Verdict.DOUBTFUL, subject=subject, text=text, remedy=remedy)


def bad(subject: str, text: str, remedy: str) -> Observation:
    """What has to be mended before changes can run."""
    return Observation(verdict=Verdict.BAD, subject=subject, text=text, remedy=remedy)


class Signal(Enum):
    """What the server wants of a running engine call."""

    GO = "go"
    STOP = "stop"  # a person's stop: checkpoint and return
    CANCEL = "cancel"  # a person's cancel: return; `discard` follows
    HALT = "halt"  # shutdown: checkpoint and return


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    """What it takes to let the whole plan be done elsewhere. Both calls may raise; the engine lets it fly."""

    options: Mapping[str, str]  # of the apply
    files: SchemaFiles  # what the plan was made from
    external_id: str  # what `attach` was told last, in this drive or an earlier one
    attach: Callable[[str], None]
    """Make durable under which id the work goes on elsewhere, before it can; "" takes it back."""
    refused: Callable[[Signal, str], None]
    """A STOP or CANCEL cannot be done there, for that reason: it is settled as failed and the work goes on (CO-2)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Whose work a session does: the apply, and the fence of the claim under which it is done (OW-5)."""

    apply_uid: str
    fence: int
    owner: str  # host:pid:boot:thread, for people
    namespaces: tuple[str, ...] = ()  # of all changes of the apply
    handover: Handover | None = None  # given to engines that take the whole plan elsewhere
    still_ours: Callable[[], object] = bool
    """Raises when the claim could be another's by now (OW-3): asked while whoever came after us could not act."""
    is_over: Callable[[str], bool] = lambda _apply_uid: False
    """Whether the apply of that uid is known to have ended, whatever signs of life it left on the target. Never raises."""
    may_make: bool = False
    """Where no database is, one may be made: the plan found nothing there, and nothing was begun."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a change is."""

    change: Change
    rows_copied: int
    rows_total: int
    detail: str = ""  # one short phrase: "copying rows", "verifying"; while it waits "waiting: …", "copying rows, waiting for …"
    durable: bool = False  # a checkpoint moved on the target since the last report
    live: bool = False  # of a whole plan: this change is live already, others may not be
    notable: bool = False  # `detail` belongs in the apply's log, however often one is written there


class Control(Protocol):
    """The server's side of a running engine call. Its calls may raise; the engine rolls back and lets it fly."""

    def report(self, progress: Progress) -> Signal:
        """Take note and say whether to go on. Cheap: call it between batches, at least once a second."""

    def clear_to_cut_over(self) -> Signal:
        """The last look before the cutover: reads the store afresh (CO-1) and the lease's deadline (OW-3)."""

    def pause(self, seconds: float) -> None:
        """Sleep, woken early by shutdown."""

    def volume(self) -> int:
        """How hard to press on the target now, one of VOLUMES: people change it while the copy runs. Never raises.

        Cheap: call it between chunks. Only engines that say so in their capabilities need it.
        """


class Standing(Enum):
    """Where a change stands on the live target."""

    FITS = "fits"  # the table is what the plan was computed from
    DONE = "done"  # the table already is what the change wants (RC-4)


class Session(ABC):
    """One owner's hold on one target for one apply; a context manager, used by one thread.

    Opening it fences off every earlier owner. All methods raise `EngineError`s only (besides what `Control` raises). What they
    made on the target stays there, whatever they raise: after an error that is permanent whoever drives calls `discard`.
    """

    @abstractmethod
    def check_fits(self, changes: Sequence[Change], fingerprints: Mapping[str, str]) -> None:
        """Called once, before anything began: DriftFound, naming the table, when a table that *changes* touch is no longer
        what it was at plan time (*fingerprints* of the plan; a created one must not exist) and not yet done either (RC-3).
        """

    @abstractmethod
    def standing(self, change: Change) -> Standing:
        """Look at the live table. DriftFound when it is neither what was reviewed nor what is wanted (RC-2, RC-3)."""

    @abstractmethod
    def prepare(self, changes: Sequence[Change], control: Control) -> Signal:
        """Do all that can be done beforehand: for online changes copy, catch up and verify. GO when ready to cut over.

        Called again on a prepared change it only catches up (a parked apply).
        """

    @abstractmethod
    def cut_over(self, changes: Sequence[Change], control: Control) -> Signal:
        """Make the prepared changes live, all in one step where the target can. GO when they are."""

    @abstractmethod
    def tidy(self, control: Control) -> Signal:
        """Remove what finished changes left behind (old tables, checkpoints), in small steps. GO when nothing is left."""

    def give_up(self, reason: str) -> None:  # noqa: B027
        """It failed for good; `discard` comes next. Where that may take long, or several owners, note it on the target: the next
        owner's `prepare` raises Refused with *reason*, and does not do the work again to fail with it.
        """

    @abstractmethod
    def discard(self, control: Control) -> Signal:
        """Cancelled, or failed for good: remove everything the apply made on the target and that is not live. GO when nothing
        is left.
        """

    def know(self, changes: Sequence[Change]) -> None:  # noqa: B027
        """All changes of the apply in their order, those that are done, too; told before anything is asked. Nothing to do where
        no change depends on what another one leaves.
        """

    def unfinished(self, changes: Sequence[Change]) -> str:  # noqa: ARG002
        """What *changes* that were begun and are not done leave changed on the target, for people. Empty: nothing; so it is
        wherever each change is made live in one step.
        """
        return ""

    def start_again(self) -> None:
        """A person's start, passed on to where the work goes on by itself. Nothing to do where it does not."""
        return

    @abstractmethod
    def close(self) -> None:
        """Let go of the target's connection; the hold itself stays with the apply while it has unfinished work."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Engine(ABC):
    """Plans and opens sessions for one target; safe to share between threads."""

    name: ClassVar[str]  # as on the wire: "SQLite"
    capabilities: ClassVar[Capabilities]

    @abstractmethod
    def ping(self) -> None:
        """Raise TargetUnavailable or Refused unless the target can be reached."""

    def examine(self) -> Sequence[Observation]:
        """What an operator has to know about the target before a change: one for each thing looked at, the good ones too.

        Changes nothing there and takes seconds at most. Raises what `ping` raises: a target that cannot be reached has
        nothing else to show.
        """
        self.ping()
        return (good("reach", "the target answers"),)

    @abstractmethod
    def pull(self) -> SchemaFiles:
        """The live schema as files that plan as "no change"."""

    @abstractmethod
    def plan(self, files: SchemaFiles) -> PlanResult:
        """What it takes to make the live schema the one of *files*: verified in a scratch place, deterministic.

        BadFiles: the files are not understood. Refused: no verified way. Changes nothing on the target.
        """

    def not_deferrable(
        self,
        changes: Sequence[Change],  # noqa: ARG002
        fingerprints: Mapping[str, str],  # noqa: ARG002
    ) -> str:
        """Why *changes*, those of a plan made from *fingerprints*, cannot wait for one cutover; empty: they can."""
        return ""

    def kind(self) -> str | None:
        """The type of the database where only the engine can tell, because it asks elsewhere; else None."""
        return None

    @abstractmethod
    def open(self, job: Job) -> Session:
        """Take the target for *job*. TargetHeld, TargetUnavailable (Unreachable: nobody answers); Fenced: a newer owner came."""
