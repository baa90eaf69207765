"""Lists in columns: applies, events, databases, settings, locks."""

from collections.abc import Mapping, Sequence

from rich.table import Table
from rich.text import Text

from cli.replies import ApplyRow, Event, Lock, ServedRow
from cli.views.text import DIM, RED, YELLOW, clean, moment, one_line, state_style, state_word

LEVELS = {"error": RED, "warn": YELLOW, "debug": DIM}


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style=DIM)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def applies_table(applies: Sequence[ApplyRow], *, with_database: bool) -> Table:
    """One line for each apply; the database's column only when there are several."""
    columns = ["APPLY", *(["DATABASE"] if with_database else []), "ENV", "STATE", "STARTED", "BY"]
    table = _table(*columns)
    table.columns[0].no_wrap = True
    for apply in applies:
        state = Text(state_word(apply.state), style=state_style(apply.state))
        cells = [Text(one_line(apply.apply_id))]
        cells += [Text(one_line(apply.database))] if with_database else []
        cells += [
            Text(one_line(apply.environment)),
            state,
            Text(moment(apply.started_at)),
            Text(one_line(apply.caller)),
        ]
        table.add_row(*cells)
        if apply.error:
            table.add_row("", Text(one_line(apply.error), style=state_style(apply.state)))
    return table


def event_line(event: Event) -> Text:
    """One event; the lines of a longer message stand under its first one, so that none passes for an event."""
    at = moment(event.created_at)
    message = clean(event.message).replace("\n", "\n" + " " * (len(at) + 2))
    return Text.assemble((at, DIM), "  ", (message, LEVELS.get(event.level, "")))


def databases_table(found: Sequence[ServedRow]) -> Table:
    """One line for each database."""
    table = _table("DATABASE", "TYPE", "ENVIRONMENTS")
    for row in found:
        table.add_row(*(Text(one_line(cell)) for cell in (row.name, row.type, ", ".join(row.environments))))
    return table


def settings_table(found: Sequence[tuple[str, str]], meanings: Mapping[str, str]) -> Table:
    """One line for each setting, with what it means where that is known."""
    table = _table("KEY", "VALUE", "MEANING")
    for key, value in found:
        meaning = meanings.get(key.partition(":")[0], "")
        table.add_row(Text(one_line(key)), Text(one_line(value)), Text(meaning, style=DIM))
    return table


def locks_table(locks: Sequence[Lock]) -> Table:
    """One line for each lock."""
    table = _table("DATABASE", "TYPE", "OWNER", "SINCE", "PULL REQUEST")
    for lock in locks:
        pull = f"{lock.repository}#{lock.pull_request}" if lock.pull_request else ""
        cells = (lock.database, lock.database_type, lock.owner, moment(lock.created_at), pull)
        table.add_row(*(Text(one_line(cell)) for cell in cells))
    return table
