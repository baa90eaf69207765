"""Showing an apply while it runs: a view that redraws itself, plain lines for a pipe, JSON lines for a program."""

import re
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from rich.live import Live
from rich.text import Text

from cli.output import Output
from cli.replies import Progress, TableProgress
from cli.views.progress import BUSY, ProgressView, detail, retry_sentence
from cli.views.text import DIM, YELLOW, clean, clock, duration, now, one_line, state_style, state_word

LINE_EVERY_PERCENT = 10
NUMBERS = re.compile(r"\d+")
MOVING = frozenset({"running", "cutting_over"})
TOLD_SECONDS = 10.0
"""How long the answer to a key stays in view."""


class Hints(Protocol):
    """What a watch says besides the progress."""

    def waits_for(self, progress: Progress) -> str:
        """What a parked apply waits for, "" for others."""

    def keys(self, progress: Progress, *, lost: bool = False) -> str:
        """The keys that mean something now, "" when there is no keyboard."""


class Display(ABC):
    """Takes every answer of the server; a context manager."""

    @abstractmethod
    def show(self, progress: Progress) -> None:
        """The newest answer."""

    @abstractmethod
    def lost(self, reason: str, seconds: float) -> None:
        """The server does not answer; it is asked again in *seconds*."""

    def tell(self, text: str) -> None:
        """The answer to a key; only a display that redraws itself has keys."""
        raise NotImplementedError(f"{type(self).__name__} has no keys")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


def lost_sentence(reason: str, seconds: float) -> str:
    """What a person is told about a server that does not answer."""
    return f"{one_line(reason)}; trying again in {seconds:g} s. The apply is safe."


def reconnecting(reason: str, seconds: float) -> dict[str, object]:
    """The same for a program."""
    return {"reconnecting": {"message": one_line(reason), "seconds": seconds}}


class LiveDisplay(Display):
    """Redraws in place."""

    def __init__(self, output: Output, hints: Hints) -> None:
        self._hints = hints
        self._last: Progress | None = None
        self._told = ("", 0.0)
        self._live = Live(console=output.console, refresh_per_second=4)

    def show(self, progress: Progress) -> None:
        self._last = progress
        text, at = self._told
        answer = text if time.monotonic() - at < TOLD_SECONDS and progress.moving else ""
        notice = "\n".join(part for part in (self._hints.waits_for(progress), answer) if part)
        self._draw(progress, notice, self._hints.keys(progress), with_error=progress.moving)

    def lost(self, reason: str, seconds: float) -> None:
        sentence = lost_sentence(reason, seconds)
        if self._last is None:
            self._live.update(Text(sentence, style=YELLOW))
        else:
            self._draw(self._last, sentence, self._hints.keys(self._last, lost=True), with_error=True)

    def tell(self, text: str) -> None:
        self._told = (one_line(text), time.monotonic())
        if self._last is not None:
            self.show(self._last)

    def _draw(self, progress: Progress, notice: str, keys: str, *, with_error: bool) -> None:
        self._live.update(ProgressView(progress, notice=notice, keys=keys, with_error=with_error))

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Told:
    """What the last line about a table said."""

    status: str
    step: int = 0
    words: str = ""
    at: float = 0.0

    @classmethod
    def of(cls, table: TableProgress, present: float) -> Self:
        # Not the numbers: somebody who holds a lock does so a second longer at every look.
        words = NUMBERS.sub("", table.detail) if table.status == "cutting_over" else ""
        step = table.percent // LINE_EVERY_PERCENT
        return cls(status=table.status, step=step, words=words, at=present)

    def moved_on(self, before: Self) -> bool:
        """Whether it is worth a line: a new state, another tenth of a copy, or, at the cutover, something else to wait for."""
        further = self.status == "running" and self.step > before.step
        return self.status != before.status or self.words != before.words or further


class LineDisplay(Display):
    """One line for each change of state, and now and then how far a copy is and what a cutover waits for."""

    def __init__(self, output: Output, hints: Hints) -> None:
        self._output = output
        self._hints = hints
        self._state: tuple[str, object] = ("", None)
        self._tables: dict[tuple[str, str], _Told] = {}

    def show(self, progress: Progress) -> None:
        for table in progress.tables:
            self._table(table)
        state = (progress.phase, progress.next_attempt_at)
        if state != self._state:
            self._state = state
            self._apply(progress)

    def lost(self, reason: str, seconds: float) -> None:
        self._line(lost_sentence(reason, seconds), YELLOW)

    def _apply(self, progress: Progress) -> None:
        text = f"{one_line(progress.apply_id)}: {state_word(progress.phase)}"
        if progress.state == "failed_retryable":
            text += f". {retry_sentence(progress, now())}"
        if progress.error and progress.state == "failed_retryable":
            text += f": {one_line(progress.error)}"
        self._line(text, state_style(progress.phase))
        if hint := self._hints.waits_for(progress):
            self._line(" ".join(hint.split()), YELLOW)

    def _table(self, table: TableProgress) -> None:
        key = (table.namespace, table.table)
        present = _Told.of(table, now().timestamp())
        before = self._tables.get(key, _Told(status="pending"))
        late = present.at - before.at >= self._output.heartbeat_seconds
        if not (present.moved_on(before) or (late and table.status in MOVING)):
            return
        self._tables[key] = present
        text = Text(f"{one_line(table.table)}: {state_word(table.status)}")
        if table.status == "running" and table.rows_total:
            text.append(f" {table.percent}%")
        if table.status in BUSY and (more := detail(table)) is not None:
            text.append(f", {more.plain}")
        self._line(text.plain, state_style(table.status))

    def _line(self, text: str, style: str) -> None:
        line = Text.assemble((clock(now()), DIM), "  ", (clean(text), style))
        self._output.console.print(line, soft_wrap=True)


class JsonDisplay(Display):
    """One JSON line for each answer that differs from the one before; a lost connection is a line, too."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._last: object = None

    def show(self, progress: Progress) -> None:
        if progress.raw != self._last:
            self._last = progress.raw
            self._output.line(progress.raw)

    def lost(self, reason: str, seconds: float) -> None:
        self._output.line(reconnecting(reason, seconds))


def make_display(output: Output, hints: Hints) -> Display:
    """The display that suits who looks."""
    if output.as_json:
        return JsonDisplay(output)
    return LiveDisplay(output, hints) if output.live else LineDisplay(output, hints)


def elapsed(progress: Progress) -> str:
    """How long the apply took, " in 12 s", or nothing when unknown."""
    if progress.started_at is None or progress.completed_at is None:
        return ""
    return f" in {duration((progress.completed_at - progress.started_at).total_seconds())}"
