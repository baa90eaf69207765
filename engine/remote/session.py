"""One apply's session with the other SchemaBot: hands the plan over once, then follows and commands.

The other side has its own store, drivers and retries, and works on whether anybody looks or not. So here nothing is
ever undone because something could not be read: without a person's command the other side is only looked at.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from engine.base import DEFAULT_VOLUME, Change, Control, Handover, Job, Progress, Session, Signal, Standing
from engine.errors import (
    DriftFound,
    Refused,
    RetriesElsewhere,
    StoppedElsewhere,
    TargetHeld,
    TargetUnavailable,
)
from engine.remote import wire
from engine.remote.peer import Peer
from engine.remote.wire import FarApply

DISPATCHING = "dispatching"
"""Stands for the other's apply id while it is not known whether there is one."""
FIRST_LOOK_SECONDS = 0.5
MOST_LOOK_SECONDS = 2.0
SLOWER = 1.5
"""Looks come at 0.5 s and then more and more rarely, as long as the state there stays the same."""
SLICE_SECONDS = 0.5
"""Between two looks, commands are listened for so often."""
SETTLE_SECONDS = 0.2
"""After a command, before looking what became of it."""
RETRY_LOOK_SECONDS = (1.0, 30.0)
"""While the other waits for its next try, we look when it is over, within these bounds."""
OPTIONS = ("defer_cutover", "defer_deploy", "skip_revert", "allow_unsafe", "branch", "volume")


class RemoteSession(Session):
    """Opening it takes nothing. The apply there is found again by its id, or by the key it was dispatched with."""

    WAYS: ClassVar[Mapping[Signal, str]] = {Signal.STOP: "stop", Signal.CANCEL: "cancel"}

    def __init__(self, peer: Peer, job: Job, handover: Handover) -> None:
        self._peer = peer
        self._key = job.apply_uid
        self._handover = handover
        known = handover.external_id
        self._tried = known == DISPATCHING
        self._uid = "" if self._tried else known
        self._changes: dict[tuple[str, str], Change] = {}
        self._seen: FarApply | None = None
        self._proved = False
        self._advance: tuple[str, int, int] | None = None
        self._interval = FIRST_LOOK_SECONDS
        self._last: Progress | None = None
        self._asked = int(handover.options.get("volume", "0")) or None
        """The volume asked for here that may not be known there."""
        self._volume = self._asked or DEFAULT_VOLUME
        self._remark = ""

    # -- looking ------------------------------------------------------------------------------------------------

    def check_fits(self, changes: Sequence[Change], fingerprints: Mapping[str, str]) -> None:
        """The other side checks that its plan still fits when its apply begins (RC-3); nobody else could hold it so."""

    def standing(self, change: Change) -> Standing:
        """DONE when the table is live there. Once the whole apply is, the live schema is asked, too (ST-4)."""
        if not self._uid:
            return Standing.FITS
        seen = self._seen or self._look()
        if seen.state == wire.COMPLETED:
            self._prove(seen)
            return Standing.DONE
        done = any(table.key == change.key and table.state == wire.COMPLETED for table in seen.tables)
        return Standing.DONE if done else Standing.FITS

    def _look(self) -> FarApply:
        before, seen = self._seen, self._peer.progress(self._uid)
        if before is None or before.state != seen.state:
            self._interval = FIRST_LOOK_SECONDS
        self._seen = seen
        return seen

    def _prove(self, seen: FarApply) -> None:
        """DriftFound unless a fresh plan of the same files leaves the apply's tables alone."""
        if self._proved or not self._handover.files:
            return
        again = wire.changed_tables(self._peer.plan(self._handover.files))
        differing = sorted(table.table for table in seen.tables if table.key in again)
        if differing:
            raise DriftFound(
                f"{self._place} is completed, but {', '.join(differing)} is not what the plan wanted (any more): plan again"
            )
        self._proved = True

    @property
    def _place(self) -> str:
        return f"{self._uid} at {self._peer.where}"

    # -- doing --------------------------------------------------------------------------------------------------

    def prepare(self, changes: Sequence[Change], control: Control) -> Signal:
        """Hand the plan over, if that was not done; follow it until all is live or it waits for the cutover."""
        self._know(changes)
        if not self._uid:
            signal = control.clear_to_cut_over()
            if signal is Signal.GO:
                self._dispatch(changes[0])
            elif signal is not Signal.STOP or not self._find():
                return signal
        return self._follow(control, until_waiting=True)

    def cut_over(self, changes: Sequence[Change], control: Control) -> Signal:
        """Tell the other side to cut over, once it waits for that, and follow until all is live."""
        self._know(changes)
        return self._follow(control, until_waiting=False)

    def tidy(self, control: Control) -> Signal:  # noqa: ARG002 - there is nothing to report
        """The other side tidies up before it says completed."""
        return Signal.GO

    def start_again(self) -> None:
        """Start the apply there, if it is stopped."""
        if not self._uid or self._look().state != wire.STOPPED:
            return
        refusal = self._peer.command("start", self._uid, self._key)
        if refusal and self._look().state == wire.STOPPED:
            raise TargetUnavailable(f"{self._place}: {refusal}")
        self._seen = None

    def discard(self, control: Control) -> Signal:
        """Cancel the apply there and wait until it is over, in whatever way."""
        if not self._uid and not self._find():
            return Signal.GO
        while True:
            seen = self._look()
            signal = self._mirror(seen, control)
            if seen.state in wire.OVER or signal is Signal.HALT:
                return Signal.GO if seen.state in wire.OVER else signal
            refusal = self._peer.command("cancel", self._uid, self._key)
            if refusal and self._look().state not in wire.OVER:
                self._handover.refused(Signal.CANCEL, refusal)
                return Signal.GO
            control.pause(SETTLE_SECONDS)

    def close(self) -> None:
        """Just let go: the other side works on."""

    # -- handing over -------------------------------------------------------------------------------------------

    def _know(self, changes: Sequence[Change]) -> None:
        self._changes = {change.key: change for change in changes}
        self._last = Progress(change=changes[0], rows_copied=0, rows_total=0)

    def _dispatch(self, change: Change) -> None:
        """Exactly once, however often: the key is the apply's id here. That it may exist is written down before."""
        self._handover.attach(DISPATCHING)
        options = {name: value for name, value in self._handover.options.items() if name in OPTIONS}
        try:
            uid = self._peer.dispatch(wire.plan_id_of(change), self._key, options)
        except (Refused, TargetHeld):
            # A no to this try; an earlier one, whose answer was lost, may have been obeyed.
            if not self._find():
                self._handover.attach("")
                raise
            return
        self._attach(uid)

    def _find(self) -> bool:
        """Whether a dispatch whose answer was lost reached the other side. Asks without dispatching again.

        A request that the network still holds, and delivers after this look, is not seen: nothing here can call it back.
        """
        uid = self._peer.find(self._key) if self._tried else ""
        if uid:
            self._attach(uid)
        return bool(uid)

    def _attach(self, uid: str) -> None:
        self._handover.attach(uid)
        self._uid = uid

    # -- following ----------------------------------------------------------------------------------------------

    def _follow(self, control: Control, *, until_waiting: bool) -> Signal:
        while True:
            seen = self._look()
            signal = self._mirror(seen, control)
            if seen.state in wire.OVER:
                self._settled(seen)
                return Signal.GO
            if signal is Signal.STOP:
                if seen.state == wire.STOPPED:
                    return signal
                self._pass_on(signal, control)
                continue
            if signal is not Signal.GO:
                return signal
            self._resting(seen)
            self._pass_on_volume(seen, control)
            if seen.state == wire.WAITING:
                if until_waiting:
                    return Signal.GO
                self._tell_cutover(control)
            self._rest(control)

    def _settled(self, seen: FarApply) -> None:
        """Return when what was wanted is live, else raise why it never will be."""
        if seen.state == wire.COMPLETED:
            self._prove(seen)
            return
        kind = {"cancelled": "cancel"}.get(seen.state, "")
        reason = seen.error or (self._peer.who(self._uid, kind) if kind else "")
        raise Refused(f"{self._place} is {seen.state}" + (f": {reason}" if reason else ""))

    def _resting(self, seen: FarApply) -> None:
        """Raise when nothing goes on there: a person stopped it, or it waits for its own next try."""
        if seen.state == wire.STOPPED:
            who = self._peer.who(self._uid, "stop")
            raise StoppedElsewhere(f"{self._place} was stopped there" + (f": {who}" if who else ""), who)
        if seen.state == wire.RETRYING:
            low, high = RETRY_LOOK_SECONDS
            # Its next try is claimed at that time, not before: one second later there is something to see.
            delay = high if seen.retry_in is None else min(max(seen.retry_in + 1.0, low), high)
            tries = f" ({seen.tries})" if seen.tries else ""
            raise RetriesElsewhere(
                f"{self._place} will try again{tries}: {seen.error or 'no reason given'}", delay
            )

    def _pass_on(self, signal: Signal, control: Control) -> None:
        refusal = self._peer.command(self.WAYS[signal], self._uid, self._key)
        # What settled by itself in the meantime outranks the command (CO-3): the next look tells.
        if refusal and self._look().state not in wire.OVER | {wire.STOPPED}:
            self._handover.refused(signal, refusal)
        control.pause(SETTLE_SECONDS)

    def _pass_on_volume(self, seen: FarApply, control: Control) -> None:
        """Say there what a person set here. What somebody sets there stays until a person here says otherwise."""
        wanted = control.volume()
        if wanted != self._volume:
            self._volume = self._asked = wanted
        if self._asked is None:
            return
        if self._asked != seen.volume:
            self._remark = self._peer.command("volume", self._uid, self._key, volume=self._asked)
        self._asked = None

    def _tell_cutover(self, control: Control) -> None:
        """CO-1: not while a stop or cancel is open. Refused: it does not wait for it any more, the next look tells."""
        if control.clear_to_cut_over() is Signal.GO:
            self._peer.command("cutover", self._uid, self._key)
            self._interval = FIRST_LOOK_SECONDS

    def _mirror(self, seen: FarApply, control: Control) -> Signal:
        """Report every table; say what is wanted."""
        before, self._advance = self._advance, seen.advance
        durable = before is not None and before != seen.advance
        for table in seen.tables:
            change = self._changes.get(table.key)
            if change is not None:
                self._last = Progress(
                    change=change,
                    rows_copied=table.rows_copied,
                    rows_total=table.rows_total,
                    detail="; ".join(
                        filter(None, (table.detail or table.state.replace("_", " "), self._remark))
                    ),
                    live=table.state == wire.COMPLETED,
                )
                control.report(self._last)
        return self._listen(control, durable=durable)

    def _listen(self, control: Control, *, durable: bool = False) -> Signal:
        """What is wanted, by saying again what was reported last."""
        if self._last is None:
            return control.clear_to_cut_over()
        return control.report(replace(self._last, durable=durable))

    def _rest(self, control: Control) -> None:
        """Wait for the next look; a command ends the wait."""
        until = time.monotonic() + self._interval
        self._interval = min(self._interval * SLOWER, MOST_LOOK_SECONDS)
        while (left := until - time.monotonic()) > 0:
            control.pause(min(SLICE_SECONDS, left))
            if self._listen(control) is not Signal.GO:
                return
