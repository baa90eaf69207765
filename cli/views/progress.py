"""How far an apply is, as a person sees it: one line for each table, a bar for the one that copies."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from cli.replies import Progress, TableProgress
from cli.views.text import (
    DIM,
    RED,
    YELLOW,
    clean,
    clock,
    count,
    duration,
    now,
    one_line,
    state_sign,
    state_style,
    state_word,
)

LONGEST_NAME = 32
BESIDE_THE_BAR = 60
"""Columns beside a bar: sign, name, percent and the longest state."""
FRAME_LINES = 8
"""Lines of the terminal kept for everything but the tables."""
BUSY = frozenset({"running", "cutting_over", "waiting_for_cutover", "failed_retryable", "failed", "stopped"})


class ProgressView:
    """Draws one answer of the server, within the terminal's height.

    Below it stand `notice` (what it waits for, a lost connection) and `keys`.
    """

    def __init__(
        self,
        progress: Progress,
        *,
        notice: str = "",
        keys: str = "",
        whole: bool = False,
        with_error: bool = True,
    ) -> None:
        self._progress = progress
        self._notice = notice
        self._keys = keys
        self._whole = whole
        self._with_error = with_error

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        progress = self._progress
        yield headline(progress)
        room = 2 * len(progress.tables) if self._whole else console.size.height - FRAME_LINES
        if self._keys:
            room -= 1
        shown = choose(progress.tables, max(3, room))
        if shown:
            yield table_lines(shown, options.max_width)
        hidden = Counter(state_word(table.status) for table in progress.tables if table not in shown)
        if hidden:
            rest = ", ".join(f"{number} {word}" for word, number in hidden.items())
            yield Text(f"  … and {count(hidden.total(), 'more table')}: {rest}", style=DIM)
        for text in remarks(progress, now()) if self._with_error else ():
            yield Padding(text, (0, 0, 0, 2), expand=False)
        if self._notice:
            yield Text(clean(self._notice), style=YELLOW)
        if self._keys:
            yield Text(self._keys, style=DIM, no_wrap=True, overflow="ellipsis")


def headline(progress: Progress) -> Text:
    """The apply, its state, and for how long."""
    style = state_style(progress.phase)
    text = Text.assemble(
        (f"{state_sign(progress.phase)} {state_word(progress.phase)}", f"bold {style}"),
        f"  {one_line(progress.database)}",
        (f" · {one_line(progress.environment)}" if progress.environment else ""),
        (f"  {one_line(progress.apply_id)}", DIM),
    )
    total = len(progress.tables)
    if total:
        text.append(f"  {progress.finished_tables()} of {total} live", DIM)
    if progress.volume:
        text.append(f"  volume {progress.volume}", DIM)
    if progress.started_at is not None:
        elapsed = ((progress.completed_at or now()) - progress.started_at).total_seconds()
        text.append(f"  {duration(elapsed)}", DIM)
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def choose(tables: tuple[TableProgress, ...], room: int) -> list[TableProgress]:
    """The tables that fit into *room* lines, in their order: those at work first (two lines each), then the next ones."""
    if sum(2 if table.status in BUSY else 1 for table in tables) <= room:
        return list(tables)
    urgent = [table for table in tables if table.status in BUSY]
    others = sorted(
        (table for table in tables if table.status not in BUSY), key=lambda t: t.status != "pending"
    )
    chosen: list[TableProgress] = []
    left = room
    for table in urgent + others:
        left -= 2 if table.status in BUSY else 1
        if left < 0 and chosen:
            break
        chosen.append(table)
    return [table for table in tables if table in chosen]


def table_lines(tables: list[TableProgress], width: int) -> RenderableType:
    """One row for each table, and a second one for what is at work."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=1)
    longest = max(len(name(table)) for table in tables)
    grid.add_column(width=min(longest, LONGEST_NAME, max(12, width // 3)), no_wrap=True, overflow="ellipsis")
    grid.add_column()
    for table in tables:
        style = state_style(table.status)
        sign = Text(state_sign(table.status), style=style)
        grid.add_row(
            sign, Text(name(table), style="bold" if table.status in BUSY else ""), what(table, width)
        )
        if table.status in BUSY and (details := detail(table)):
            grid.add_row("", "", details)
    # Not to the full width: a ^C echoed behind the last column must not begin a new line under a view that is redrawn.
    return Padding(grid, (0, 0, 0, 1), expand=False)


def name(table: TableProgress) -> str:
    """The table's name on one line."""
    return one_line(table.table)


def what(table: TableProgress, width: int) -> RenderableType:
    """A bar in the state's colour where rows are copied; words otherwise."""
    style = state_style(table.status)
    words = Text() if table.status == "running" else Text(state_word(table.status), style=style)
    if table.strategy and table.status in ("running", "pending"):
        words.append((" · " if words else "") + one_line(table.strategy), DIM)
    if table.rows_total <= 0 or table.status == "pending":
        return words if words else Text(state_word(table.status), style=style)
    if table.status == "completed":
        words.append(f" · {count(table.rows_copied, 'row')}", DIM)
    bar = Table.grid(padding=(0, 1))
    bar.add_row(
        ProgressBar(
            total=table.rows_total,
            completed=table.rows_total if table.status == "completed" else table.rows_copied,
            width=max(8, min(40, width - BESIDE_THE_BAR)),
            complete_style=style,
            finished_style=style,
        ),
        Text(f"{table.percent:3}%", style=style),
        words,
    )
    return bar


def detail(table: TableProgress) -> Text | None:
    """Rows, speed, time left and what is being done."""
    parts = []
    if table.rows_total > 0 and table.status != "failed":
        parts.append(f"{table.rows_copied:,} of {table.rows_total:,}")
    if table.rows_per_second and table.status == "running":
        parts.append(f"{table.rows_per_second:,} rows/s")
    if table.eta_seconds and table.status == "running":
        parts.append(f"{duration(table.eta_seconds)} left")
    if table.shards:
        parts.append(shards(table))
    if table.detail:
        parts.append(one_line(table.detail))
    # One line whatever its length, so that the view keeps its height; a reason is shown whole.
    text = Text(
        " · ".join(parts), style=DIM, no_wrap=not table.error, overflow=None if table.error else "ellipsis"
    )
    if table.error:
        style = YELLOW if table.status == "failed_retryable" else RED
        text.append((" · " if parts else "") + one_line(table.error), style)
    return text if text.plain else None


def shards(table: TableProgress) -> str:
    """How many shards are how far."""
    kinds = ", ".join(f"{number} {state_word(status)}" for status, number in Counter(table.shards).items())
    return f"{count(len(table.shards), 'shard')}: {kinds}"


def remarks(progress: Progress, present: datetime) -> Iterator[Text]:
    """What the whole apply waits for, or why it ended."""
    retrying = progress.state == "failed_retryable"
    again = progress.moving and not retrying and progress.attempt > 0 and progress.max_attempts > 0
    if retrying:
        yield Text(retry_sentence(progress, present), style=YELLOW)
    elif again:
        yield Text(f"Retry {progress.attempt} of {progress.max_attempts} is at work", style=YELLOW)
    for label, text in progress.notes:
        # A retry is told above, in the time of the person who looks.
        if label != "Status" or not retrying:
            yield Text(f"{label}: {one_line(text)}", style=DIM)
    if not progress.error or progress.error in {table.error for table in progress.tables}:
        return
    if again:
        yield Text(f"The last error: {clean(progress.error)}", style=DIM)
    elif retrying or not progress.moving:
        yield Text(clean(progress.error), style=state_style(progress.state))


def retry_sentence(progress: Progress, present: datetime) -> str:
    """Which retry comes next, and when."""
    number = min(progress.attempt + 1, progress.max_attempts)
    budget = f"retry {number} of {progress.max_attempts}" if progress.max_attempts else "another try"
    due = progress.next_attempt_at
    if due is None:
        return f"Waiting for {budget}"
    wait = (due - present).total_seconds()
    when = f"due at {clock(due)}, in {duration(wait)}" if wait > 0 else "due now"
    return f"Waiting for {budget}, {when}"
