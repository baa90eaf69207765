"""Showing an apply while it runs: a view that redraws itself, plain lines for a pipe, JSON lines for a program."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.live import Live
from rich.text import Text

from cli.output import Output
from cli.replies import Progress, TableProgress
from cli.views.progress import BUSY, ProgressView, detail, retry_sentence
from cli.views.text import DIM, YELLOW, clean, clock, duration, now, one_line, state_style, state_word

LINE_EVERY_SECONDS = 10.0
LINE_EVERY_PERCENT = 10


class Display(ABC):
    """Takes every answer of the server; a context manager."""

    @abstractmethod
    def show(self, progress: Progress) -> None:
        """The newest answer."""

    @abstractmethod
    def lost(self, reason: str, seconds: float) -> None:
        """The server does not answer; it is asked again in *seconds*."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


def lost_sentence(reason: str, seconds: float) -> str:
    """What a person is told about a server that does not answer."""
    return f"{one_line(reason)}; trying again in {seconds:g} s. The apply is safe."


class LiveDisplay(Display):
    """Redraws in place."""

    def __init__(self, output: Output, cutover: Callable[[Progress], str]) -> None:
        self._cutover = cutover
        self._last: Progress | None = None
        self._live = Live(console=output.console, refresh_per_second=4)

    def show(self, progress: Progress) -> None:
        self._last = progress
        self._live.update(ProgressView(progress, notice=self._cutover(progress), with_error=progress.moving))

    def lost(self, reason: str, seconds: float) -> None:
        sentence = lost_sentence(reason, seconds)
        if self._last is None:
            self._live.update(Text(sentence, style=YELLOW))
        else:
            self._live.update(ProgressView(self._last, notice=sentence))

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()


class LineDisplay(Display):
    """One line for each change of state, and now and then how far a copy is."""

    def __init__(self, output: Output, cutover: Callable[[Progress], str]) -> None:
        self._output = output
        self._cutover = cutover
        self._state: tuple[str, object] = ("", None)
        self._tables: dict[tuple[str, str], tuple[str, int, float]] = {}

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
        if progress.error and progress.moving:
            text += f": {one_line(progress.error)}"
        self._line(text, state_style(progress.phase))
        if hint := self._cutover(progress):
            self._line(" ".join(hint.split()), YELLOW)

    def _table(self, table: TableProgress) -> None:
        key = (table.namespace, table.table)
        status, step, at = self._tables.get(key, ("pending", 0, 0.0))
        present = now().timestamp()
        copied = table.percent // LINE_EVERY_PERCENT
        moved = table.status != status
        further = table.status == "running" and (copied > step or present - at > LINE_EVERY_SECONDS)
        if not moved and not further:
            return
        self._tables[key] = (table.status, copied, present)
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
        self._output.line({"reconnecting": {"message": one_line(reason), "seconds": seconds}})


def make_display(output: Output, cutover: Callable[[Progress], str]) -> Display:
    """The display that suits who looks; *cutover* says what a parked apply waits for, "" for others."""
    if output.as_json:
        return JsonDisplay(output)
    return LiveDisplay(output, cutover) if output.live else LineDisplay(output, cutover)


def elapsed(progress: Progress) -> str:
    """How long the apply took, " in 12 s", or nothing when unknown."""
    if progress.started_at is None or progress.completed_at is None:
        return ""
    return f" in {duration((progress.completed_at - progress.started_at).total_seconds())}"
