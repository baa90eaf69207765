"""The drive of one apply, on a real store with the fake engine."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import pytest

from engine.base import Control, Progress
from engine.errors import EngineError, FenceAhead, HeldUp, Refused, TargetUnavailable, Unreachable
from server.ledger import Outcome
from storage.errors import LeaseLost, StoreError
from storage.states import State
from tests.fakes import fake_change
from tests.server.rig import Rig


def fails(error: Exception) -> Callable[[Control | None], None]:
    def hook(_control: Control | None) -> None:
        raise error

    return hook


def fails_once(rig: Rig, step: str, error: Exception) -> None:
    def hook(_control: Control) -> None:
        del rig.target.on[step]
        raise error

    rig.target.on[step] = hook


def command(rig: Rig, uid: str, kind: str) -> Callable[[Control], None]:
    """A person's command arrives at this very step."""

    def hook(_control: Control) -> None:
        rig.store.request(uid, kind, "someone")

    return hook


def test_an_apply_goes_from_enqueue_to_completed(rig: Rig) -> None:
    apply = rig.enqueue("customers", "orders")

    assert rig.drive() is Outcome.COMPLETED

    assert rig.target.done == [("main", "customers"), ("main", "orders")]
    assert rig.states(apply) == ["completed", "completed"]
    now = rig.now(apply)
    assert (now.state, now.leased, now.attempt) == (State.COMPLETED, False, 0)
    assert now.started_at is not None
    assert now.finished_at is not None


def test_a_plan_without_changes_completes_at_once(rig: Rig) -> None:
    apply = rig.enqueue()

    assert rig.drive() is Outcome.COMPLETED
    assert rig.now(apply).state is State.COMPLETED
    assert rig.target.told == []


def test_the_engine_is_told_which_applies_of_our_store_are_over(rig: Rig) -> None:
    over = rig.enqueue("customers")
    rig.drive()
    ours = rig.enqueue("orders")
    told: list[bool] = []

    def ask(_control: Control) -> None:
        told.extend(map(rig.target.jobs[-1].is_over, (over.apply_uid, ours.apply_uid, "apply-of-others")))

    rig.target.on["prepare orders"] = ask
    rig.drive()
    assert told == [True, False, False]


def done_at_the_third_drive(rig: Rig) -> None:
    """Trouble before anything is begun, then amid the work."""
    rig.enqueue("orders")
    fails_once(rig, "check_fits", TargetUnavailable("gone for a moment"))
    assert rig.drive() is Outcome.RETRY
    fails_once(rig, "prepare orders", TargetUnavailable("gone again"))
    assert rig.drive() is Outcome.RETRY
    assert rig.drive() is Outcome.COMPLETED


def test_a_target_may_be_made_by_a_plan_from_nothing_until_something_was_begun(rig: Rig) -> None:
    done_at_the_third_drive(rig)
    assert [job.may_make for job in rig.target.jobs] == [True, True, False]


def test_a_target_that_held_a_table_at_plan_time_is_never_made(rig: Rig) -> None:
    rig.enqueue("orders", live={"orders": "its fingerprint"})
    assert rig.drive() is Outcome.COMPLETED
    assert [job.may_make for job in rig.target.jobs] == [False]


def test_rc_1_completed_tasks_are_never_run_again(rig: Rig) -> None:
    apply = rig.enqueue("customers", "orders")
    fails_once(rig, "prepare orders", TargetUnavailable("gone for a moment"))

    assert rig.drive() is Outcome.RETRY
    assert rig.states(apply) == ["completed", "failed_retryable"]
    assert rig.now(apply).state is State.FAILED_RETRYABLE
    assert rig.drive() is Outcome.COMPLETED

    assert rig.target.told.count("prepare customers") == 1
    assert rig.target.done == [("main", "customers"), ("main", "orders")]


def test_rc_4_a_change_that_took_effect_before_the_crash_is_found_and_not_repeated(rig: Rig) -> None:
    apply = rig.enqueue("customers")
    fails_once(rig, "tidy", TargetUnavailable("killed between the DDL and the note about it"))

    assert rig.drive() is Outcome.RETRY
    assert rig.drive() is Outcome.COMPLETED

    assert rig.target.told.count("cut_over customers") == 1
    assert rig.states(apply) == ["completed"]


def test_a_permanent_error_fails_the_task_and_cancels_the_rest(rig: Rig) -> None:
    apply = rig.enqueue("a", "b", "c")
    rig.target.on["prepare b"] = fails(Refused("duplicate key 7"))

    assert rig.drive() is Outcome.FAILED

    assert rig.states(apply) == ["completed", "failed", "cancelled"]
    assert "duplicate key 7" in rig.now(apply).error


def test_a_permanent_error_leaves_nothing_on_the_target(rig: Rig) -> None:
    apply = rig.enqueue("orders")
    rig.target.on["prepare orders"] = fails(Refused("a row does not fit"))

    assert rig.drive() is Outcome.FAILED

    assert rig.target.told[-3:] == ["give up: a row does not fit", "discard", "close"]
    assert "a row does not fit" in rig.now(apply).error


def test_a_cancel_cleans_up_behind_a_driver_that_only_just_took_the_target(rig: Rig) -> None:
    apply = rig.enqueue("orders")
    fails_once(rig, "check_fits", TargetUnavailable("died behind the taking, its tables are there"))
    assert rig.drive() is Outcome.RETRY

    rig.store.request(apply.apply_uid, "cancel", "someone")
    assert rig.now(apply).state is not State.CANCELLED
    assert rig.drive() is Outcome.CANCELLED

    assert "discard" in rig.target.told


def test_a_cancel_of_what_never_reached_its_target_needs_no_driver(rig: Rig) -> None:
    apply = rig.enqueue("orders")
    rig.target.on["ping"] = fails(TargetUnavailable("unreachable"))
    assert rig.drive() is Outcome.RETRY

    rig.store.request(apply.apply_uid, "cancel", "someone")

    assert rig.now(apply).state is State.CANCELLED


def test_whether_the_plan_still_fits_is_looked_at_until_something_was_done(rig: Rig) -> None:
    done_at_the_third_drive(rig)

    assert rig.target.told.count("check_fits") == 2


def test_helpers_that_cannot_be_removed_do_not_hide_why_the_change_failed(rig: Rig) -> None:
    apply = rig.enqueue("orders")
    rig.target.on["prepare orders"] = fails(Refused("a row does not fit"))
    rig.target.on["discard"] = fails(Refused("nobody may drop anything here"))

    assert rig.drive() is Outcome.FAILED

    assert rig.now(apply).error == "a row does not fit"
    told = [(event.level, event.message) for event in rig.store.events(apply.id)]
    left = "left helpers on the target, the next apply removes them: nobody may drop anything here"
    assert ("warn", left) in told


def test_helpers_that_cannot_be_removed_yet_are_removed_later_and_do_not_hide_why_the_change_failed(
    rig: Rig,
) -> None:
    apply = rig.enqueue("orders")
    rig.target.on["prepare orders"] = fails(Refused("a row does not fit"))
    fails_once(rig, "discard", TargetUnavailable("and now it is gone, too"))

    assert rig.drive() is Outcome.RETRY
    assert rig.now(apply).error == "a row does not fit; and now it is gone, too"

    assert rig.drive() is Outcome.FAILED
    assert rig.target.told.count("discard") == 2
    assert rig.now(apply).error == "a row does not fit"


def test_shutdown_while_a_failed_change_is_cleaned_up_leaves_the_rest_to_the_next_owner(rig: Rig) -> None:
    apply = rig.enqueue("orders")
    rig.target.on["prepare orders"] = fails(Refused("a row does not fit"))
    rig.target.on["discard"] = lambda _control: rig.stopping.set()
    assert rig.drive() is Outcome.HANDED_BACK

    rig.stopping.clear()
    del rig.target.on["discard"]
    assert rig.drive() is Outcome.FAILED
    assert rig.now(apply).error == "a row does not fit"


@pytest.mark.parametrize("error", [TargetUnavailable, Unreachable])
def test_the_budget_is_ten_retries_without_progress_then_failed(
    rig: Rig, error: type[TargetUnavailable]
) -> None:
    apply = rig.enqueue("orders")
    rig.target.on["open"] = fails(error("still down"))

    tries = 0
    while rig.now(apply).state is not State.FAILED:
        rig.make_due()
        if rig.store.expire_retryable():
            break
        assert rig.drive() is Outcome.RETRY
        tries += 1
        assert tries <= 11, "the budget was overrun"

    assert tries == 11  # the first run and ten retries
    assert rig.now(apply).state is State.FAILED
    assert "still down" in rig.now(apply).error


@pytest.mark.parametrize("error", [Unreachable, Refused])
def test_av_2_what_waits_for_its_cutover_waits_for_its_target_however_long(
    rig: Rig, error: type[EngineError]
) -> None:
    """Longer than the budget lasts; then it goes on with what is there."""
    apply = rig.enqueue("orders", defer_cutover="true")
    assert rig.drive() is Outcome.PARKED
    rig.target.on["open"] = fails(error("nobody answers"))
    for _ in range(15):
        rig.make_due()
        assert rig.store.expire_retryable() == []
        assert rig.drive() is Outcome.RETRY
        found = rig.now(apply)
        assert (found.state, found.attempt, found.error) == (State.FAILED_RETRYABLE, 0, "nobody answers")
    del rig.target.on["open"]
    rig.make_due()
    assert rig.drive() is Outcome.PARKED


def test_av_2_a_dsn_that_is_not_understood_for_a_while_ends_nothing_that_has_begun(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    apply = rig.enqueue("orders", defer_cutover="true")
    assert rig.drive() is Outcome.PARKED
    with monkeypatch.context() as patched:
        patched.setattr(rig.targets, "engine", lambda *_: fails(Refused("no dsn"))(None))
        rig.make_due()
        assert rig.drive() is Outcome.RETRY
    assert (rig.now(apply).attempt, rig.now(apply).error) == (0, "no dsn")
    rig.make_due()
    assert rig.drive() is Outcome.PARKED


def test_what_is_refused_before_it_has_begun_fails_at_once(rig: Rig) -> None:
    apply = rig.enqueue("orders")
    rig.target.on["open"] = fails(Refused("too few rights"))
    assert rig.drive() is Outcome.FAILED
    assert rig.now(apply).error == "too few rights"


@pytest.mark.parametrize("error", [Unreachable, Refused])
@pytest.mark.parametrize("asked", ["cutover", "cancel", "nothing, as it is not deferred"])
def test_what_somebody_waits_for_is_given_up_when_its_target_stays_away(
    rig: Rig, asked: str, error: type[EngineError]
) -> None:
    """A change must not spring to life days later, and a cancel has to come to an end."""
    deferred = asked in ("cutover", "cancel")
    apply = rig.enqueue("orders", defer_cutover=str(deferred).lower())
    if deferred:
        assert rig.drive() is Outcome.PARKED
        rig.store.request(apply.apply_uid, asked, "somebody")
    else:
        fails_once(rig, "prepare orders", HeldUp("read-only", 0.0))
        assert rig.drive() is Outcome.RETRY
        rig.make_due()
    rig.target.on["open"] = fails(error("nobody answers"))
    tries = 0
    while not rig.store.expire_retryable():
        tries += 1
        assert tries <= 12, "the budget was overrun"
        assert rig.drive() is Outcome.RETRY
        rig.make_due()
    assert rig.now(apply).state in (State.FAILED, State.CANCELLED)


@pytest.mark.parametrize("after", [Unreachable("nobody answers"), HeldUp("read-only", 5.0)])
def test_a_change_that_its_server_dies_of_each_time_is_given_up_all_the_same(
    rig: Rig, after: EngineError
) -> None:
    """That the server is away, or takes no writes, for a while after each death gives nothing back."""
    apply = rig.enqueue("orders", defer_cutover="true")
    rig.target.on["prepare orders"] = fails(TargetUnavailable("the connection is gone"))
    deaths = 0
    while True:
        rig.make_due()
        if rig.store.expire_retryable():
            break
        assert rig.drive() is Outcome.RETRY
        deaths += 1
        assert deaths <= 11, "the budget was overrun"
        if rig.now(apply).attempt < 10:
            fails_once(rig, "open", after)
            rig.make_due()
            assert rig.drive() is Outcome.RETRY
    assert deaths == 11


def test_progress_on_the_target_gives_the_budget_back(rig: Rig) -> None:
    apply = rig.enqueue("a", "b")
    fails_once(rig, "open", TargetUnavailable("down"))
    rig.drive()
    fails_once(rig, "prepare b", TargetUnavailable("down again"))
    rig.make_due()

    rig.drive()

    assert rig.now(apply).attempt == 0  # `a` was completed in between


def test_co_1_stop_beats_a_cutover_that_is_about_to_happen(rig: Rig) -> None:
    apply = rig.enqueue("orders")
    rig.target.rows = 0
    rig.target.on["prepare orders"] = command(rig, apply.apply_uid, "stop")

    assert rig.drive() is Outcome.STOPPED

    assert rig.target.done == []
    assert rig.now(apply).state is State.STOPPED
    assert rig.store.claim("another", 60.0) is None, "a stopped apply was revived"


def test_a_stopped_apply_goes_on_after_start(rig: Rig) -> None:
    apply = rig.enqueue("orders")
    rig.target.on["prepare orders"] = command(rig, apply.apply_uid, "stop")
    rig.drive()
    del rig.target.on["prepare orders"]

    rig.store.request(apply.apply_uid, "start", "someone")

    assert rig.drive() is Outcome.COMPLETED


def test_cancel_takes_our_things_off_the_target(rig: Rig) -> None:
    apply = rig.enqueue("orders")
    rig.target.rows = 0
    rig.target.on["prepare orders"] = command(rig, apply.apply_uid, "cancel")

    assert rig.drive() is Outcome.CANCELLED

    assert "discard" in rig.target.told
    assert rig.target.done == []
    assert rig.now(apply).state is State.CANCELLED


@pytest.mark.parametrize("kind", ["stop", "cancel"])
def test_a_change_that_rests_half_done_is_told_of(rig: Rig, kind: str) -> None:
    apply = rig.enqueue("orders")
    rig.target.rows = 0
    rig.target.unfinished = "1 of the 4 statements for orders have run and stay"
    rig.target.on["prepare orders"] = command(rig, apply.apply_uid, kind)

    rig.drive()

    told = [(event.level, event.message) for event in rig.store.events(apply.id)]
    assert ("warn", rig.target.unfinished) in told


def test_cancel_of_a_stopped_apply_cleans_up_through_a_driver(rig: Rig) -> None:
    apply = rig.enqueue("orders")
    rig.target.on["prepare orders"] = command(rig, apply.apply_uid, "stop")
    rig.drive()

    rig.store.request(apply.apply_uid, "cancel", "someone")

    assert rig.drive() is Outcome.CANCELLED
    assert "discard" in rig.target.told


def test_a_cancel_that_replaces_a_stop_is_obeyed_by_the_next_owner(rig: Rig) -> None:
    apply = rig.enqueue("orders")
    rig.target.rows = 0

    def stop_then_cancel(control: Control) -> None:
        rig.store.request(apply.apply_uid, "stop", "someone")
        control.clear_to_cut_over()
        rig.store.request(apply.apply_uid, "cancel", "someone else")

    rig.target.on["prepare orders"] = stop_then_cancel

    outcomes = [rig.drive()]
    while rig.now(apply).state is not State.CANCELLED:
        outcomes.append(rig.drive())

    assert outcomes[-1] is Outcome.CANCELLED
    assert len(outcomes) <= 2


def test_co_3_a_cancel_that_meets_a_live_change_reports_completed(rig: Rig) -> None:
    apply = rig.enqueue("orders")
    rig.target.on["tidy"] = command(rig, apply.apply_uid, "cancel")

    assert rig.drive() is Outcome.COMPLETED

    assert rig.now(apply).state is State.COMPLETED
    assert rig.store.pending_requests(apply.id) == []


def test_co_5_a_deferred_cutover_parks_and_holds_no_lease(rig: Rig) -> None:
    apply = rig.enqueue("a", "b", defer_cutover="true")

    assert rig.drive() is Outcome.PARKED

    now = rig.now(apply)
    assert (now.state, now.leased) == (State.WAITING_FOR_CUTOVER, False)
    assert rig.target.done == []


def test_a_parked_change_shows_all_the_rows_it_copied(rig: Rig) -> None:
    apply = rig.enqueue("a", "b", defer_cutover="true")

    assert rig.drive() is Outcome.PARKED

    assert [(task.rows_copied, task.rows_total) for task in rig.store.tasks(apply.id)] == [(5, 5), (5, 5)]


def test_a_parked_change_is_cut_over_in_one_step_when_told(rig: Rig) -> None:
    apply = rig.enqueue("a", "b", defer_cutover="true")
    rig.drive()

    request = rig.store.request(apply.apply_uid, "cutover", "someone")

    assert rig.drive() is Outcome.COMPLETED
    assert rig.target.done == [("main", "a"), ("main", "b")]
    assert rig.store.control_request(request.id).state == "done"


def test_a_cutover_that_was_stopped_half_way_is_parked_for_the_rest(rig: Rig) -> None:
    apply = rig.enqueue("a", "b", defer_cutover="true")
    rig.drive()
    rig.store.request(apply.apply_uid, "cutover", "someone")

    def half(control: Control) -> None:
        rig.target.done.append(("main", "a"))
        rig.store.request(apply.apply_uid, "stop", "someone")
        raise TargetUnavailable("the connection was lost")

    rig.target.on["cut_over b"] = half
    assert rig.drive() is Outcome.RETRY
    assert rig.now(apply).state is State.STOPPED
    del rig.target.on["cut_over b"]
    rig.store.request(apply.apply_uid, "start", "someone")

    assert rig.drive() is Outcome.PARKED
    assert rig.states(apply) == ["completed", "waiting_for_cutover"]

    rig.store.request(apply.apply_uid, "cutover", "someone")
    assert rig.drive() is Outcome.COMPLETED
    assert rig.target.done == [("main", "a"), ("main", "b")]


def test_a_parked_change_that_catches_up_parks_again_and_spends_nothing(rig: Rig) -> None:
    apply = rig.enqueue("a", defer_cutover="true")
    rig.drive()

    for _ in range(3):
        rig.make_due()
        assert rig.drive() is Outcome.PARKED

    assert rig.now(apply).attempt == 0


def test_av_3_a_bug_costs_the_apply_and_nothing_else(rig: Rig) -> None:
    apply = rig.enqueue("orders")
    rig.target.on["prepare orders"] = fails(ZeroDivisionError("oops"))

    assert rig.drive() is Outcome.CRASHED

    now = rig.now(apply)
    assert now.state is State.FAILED
    assert "ZeroDivisionError" in now.error
    assert any(event.level == "error" for event in rig.store.events(apply.id))


def test_av_3_a_bug_leaves_nothing_on_the_target(rig: Rig) -> None:
    apply = rig.enqueue("orders")
    rig.target.on["prepare orders"] = fails(ZeroDivisionError("oops"))
    fails_once(rig, "discard", TargetUnavailable("and now it is gone, too"))

    assert rig.drive() is Outcome.RETRY
    assert rig.drive() is Outcome.CRASHED

    why = "internal error (ZeroDivisionError in hook): oops"
    assert rig.target.told[-3:] == [f"give up: {why}", "discard", "close"]
    assert rig.now(apply).error == why


def test_av_1_what_the_store_says_unasked_is_no_bug_and_throws_nothing_away(rig: Rig) -> None:
    apply = rig.enqueue("orders")
    rig.target.on["prepare orders"] = fails(StoreError("the store db: OperationalError 4711: not today"))

    assert rig.drive() is Outcome.LEASE_LOST

    assert not any(told.startswith(("give up", "discard")) for told in rig.target.told)
    assert rig.now(apply).state is State.RUNNING


def test_av_3_a_bug_in_the_cleaning_ends_it(rig: Rig) -> None:
    apply = rig.enqueue("orders")
    rig.target.on["prepare orders"] = fails(Refused("a row does not fit"))
    rig.target.on["discard"] = fails(ZeroDivisionError("oops"))

    assert rig.drive() is Outcome.CRASHED

    assert rig.now(apply).error == "a row does not fit; internal error (ZeroDivisionError in hook): oops"


def test_progress_that_is_notable_is_in_the_log_at_once(rig: Rig) -> None:
    apply = rig.enqueue("orders")

    def report(control: Control) -> None:
        said = Progress(change=fake_change("orders"), rows_copied=0, rows_total=9, detail="by triggers")
        for progress in (said, replace(said, notable=True), said):
            control.report(progress)

    rig.target.on["prepare orders"] = report
    assert rig.drive() is Outcome.COMPLETED
    logged = [event.message for event in rig.store.events(apply.id) if event.event_type == "progress"]
    assert logged == ["orders: by triggers, 0 of 9 rows"]


def test_rc_5_a_target_without_a_client_is_retried(rig: Rig) -> None:
    apply = rig.enqueue("orders")
    rig.targets.configured = False

    assert rig.drive() is Outcome.RETRY

    assert rig.now(apply).state is State.FAILED_RETRYABLE
    assert "no_client" in rig.now(apply).error


def test_av_4_shutdown_hands_the_apply_back_unspent(rig: Rig) -> None:
    apply = rig.enqueue("orders")
    rig.target.on["prepare orders"] = lambda _control: rig.stopping.set()

    assert rig.drive() is Outcome.HANDED_BACK

    now = rig.now(apply)
    assert (now.leased, now.attempt) == (False, 0)
    rig.stopping.clear()
    del rig.target.on["prepare orders"]
    assert rig.drive() is Outcome.COMPLETED


def test_ow_2_a_driver_that_lost_its_lease_writes_nothing_more(rig: Rig) -> None:
    apply = rig.enqueue("orders")

    def stolen(_control: Control) -> None:
        rig.make_due()
        rig.claim("thief")

    rig.target.on["prepare orders"] = stolen
    rig.target.rows = 0

    assert rig.drive() is Outcome.LEASE_LOST

    now = rig.now(apply)
    assert (now.leased, now.lease_owner) == (True, "thief")
    assert "cutting_over" not in rig.states(apply)
    assert rig.target.done == []


def test_ow_5_a_driver_fenced_by_the_target_writes_nothing_when_the_store_agrees(rig: Rig) -> None:
    apply = rig.enqueue("orders")

    def taken_over(_control: Control) -> None:
        rig.make_due()
        thief = rig.claim("thief")
        rig.target.fences[apply.apply_uid] = thief.claim.fence

    rig.target.on["prepare orders"] = taken_over

    assert rig.drive() is Outcome.LEASE_LOST
    assert rig.now(apply).lease_owner == "thief"


def test_ow_5_a_store_older_than_its_target_goes_on_above_the_fence_there(rig: Rig) -> None:
    """A backup was put back: nobody else is at work. It costs no attempt, and fences only rise."""
    apply = rig.enqueue("orders")
    rig.target.on["open"] = fails(FenceAhead("fence 1 is older than 22", 22))
    assert rig.drive() is Outcome.HANDED_BACK
    assert (rig.now(apply).fence, rig.now(apply).attempt) == (22, 0)
    del rig.target.on["open"]
    assert rig.drive() is Outcome.COMPLETED
    assert rig.now(apply).fence == 23


def test_ow_5_a_driver_that_only_it_takes_for_the_newest_raises_no_fence(rig: Rig) -> None:
    apply = rig.enqueue("orders")

    def stolen(_control: Control) -> None:
        rig.make_due()
        rig.claim("thief")
        raise FenceAhead("fence 1 is older than 22", 22)

    rig.target.on["open"] = stolen
    assert rig.drive() is Outcome.LEASE_LOST
    assert (rig.now(apply).fence, rig.now(apply).lease_owner) == (2, "thief")


def test_ow_3_a_lease_that_could_not_be_renewed_ends_the_work_on_the_target(rig: Rig) -> None:
    rig.enqueue("orders")
    lease = rig.claim(lease_seconds=0.0)

    with pytest.raises(LeaseLost):
        lease.check()


def test_a_volume_set_while_a_copy_runs_reaches_it(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.control.LOOK_SECONDS", 0.0)
    apply = rig.enqueue("orders", "users", volume="2")

    def louder(_control: Control) -> None:
        rig.store.set_option(apply.apply_uid, "volume", "11", "ann")

    rig.target.on["prepare users"] = louder
    assert rig.drive() is Outcome.COMPLETED
    assert rig.target.volumes == [2] * 5 + [11] * 5
    assert rig.now(apply).options == {"volume": "11"}


def test_the_volume_is_what_it_was_while_the_store_is_away(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.control.LOOK_SECONDS", 0.0)
    rig.enqueue("orders", volume="7")
    heard: list[int] = []

    def listen(control: Control) -> None:
        heard.append(control.volume())
        rig.store.close()
        heard.append(control.volume())
        rig.stopping.set()

    rig.target.on["prepare orders"] = listen
    rig.drive()
    assert heard == [7, 7]


@pytest.mark.parametrize(
    "waiting", ["waiting: the replica db2 is 12 s behind", "copying rows, waiting for rows of orders"]
)
def test_the_time_left_does_not_count_a_wait(rig: Rig, monkeypatch: pytest.MonkeyPatch, waiting: str) -> None:
    """Neither while the copy waits nor when it goes on: 100 rows/s before and after a wait of nine seconds."""
    apply = rig.enqueue("orders")
    clock = itertools.count(1_000.0)
    second = next(clock)
    monkeypatch.setattr("server.control.time", SimpleNamespace(monotonic=lambda: second))
    told: list[tuple[int | None, int | None]] = []
    details = ["copying rows"] * 3 + [waiting] * 9 + ["copying rows"] * 3

    def copy(control: Control) -> None:
        nonlocal second
        rows = 0
        for detail in details:
            second = next(clock)
            rows += 0 if detail == waiting else 100
            change = fake_change("orders")
            control.report(Progress(change=change, rows_copied=rows, rows_total=1_000, detail=detail))
            (task,) = rig.store.tasks(apply.id)
            told.append((task.rows_per_second, task.eta_seconds))

    rig.target.on["prepare orders"] = copy
    rig.drive()
    nothing = (None, None)
    assert told == [nothing, (100, 8), (100, 7), *[nothing] * 10, (100, 5), (100, 4)]
