"""The one fake engine: scripted, in memory, with a log of what it was told. Everything else in the tests is real."""

import threading
from collections.abc import Callable, Mapping, Sequence

from engine.base import (
    Capabilities,
    Change,
    Control,
    Engine,
    Job,
    PlanResult,
    Progress,
    SchemaFiles,
    Session,
    Signal,
    Standing,
    Strategy,
)
from engine.errors import Fenced


class FakeTarget:
    """What the fake engine changes: a set of tables that are done, and the newest fence."""

    def __init__(self) -> None:
        self.done: list[tuple[str, str]] = []
        self.told: list[str] = []
        self.fences: dict[str, int] = {}
        self.jobs: list[Job] = []
        self.lock = threading.Lock()
        self.rows = 5
        self.volumes: list[int] = []
        self.unfinished = ""
        self.on: dict[str, Callable[[Control], None]] = {}
        """step name ("open", "prepare orders", "cut_over orders", "tidy", "discard") → what happens first."""

    def tell(self, step: str, control: Control | None = None) -> None:
        """Note *step* and run what the test hung on it."""
        with self.lock:
            self.told.append(step)
        hook = self.on.get(step)
        if hook is not None:
            hook(control)  # type: ignore[arg-type]


class FakeEngine(Engine):
    """An engine over a FakeTarget."""

    name = "Fake"
    capabilities = Capabilities(stop=True, cancel=True, defer_cutover=True, volume=True)

    def __init__(self, target: FakeTarget) -> None:
        self.target = target

    def ping(self) -> None:
        """There, unless the test says otherwise."""
        self.target.tell("ping")

    def pull(self) -> SchemaFiles:
        """Nothing to see."""
        return {}

    def plan(self, files: SchemaFiles) -> PlanResult:
        """One instant change per file."""
        changes = tuple(
            fake_change(name.removesuffix(".sql"), namespace)
            for namespace, found in files.items()
            for name in found
        )
        return PlanResult(changes=changes, findings=(), fingerprints={}, original={})

    def open(self, job: Job) -> Session:
        """Take the target; an older fence is refused (OW-5)."""
        self.target.tell("open")
        with self.target.lock:
            if self.target.fences.get(job.apply_uid, 0) > job.fence:
                raise Fenced(f"fence {job.fence} is older than {self.target.fences[job.apply_uid]}")
            self.target.fences[job.apply_uid] = job.fence
            self.target.jobs.append(job)
        return FakeSession(self.target, job)


def fake_change(table: str, namespace: str = "main") -> Change:
    """A change of *table* that the fake engine understands."""
    return Change(
        namespace=namespace,
        table=table,
        change_type="alter",
        ddl=f"ALTER TABLE {table} ADD COLUMN c;",
        strategy=Strategy.ONLINE,
        lock="none",
    )


class FakeSession(Session):
    """Copies `rows` rows per change, one report each, then swaps."""

    def __init__(self, target: FakeTarget, job: Job) -> None:
        self._target = target
        self._job = job

    def _guard(self) -> None:
        with self._target.lock:
            if self._target.fences[self._job.apply_uid] != self._job.fence:
                raise Fenced("a newer owner took the target")

    def check_fits(self, changes: Sequence[Change], fingerprints: Mapping[str, str]) -> None:
        """Always fits, unless the test says otherwise."""
        self._target.tell("check_fits")

    def standing(self, change: Change) -> Standing:
        """Done once it was cut over."""
        return Standing.DONE if change.key in self._target.done else Standing.FITS

    def prepare(self, changes: Sequence[Change], control: Control) -> Signal:
        """Report row by row."""
        for change in changes:
            self._target.tell(f"prepare {change.table}", control)
            for row in range(self._target.rows):
                self._guard()
                progress = Progress(
                    change=change,
                    rows_copied=row + 1,
                    rows_total=self._target.rows,
                    detail="copying rows",
                    durable=True,
                )
                self._target.volumes.append(control.volume())
                signal = control.report(progress)
                if signal is not Signal.GO:
                    return signal
        return Signal.GO

    def cut_over(self, changes: Sequence[Change], control: Control) -> Signal:
        """Make them done, all at once."""
        signal = control.clear_to_cut_over()
        if signal is not Signal.GO:
            return signal
        for change in changes:
            self._target.tell(f"cut_over {change.table}", control)
        self._guard()
        self._target.done.extend(change.key for change in changes)
        return Signal.GO

    def tidy(self, control: Control) -> Signal:
        """Nothing to remove."""
        self._target.tell("tidy", control)
        return Signal.GO

    def give_up(self, reason: str) -> None:
        """Note it."""
        self._target.tell(f"give up: {reason}")

    def discard(self, control: Control) -> Signal:
        """Nothing to remove; a shutdown that comes then is obeyed."""
        self._target.tell("discard", control)
        return control.clear_to_cut_over()

    def unfinished(self, changes: Sequence[Change]) -> str:
        """What the test says."""
        return self._target.unfinished

    def close(self) -> None:
        """Let go."""
        self._target.tell("close")
