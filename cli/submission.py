"""From a plan to a running apply: the gates, the question, the lock, the request, the watch."""

import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import click

from cli.errors import ApiError, CliError, Exit, Interrupted, Refused, Unreachable, UnsafeRefused
from cli.interrupts import interrupt_on_signals
from cli.output import Output, interactive
from cli.place import Place
from cli.replies import Plan, Progress
from cli.reservation import Reservation, owner
from cli.views.text import RED, YELLOW, count, one_line, state_word
from cli.watch import Outage, conclude, follow

POST_TRIES = 6
WITH_DEPLOYS = frozenset({"planetscale", "vitess"})


class NotAccepted(Refused):
    """The server does not begin this apply, now or ever; the message is its reason."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """How a person wants the plan applied."""

    yes: bool = False
    allow_unsafe: bool = False
    defer_cutover: bool = False
    watch: bool = True
    lock: bool = True
    force: bool = False
    give_back: bool = False  # --yield: release the lock when this command ends, whatever the apply does
    target: str = ""
    deployment: str = ""
    defer_deploy: bool = False
    skip_revert: bool = False
    branch: str = ""
    word: str = "Apply"  # what it is called when it has started

    def options(self) -> dict[str, str]:
        """As the wire wants them. allow_unsafe is always said, so that the server can hold us to it."""
        options = {"allow_unsafe": "true" if self.allow_unsafe else "false"}
        for name in ("defer_cutover", "defer_deploy", "skip_revert"):
            if getattr(self, name):
                options[name] = "true"
        return options | ({"branch": self.branch} if self.branch else {})

    def check_engine(self, plan: Plan) -> None:
        """Refused when the plan's engine has not what these terms ask for."""
        wanted = {
            "--defer-deploy": self.defer_deploy,
            "--skip-revert": self.skip_revert,
            "--branch": self.branch,
        }
        asked = [name for name, value in wanted.items() if value]
        if asked and plan.engine.lower().removeprefix("engine_") not in WITH_DEPLOYS:
            raise Refused(
                f"{' and '.join(asked)} are for Vitess databases; {plan.database} is not one"
                + (f" (engine {plan.engine})" if plan.engine else ""),
                "leave them away; to hold the change back before it is live there is --defer-cutover",
            )
        if self.branch == "main":
            raise Refused("--branch main would change the live branch itself", "name another branch")


CHANGE_FILES = "change the schema files as the findings say, then plan again"


def check(plan: Plan, output: Output, *, allow_unsafe: bool, remedy: str = CHANGE_FILES) -> None:
    """The gates, after the plan was shown. Refused: it cannot be applied. UnsafeRefused: data may be lost, or writers wait."""
    if plan.errors:
        raise Refused(
            f"this plan cannot be applied: {plan.errors[0]}"
            + (f" (and {count(len(plan.errors) - 1, 'more reason')})" if len(plan.errors) > 1 else ""),
            remedy,
        )
    if not plan.unsafe:
        return
    if not allow_unsafe:
        listed = "\n".join(f"• {one_line(line)}" for line in plan.unsafe)
        raise UnsafeRefused(
            f"Unsafe Changes Detected:\n{listed}",
            "if all of that may happen, repeat the command with --allow-unsafe",
        )
    output.say(
        f"--allow-unsafe enabled: {count(len(plan.unsafe), 'unsafe change')} will be applied", f"bold {RED}"
    )


def ask(question: str, *, yes: bool, output: Output) -> None:
    """Go on only after a literal `yes`; Refused otherwise, also where nobody can be asked."""
    if yes:
        return
    if output.as_json or not interactive():
        raise Refused("nobody is there to confirm", "repeat the command with -y to apply without a question")
    try:
        answer: str = click.prompt(f"{one_line(question)} Only 'yes' goes on", default="", show_default=False)
    except click.Abort:
        raise Interrupted("\nInterrupted. Nothing was changed.") from None
    if answer.strip() != "yes":
        raise Refused(
            "not confirmed; nothing was changed", "repeat the command and answer yes when the plan is right"
        )


def submit(place: Place, output: Output, plan: Plan, terms: Terms) -> Exit:
    """Ask, lock, apply and watch a plan that was shown and checked."""
    if place.in_process and not terms.watch:
        raise Refused(
            "without a server the apply runs inside this command, so --no-watch is not possible",
            "leave --no-watch away, or start a server: schemabot serve",
        )
    reservation = Reservation(
        place, output, plan.database, plan.database_type, enabled=terms.lock, force=terms.force
    )
    reservation.check()
    ask(f"Apply this to {plan.database} ({plan.environment})?", yes=terms.yes, output=output)
    try:
        with _lock_taken(reservation, terms):
            apply_id = _begin(place, output, plan, terms, reservation)
            announce(output, plan, apply_id, watching=terms.watch, word=terms.word)
            progress = _see_through(place, output, apply_id, terms, reservation)
    except NotAccepted:
        active = _live_apply(place, plan)
        # A lock of ours may by now be that of the apply which another command of ours has begun.
        if active is None or active.caller != owner():
            reservation.give_up()
        if active is None or not same_work(plan, active):
            raise
        return attach(place, output, active, plan, terms)
    return Exit.OK if progress is None else conclude(place, output, progress, give_back=False)


@contextmanager
def _lock_taken(reservation: Reservation, terms: Terms) -> Iterator[None]:
    """With --yield the lock goes back however the body ends: by an error, a signal, a reader of our words that is gone."""
    if terms.give_back:
        interrupt_on_signals()
    reservation.take()
    try:
        yield
    except NotAccepted:
        raise  # nothing was begun, and the lock may serve another command of ours
    except BaseException:
        if terms.give_back:
            with suppress(CliError, OSError):
                reservation.release()
        raise


def _live_apply(place: Place, plan: Plan) -> Progress | None:
    active = place.api.database_progress(plan.database, plan.environment)
    return active if active.state and not active.ended else None


def _see_through(
    place: Place, output: Output, apply_id: str, terms: Terms, reservation: Reservation
) -> Progress | None:
    """Watch the apply, if that is wanted, and settle what becomes of the lock; how the apply came to rest."""
    if not terms.watch:
        output.hint(f"look at it: {place.command('progress', apply_id)}")
        _let_go(reservation, terms, apply_id)
        return None
    try:
        progress = follow(place, output, apply_id)
    except Interrupted:
        if not terms.give_back:
            reservation.kept(apply_id)
        raise
    if progress.ended:
        reservation.finish()
    else:
        _let_go(reservation, terms, apply_id)
    return progress


def announce(output: Output, plan: Plan, apply_id: str, *, watching: bool, word: str) -> None:
    """Say which apply it is, before anything else is said about it."""
    began: Mapping[str, Any] = {
        "apply_id": apply_id,
        "database": plan.database,
        "environment": plan.environment,
        "plan_id": plan.plan_id,
    }
    if watching:
        output.line(began)
    else:
        output.document(began)
    output.say(f"{word} started: {apply_id}", "bold")


def _let_go(reservation: Reservation, terms: Terms, apply_id: str) -> None:
    if terms.give_back:
        reservation.release()
    else:
        reservation.kept(apply_id)


def _begin(place: Place, output: Output, plan: Plan, terms: Terms, reservation: Reservation) -> str:
    """The id of the accepted apply; the lock goes back when nothing was begun."""
    try:
        return _post(place, output, plan, terms)
    except ApiError:
        reservation.give_up()
        raise
    except Unreachable as error:
        error.hint = "the apply may have been accepted: repeat the command, it goes on with that one"
        raise
    except KeyboardInterrupt:
        look = place.command("progress", *(() if place.file else (plan.database, "-e", plan.environment)))
        raise Interrupted(
            "Interrupted while the apply was being handed over: it may have been accepted.", f"look: {look}"
        ) from None


def _post(place: Place, output: Output, plan: Plan, terms: Terms) -> str:
    body: dict[str, Any] = {
        "plan_id": plan.plan_id,
        "environment": plan.environment,
        "database": plan.database,
        "caller": owner(),
        "options": terms.options(),
        # The same key on every try: a request whose answer got lost is not run twice.
        "idempotency_key": secrets.token_hex(16),
    }
    body |= {
        name: value for name, value in (("deployment", terms.deployment), ("target", terms.target)) if value
    }
    answer = _insist(place, output, body)
    apply_id = answer.get("apply_id")
    if answer.get("accepted") is not True or not isinstance(apply_id, str) or not apply_id:
        reason = str(answer.get("error_message") or "the server gave no reason")
        raise NotAccepted(f"apply not accepted: {reason}", f"what is going on: {place.command('status')}")
    return apply_id


def _insist(place: Place, output: Output, body: Mapping[str, Any]) -> dict[str, Any]:
    outage = Outage()
    for _ in range(POST_TRIES - 1):
        try:
            return place.api.apply(body)
        except (Unreachable, ApiError) as error:
            if isinstance(error, ApiError) and not error.passing:
                raise
            wait = outage.next_wait(error)
            output.say(f"{error}; trying again in {wait:g} s", YELLOW)
            time.sleep(wait)
            place.reconnect()
    return place.api.apply(body)


def attach(place: Place, output: Output, active: Progress, plan: Plan, terms: Terms) -> Exit:
    """An apply is at work already: watch it when it does what *plan* wants, as *terms* want it; else Refused, saying
    what would work.
    """
    apply_id = active.apply_id
    look, stop = place.command("progress", apply_id), place.command("stop", apply_id)
    if active.state == "stopped":
        raise Refused(
            f"{apply_id} is stopped and keeps {plan.database} reserved",
            f"go on with it: {place.command('start', apply_id)}\ngive it up:    {place.command('cancel', apply_id)}",
        )
    if not same_work(plan, active):
        raise Refused(
            f"{apply_id} is {state_word(active.state)} on {plan.database} and does something else",
            f"watch it: {look}\nstop it:  {stop}",
        )
    if terms.defer_cutover and not plan.empty and active.options.get("defer_cutover") != "true":
        raise Refused(
            f"{apply_id} applies this already and will not wait for a cutover: it was begun without --defer-cutover",
            f"let it go live: {look}\nstop it:        {stop}",
        )
    output.say(f"This is being applied already: {apply_id}", "bold")
    announce_attached = {
        "apply_id": apply_id,
        "database": plan.database,
        "environment": plan.environment,
        "attached": True,
    }
    if not terms.watch:
        output.document(announce_attached)
        output.hint(f"look at it: {look}")
        return Exit.OK
    output.line(announce_attached)
    return conclude(place, output, follow(place, output, apply_id))


def same_work(plan: Plan, active: Progress) -> bool:
    """Whether the apply does what the plan still wants: every change planned now is in it, with the same DDL, and every
    one of its changes that is not live yet is planned. An empty plan means that the apply is only clearing up.
    """
    if plan.empty:
        return True
    wanted = {(change.table, change.ddl) for change in plan.changes}
    all_of_it = {(table.table, table.ddl) for table in active.tables}
    open_work = {(table.table, table.ddl) for table in active.tables if table.status != "completed"}
    return wanted <= all_of_it and open_work <= wanted
