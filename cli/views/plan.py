"""The plan as a reviewer reads it: the DDL, how each change runs and what it locks, the findings, one line to sum up."""

from collections import Counter
from collections.abc import Iterator, Sequence

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.segment import Segment
from rich.syntax import Syntax
from rich.text import Text

from cli.replies import Plan, TableChange, Violation
from cli.views.text import DIM, GREEN, RED, YELLOW, clean, count, one_line

NO_CHANGES = "No changes. Your schema is up-to-date."
SIGNS = {"create": ("+", GREEN), "drop": ("-", RED), "alter": ("~", YELLOW)}
SEVERITIES = {"blocked": RED, "error": RED, "warning": YELLOW, "info": "blue"}
SEVERITY_TITLES = {
    "blocked": "Not possible",
    "error": "Unsafe: data could be lost, or writers wait",
    "warning": "Warnings",
    "info": "Good to know",
}
TYPE_NAMES = {"sqlite": "SQLite", "mysql": "MySQL", "vitess": "Vitess"}
INDENT = "    "
STRATEGY_WORDS = {
    "instant": "instant",
    "in_place": "in place",
    "direct": "direct (writers wait)",
    "online": "online (copied in the background)",
}


class Indented:
    """A text a little to the right, wrapped there, without spaces at the line ends: DDL is copied from terminals."""

    def __init__(self, text: Text) -> None:
        self._text = text

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        narrower = options.update_width(max(10, options.max_width - len(INDENT)))
        for line in console.render_lines(self._text, narrower, pad=False):
            yield Segment(INDENT)
            yield from line
            yield Segment.line()


def plan_view(plans: Sequence[Plan], *, title: str = "Schema Change Plan") -> RenderableType:
    """Plans of one database that are the same for several environments, shown once."""
    return Group(*_parts(plans[0], [plan.environment for plan in plans], title))


def type_name(database_type: str) -> str:
    """The type of a database as its makers write it."""
    return TYPE_NAMES.get(database_type, one_line(database_type))


def _parts(plan: Plan, environments: Sequence[str], title: str) -> Iterator[RenderableType]:
    yield Text.assemble(
        (title.strip(), "bold"),
        f"  {one_line(plan.database)}",
        (f" ({one_line(plan.database_type)})" if plan.database_type else "", DIM),
        f" · {one_line(', '.join(environments))}",
    )
    yield Text(one_line(plan.plan_id), style=DIM)
    if plan.empty and not plan.errors:
        yield Text(NO_CHANGES, style=GREEN)
    for change in plan.changes:
        yield from _change(change, with_namespace=len({other.namespace for other in plan.changes}) > 1)
    if plan.vschema_changed:
        yield Text("~ VSchema changes", style=YELLOW)
    yield from _findings(plan.violations)
    yield from _errors(plan)
    if plan.unmanaged:
        yield Text("")
        yield Text(f"Left alone: {', '.join(one_line(name) for name in plan.unmanaged)}", style=DIM)
    if plan.changes:
        yield Text("")
        yield _summary(plan)


def _change(change: TableChange, *, with_namespace: bool) -> Iterator[RenderableType]:
    sign, style = SIGNS.get(change.change_type, ("~", YELLOW))
    name = f"{change.namespace}.{change.table}" if with_namespace else change.table
    head = Text.assemble(
        (f"{sign} {one_line(name)}", f"bold {style}"), (f"  {one_line(change.change_type)}", DIM)
    )
    if change.strategy:
        head.append(f" · {STRATEGY_WORDS.get(change.strategy, one_line(change.strategy))}")
    if change.is_unsafe:
        head.append(" · UNSAFE", f"bold {RED}")
    yield Text("")
    yield head
    yield Indented(_sql(change.ddl))
    if change.lock:
        yield Indented(Text(one_line(change.lock), style=DIM))
    if change.is_unsafe and change.unsafe_reason:
        yield Indented(Text(one_line(change.unsafe_reason), style=RED))


def _sql(ddl: str) -> Text:
    text = Syntax("", "sql", theme="ansi_dark").highlight(clean(ddl).expandtabs(4))
    text.rstrip()
    text.no_wrap, text.overflow = False, "fold"
    return text


def _findings(violations: Sequence[Violation]) -> Iterator[RenderableType]:
    order = [*SEVERITIES, *sorted({v.severity for v in violations} - set(SEVERITIES))]
    for severity in order:
        found = [violation for violation in violations if violation.severity == severity]
        if not found:
            continue
        style = SEVERITIES.get(severity, YELLOW)
        yield Text("")
        yield Text(SEVERITY_TITLES.get(severity, one_line(severity)), style=f"bold {style}")
        for violation in found:
            yield Indented(_finding(violation, style))


def _finding(violation: Violation, style: str) -> Text:
    place = ".".join(one_line(part) for part in (violation.table, violation.column) if part)
    text = Text.assemble(("• ", style), (f"{place}: " if place else "", "bold"), one_line(violation.message))
    where = f"{violation.file}:{violation.line}" if violation.file and violation.line else violation.file
    notes = [one_line(note) for note in (where, violation.linter) if note]
    if notes:
        text.append(f"  {' · '.join(notes)}", DIM)
    return text


def _errors(plan: Plan) -> Iterator[RenderableType]:
    shown = {one_line(violation.message) for violation in plan.violations}
    errors = [error for error in plan.errors if one_line(error) not in shown]
    if errors:
        yield Text("")
        yield Text("This plan cannot be applied", style=f"bold {RED}")
    for error in errors:
        yield Indented(Text.assemble(("• ", RED), clean(error)))


def _summary(plan: Plan) -> Text:
    kinds = Counter(change.change_type for change in plan.changes)
    words = {"create": "to create", "alter": "to alter", "drop": "to drop", "other": "other"}
    parts = [
        f"{kinds[kind]} {words.get(kind, one_line(kind))}"
        for kind in (*words, *sorted(set(kinds) - set(words)))
        if kinds[kind]
    ]
    strategies = Counter(change.strategy for change in plan.changes if change.strategy)
    text = Text.assemble(("Plan: ", "bold"), ", ".join(parts))
    if strategies:
        runs = [
            f"{strategies[name]} {words.split(' (')[0]}"
            for name, words in STRATEGY_WORDS.items()
            if strategies[name]
        ]
        text.append(f" ({', '.join(runs)})" if runs else "")
    unsafe = len(plan.unsafe)
    if unsafe:
        text.append(f" · {count(unsafe, 'unsafe change')}", f"bold {RED}")
    warnings = sum(violation.severity == "warning" for violation in plan.violations)
    if warnings:
        text.append(f" · {count(warnings, 'warning')}", YELLOW)
    return text
