"""Processes that stand for daemons, each with worker threads, which work off a queue for a stretch of time.

They are started once and take orders, so that no start of an interpreter is measured; connections are opened before the
starting shot, which is a point on the machine's monotonic clock.
"""

import multiprocessing
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Literal, Self

from bench.queues import Place, WorkQueue

NUMBERS = 200
"""Each worker enqueues so many different plans in turn: the first one is over when it comes again."""
HEAD_START = 0.02
GRACE = 10.0

Mode = Literal["drain", "cycle"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What one process is to do."""

    place: Place
    mode: Mode
    workers: int
    seconds: float
    first_worker: int = 0


@dataclass(slots=True)
class Outcome:
    """What happened, from any number of workers."""

    durations: list[float] = field(default_factory=list)
    """Of single claims."""
    put_at: dict[str, float] = field(default_factory=dict)
    """When each enqueue began."""
    taken_at: dict[str, float] = field(default_factory=dict)
    """When each claim was in hand."""
    empty: int = 0
    errors: list[str] = field(default_factory=list)
    ended: float = 0.0
    span: float = 0.0

    def add(self, other: "Outcome") -> None:
        """What others did at the same time, or in another round."""
        self.durations += other.durations
        self.put_at |= other.put_at
        self.taken_at |= other.taken_at
        self.empty += other.empty
        self.errors += other.errors
        self.ended = max(self.ended, other.ended)
        self.span += other.span

    @property
    def rate(self) -> float:
        """Claims per second."""
        return len(self.durations) / self.span if self.span else 0.0

    @property
    def waits(self) -> list[float]:
        """From the begin of an enqueue to the claim in hand."""
        return [at - self.put_at[key] for key, at in self.taken_at.items() if key in self.put_at]


class Crew:
    """The processes. Use it in a `with` statement; they end with it."""

    def __init__(self, size: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipes: list[Connection] = []
        self._processes = []
        for _ in range(size):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs,), daemon=True)
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join(GRACE)
            process.kill()

    def work(self, place: Place, mode: Mode, daemons: int, workers: int, seconds: float) -> Outcome:
        """Let the first *daemons* processes work, each with *workers* threads."""
        pipes = self._pipes[:daemons]
        for number, pipe in enumerate(pipes):
            pipe.send(
                Order(place=place, mode=mode, workers=workers, seconds=seconds, first_worker=number * workers)
            )
        _expect(pipes, seconds)  # each says that it is ready
        start = time.monotonic() + HEAD_START
        for pipe in pipes:
            pipe.send(start)
        total = Outcome()
        for part in _expect(pipes, seconds):
            total.add(part)
        total.span = max(total.ended - start, 1e-9)
        return total


def _expect(pipes: Sequence[Connection], seconds: float) -> list[Any]:
    answers = []
    for pipe in pipes:
        if not pipe.poll(seconds + 60.0):
            raise TimeoutError("a process of the bench does not answer")
        try:
            answers.append(pipe.recv())
        except EOFError:
            raise RuntimeError("a process of the bench died; its error is above") from None
    return answers


def _serve(pipe: Connection) -> None:
    """The life of one process."""
    try:
        while True:
            order: Order = pipe.recv()
            pipe.send(_obey(order, pipe))
    except (EOFError, OSError, KeyboardInterrupt):
        return


def _obey(order: Order, pipe: Connection) -> Outcome:
    queue = order.place.open()
    work = {"drain": _drain, "cycle": _cycle}[order.mode]
    outcomes = [Outcome() for _ in range(order.workers)]
    ready = threading.Barrier(order.workers + 1)
    shot = threading.Event()
    begin = [0.0]

    def run(number: int) -> None:
        queue.warm()
        ready.wait(60.0)
        shot.wait()
        time.sleep(max(0.0, begin[0] - time.monotonic()))
        work(queue, outcomes[number], order.first_worker + number, begin[0] + order.seconds)
        outcomes[number].ended = time.monotonic()

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(order.workers)]
    for thread in threads:
        thread.start()
    ready.wait(60.0)
    pipe.send("ready")
    begin[0] = pipe.recv()
    shot.set()
    total = Outcome()
    for thread, outcome in zip(threads, outcomes, strict=True):
        thread.join()
        total.add(outcome)
    queue.close()
    return total


def _noting(outcome: Outcome, work: Callable[[], bool], until: float) -> None:
    """Repeat *work* until it says that it is over, or time is up; an error is noted, and work goes on."""
    going = True
    while going and time.monotonic() < until:
        try:
            going = work()
        except Exception as error:  # noqa: BLE001 - whatever a queue raises is a finding
            outcome.errors.append(f"{type(error).__name__}: {error}")


def _drain(queue: WorkQueue, outcome: Outcome, _worker: int, until: float) -> None:
    """Claim what is due, nothing else."""

    def one() -> bool:
        began = time.monotonic()
        taken = queue.take()
        if taken is None:
            outcome.empty += 1
            return False
        outcome.durations.append(time.monotonic() - began)
        return True

    _noting(outcome, one, until)


def _cycle(queue: WorkQueue, outcome: Outcome, worker: int, until: float) -> None:
    """Enqueue one, claim whatever is first, finish it."""
    turn = [0]

    def one() -> bool:
        number = worker * NUMBERS + turn[0] % NUMBERS
        turn[0] += 1
        began = time.monotonic()
        key = queue.put(number)
        outcome.put_at[key] = began
        asked = time.monotonic()
        while (taken := queue.take()) is None and time.monotonic() < until + GRACE:
            outcome.empty += 1
        if taken is not None:
            outcome.taken_at[taken[0]] = time.monotonic()
            outcome.durations.append(time.monotonic() - asked)
            queue.finish(taken)
        return True

    _noting(outcome, one, until)
