"""What a person sees, at the widths people have."""

import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from rich.console import Console, RenderableType

from cli.output import Output
from cli.replies import Plan, Progress
from cli.submission import same_work
from cli.views.display import LineDisplay
from cli.views.plan import plan_view
from cli.views.progress import ProgressView, choose
from cli.views.text import clean, duration, state_style


def drawn(view: RenderableType, width: int = 80, height: int = 25) -> list[str]:
    file = io.StringIO()
    console = Console(
        file=file, width=width, height=height, force_terminal=True, color_system=None, markup=False
    )
    console.print(view)
    return [line.rstrip() for line in file.getvalue().splitlines()]


def table(name: str, status: str = "pending", **more: Any) -> dict[str, Any]:
    return {"table_name": name, "ddl": f"ALTER TABLE {name};", "status": status, "rows_copied": 0, "rows_total": 0,
            "percent_complete": 0, "strategy": "online"} | more  # fmt: skip


def progress(state: str, *tables: dict[str, Any], **more: Any) -> Progress:
    body = {"state": state, "apply_id": "apply-0123456789abcdef", "database": "shop", "environment": "local"}
    return Progress.read(body | {"tables": list(tables)} | more)


def change(table: str, **more: Any) -> dict[str, Any]:
    return {"table_name": table, "ddl": f"ALTER TABLE {table};", "change_type": "alter"} | more


def plan(*changes: dict[str, Any], **more: Any) -> Plan:
    groups = [{"namespace": "main", "table_changes": list(changes)}] if changes else []
    body = {"plan_id": "plan-1", "changes": groups, "lint_violations": [], "errors": []}
    return Plan.read(body | more, database="shop", database_type="sqlite", environment="local")


COPYING = table(
    "orders", "running", rows_copied=450_000, rows_total=1_000_000, percent_complete=45, rows_per_second=52_130,
    eta_seconds=11, detail="copying rows",
)  # fmt: skip


@pytest.mark.parametrize("width", [80, 120])
def test_a_copying_table_shows_bar_rows_speed_and_time_left_within_the_width(width: int) -> None:
    lines = drawn(ProgressView(progress("running", COPYING, table("customers"))), width)
    text = "\n".join(lines)
    assert max(map(len, lines)) <= width
    assert " 45%" in text
    assert "━" in text
    assert "450,000 of 1,000,000 · 52,130 rows/s · 11 s left · copying rows" in text
    assert "○ customers" in text


@pytest.mark.parametrize("width", [40, 80])
def test_a_long_table_name_does_not_break_the_lines(width: int) -> None:
    lines = drawn(ProgressView(progress("running", table("a" * 200, "running", rows_total=10))), width)
    assert max(map(len, lines)) <= width
    assert any("…" in line for line in lines)


def test_many_tables_fit_the_terminal_with_those_at_work_shown_and_the_others_counted() -> None:
    tables = (
        [table(f"t{n}", "completed") for n in range(150)] + [COPYING] + [table(f"p{n}") for n in range(49)]
    )
    lines = drawn(ProgressView(progress("running", *tables)), height=24)
    assert len(lines) <= 24
    text = "\n".join(lines)
    assert "orders" in text
    assert "150 completed" in text
    assert "more tables" in text


def test_a_table_at_work_is_shown_however_small_the_terminal() -> None:
    found = progress("running", COPYING, table("x", "running", rows_total=1)).tables
    assert [shown.table for shown in choose(found, 1)] == ["orders"]


def test_a_retrying_apply_says_which_retry_and_when_and_why() -> None:
    due = (datetime.now(UTC) + timedelta(hours=1)).isoformat(timespec="seconds")
    view = ProgressView(
        progress(
            "failed_retryable", attempt=2, max_attempts=10, next_attempt_at=due, error_message="disk full"
        )
    )
    text = "\n".join(drawn(view))
    assert "retry 3 of 10, due at" in text
    assert "disk full" in text


def test_states_have_the_colours_of_the_house() -> None:
    styles = {
        state: state_style(state)
        for state in ("running", "failed_retryable", "completed", "stopped", "failed")
    }
    assert styles == {
        "running": "blue",
        "failed_retryable": "yellow",
        "completed": "green",
        "stopped": "dark_orange",
        "failed": "red",
    }


COLOURS = {"blue": "34", "yellow": "33", "green": "32", "orange": "38;5;208", "red": "31"}


@pytest.mark.parametrize(
    ("state", "colour"),
    [
        ("running", "blue"), ("cutting_over", "blue"), ("waiting_for_cutover", "yellow"), ("failed_retryable", "yellow"),
        ("completed", "green"), ("stopped", "orange"), ("cancelled", "orange"), ("failed", "red"),
    ],
)  # fmt: skip
def test_the_bar_of_a_table_has_the_colour_of_its_state(state: str, colour: str) -> None:
    file = io.StringIO()
    console = Console(file=file, width=100, force_terminal=True, color_system="256", markup=False)
    copied = table("orders", state, rows_copied=450, rows_total=1_000, percent_complete=45)
    console.print(ProgressView(progress(state, copied)))
    assert f"\x1b[{COLOURS[colour]}m━" in file.getvalue()


def test_an_attempt_that_is_at_work_is_told_with_its_budget() -> None:
    view = ProgressView(progress("running", COPYING, attempt=3, max_attempts=10, error_message="disk full"))
    text = "\n".join(drawn(view))
    assert "Retry 3 of 10 is at work" in text
    assert "The last error: disk full" in text


def test_an_error_that_was_overcome_is_not_shown_any_more_and_one_of_a_table_only_once() -> None:
    overcome = "\n".join(drawn(ProgressView(progress("running", COPYING, error_message="disk full"))))
    assert "disk full" not in overcome
    failed = table("t", "failed_retryable", error_message="disk full")
    retrying = progress(
        "failed_retryable", failed, error_message="disk full", metadata={"status_detail": "retry"}
    )
    text = "\n".join(drawn(ProgressView(retrying)))
    assert (text.count("disk full"), "Status" in text) == (1, False)


def test_shards_and_notes_of_vitess_are_told() -> None:
    sharded = table(
        "t", "running", shards=[{"status": "running"}, {"status": "completed"}, {"status": "running"}]
    )
    view = ProgressView(progress("running", sharded, metadata={"deploy_request_url": "https://ps.example/1"}))
    text = "\n".join(drawn(view))
    assert "3 shards: 2 running, 1 completed" in text
    assert "Deploy request: https://ps.example/1" in text


def test_text_from_a_server_cannot_move_the_cursor_or_become_markup() -> None:
    evil = "x\x1b[2J\x9b31m\u202e[bold]y[/bold]"
    shown = "\n".join(
        drawn(ProgressView(progress("running", table(evil, "running", detail=evil), error_message=evil)))
    )
    assert "\x1b[2J" not in shown
    assert "\x9b" not in shown
    assert "\u202e" not in shown
    assert "[bold]y[/bold]" in shown
    assert clean("tab\tand\nline stay") == "tab\tand\nline stay"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (59, "59 s"), (65, "1:05"), (7_389, "2:03:09"), (97_200, "1 d 03 h"), (-3, "0 s")],
)
def test_times_read_as_people_write_them(seconds: float, text: str) -> None:
    assert duration(seconds) == text


# -- plans --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [80, 120])
def test_a_plan_shows_ddl_strategy_lock_and_findings_with_their_place(width: int) -> None:
    found = plan(
        change(
            "orders",
            strategy="online",
            lock="A short write lock at the cutover.",
            ddl="ALTER TABLE orders ADD c;",
        ),
        change("new", strategy="in_place", ddl="CREATE INDEX i ON new (c);"),
        change(
            "old",
            change_type="drop",
            strategy="direct",
            is_unsafe=True,
            unsafe_reason="Unsafe operation detected",
        ),
        lint_violations=[
            {
                "message": "no primary key",
                "table": "orders",
                "severity": "warning",
                "file": "shop.sql",
                "line": 7,
            },
            {"message": "Unsafe operation detected", "table": "old", "severity": "error", "linter": "unsafe"},
        ],
    )
    lines = drawn(plan_view([found]), width)
    text = "\n".join(lines)
    assert max(map(len, lines)) <= width
    assert "ALTER TABLE orders ADD c;" in text
    assert "online (copied in the background)" in text
    assert "alter · in place" in text
    assert "A short write lock at the cutover." in text
    assert "shop.sql:7" in text
    assert "UNSAFE" in text
    assert text.index("Unsafe: data could be lost, or writers wait") < text.index("Warnings")
    assert (
        "Plan: 2 to alter, 1 to drop (1 in place, 1 direct, 1 online) · 1 unsafe change · 1 warning"
        in " ".join(lines)
    )


def test_a_plan_without_changes_says_so() -> None:
    assert "No changes. Your schema is up-to-date." in drawn(plan_view([plan()]))


def test_what_no_flag_can_override_is_not_called_unsafe() -> None:
    found = plan(
        change("t"),
        lint_violations=[{"message": "virtual table", "severity": "error", "severity_detail": "blocked"}],
        errors=["virtual table"],
    )
    assert found.unsafe == ()
    assert "Not possible" in drawn(plan_view([found]))


def test_an_unsafe_change_is_named_once_whether_flag_or_finding_says_it() -> None:
    both = plan(change("t", is_unsafe=True, unsafe_reason="DROP"),
                lint_violations=[{"message": "DROP", "table": "t", "severity": "error"}])  # fmt: skip
    flag = plan(change("t", is_unsafe=True))
    assert both.unsafe == ("t: DROP",)
    assert flag.unsafe == ("t: unsafe change",)


# -- is it the same work ------------------------------------------------------------------------------------------


def test_an_apply_halfway_is_the_same_work_as_the_plan_of_what_is_left() -> None:
    active = progress("running", table("a", "completed"), table("b", "running"), table("c"))
    assert same_work(plan(change("b"), change("c")), active)


def test_an_apply_that_finished_a_table_since_the_plan_was_made_is_the_same_work() -> None:
    active = progress("running", table("a", "completed"), table("b", "running"))
    assert same_work(plan(change("a"), change("b")), active)


def test_an_apply_that_does_more_less_or_other_than_the_plan_is_not_the_same_work() -> None:
    active = progress("running", table("a", "running"), table("b"))
    assert not same_work(plan(change("a")), active)
    assert not same_work(plan(change("a"), change("b"), change("c")), active)
    assert not same_work(plan(change("a"), change("b", ddl="ALTER TABLE b ADD other;")), active)


def test_nothing_left_to_plan_while_an_apply_clears_up_is_the_same_work() -> None:
    assert same_work(plan(), progress("running", table("a", "running")))


class NoHints:
    def waits_for(self, progress: Progress) -> str:
        return ""

    def keys(self, progress: Progress, *, lost: bool = False) -> str:
        return ""


def cutting_over(detail: str) -> Progress:
    return progress("cutting_over", table("orders", "cutting_over", strategy="instant", detail=detail))


HELD = "waiting for a lock on orders: held by connection 135 of app, idle in a transaction for {} s"


@pytest.mark.parametrize(("heartbeat", "lines"), [(60.0, 1), (0.0, 3)], ids=["its beginning", "heartbeats"])
def test_plain_lines_say_whom_a_cutover_waits_for(
    heartbeat: float, lines: int, capsys: pytest.CaptureFixture[str]
) -> None:
    display = LineDisplay(Output(lines=True, heartbeat_seconds=heartbeat), NoHints())
    display.show(progress("cutting_over", table("orders", "cutting_over")))
    for seconds in (1, 2, 3):
        display.show(cutting_over(HELD.format(seconds)))
    told = [line for line in capsys.readouterr().out.splitlines() if "held by connection 135" in line]
    assert len(told) == lines, told
    assert "orders: cutting over, waiting for a lock on orders" in told[0]
