"""The drive of work that is done elsewhere, on a real store, against far sides that say no."""

from collections.abc import Callable
from typing import Any

import pytest

from engine.base import Change, Engine, Strategy, Target
from engine.registry import open_engine
from server.changes import to_stored
from server.ledger import Outcome
from storage.records import Apply, NewApply, Plan
from storage.states import State
from tests.engine.remote.scripted_far import Script, scripted_far
from tests.server.rig import FakeTargets, Rig

FAR = "apply-far"


class FarTargets(FakeTargets):
    """Every database is at the scripted far side."""

    url = ""

    def engine(self, deployment: str, environment: str, database: str) -> Engine:  # type: ignore[override]
        return open_engine(Target(kind="remote", database=database, environment=environment, dsn=self.url))


def enqueue(rig: Rig, url: str, **options: str) -> Apply:
    targets = FarTargets(rig.target)
    targets.url = url
    rig.app = type(rig.app)(
        config=rig.app.config, store=rig.store, targets=targets, metrics=rig.app.metrics, wake=rig.app.wake
    )
    change = Change(
        namespace="shop",
        table="t",
        change_type="alter",
        ddl="ALTER TABLE t …;",
        strategy=Strategy.ONLINE,
        lock="none",
        spec={"plan_id": "plan-far"},
    )
    plan = Plan(
        plan_id="plan-here",
        database="shop",
        database_type="sqlite",
        environment="staging",
        deployment="default",
        engine="Remote",
        schema_files={},
        changes=[to_stored(change)],
    )
    rig.store.save_plan(plan)
    return rig.store.enqueue(
        NewApply(plan_id="plan-here", environment="staging", deployment="default", options=options)
    )


def progress(state: str, **more: Any) -> dict[str, Any]:
    return {"state": state, "tables": [{"keyspace": "shop", "table_name": "t", "status": state}], **more}


def far_side(states: Callable[[], str]) -> Script:
    """Takes the apply, and is in the state it is said to be in."""
    return {
        "POST /api/apply": lambda _: {"accepted": True, "apply_id": FAR},
        f"GET /api/progress/apply/{FAR}": lambda _: progress(states()),
        "GET /api/logs": lambda _: {"logs": []},
    }


@pytest.mark.parametrize("kind", ["stop", "cancel"])
def test_co_2_a_command_that_cannot_be_done_there_fails_here_with_the_reason_and_the_work_goes_on(
    rig: Rig, kind: str
) -> None:
    states = ["running"]
    script = far_side(lambda: states[-1])
    asked: list[int] = []

    def command_while_it_runs(_: dict[str, Any]) -> dict[str, Any]:
        if not asked:
            asked.append(rig.store.request(apply.apply_uid, kind, "ann").id)
        return progress(states[-1])

    def refuse(_: dict[str, Any]) -> dict[str, Any]:
        states.append("completed" if kind == "stop" else "running")
        return {"accepted": False, "error_message": f"Spirit cannot {kind} a schema change"}

    def still_running_once(_: dict[str, Any]) -> dict[str, Any]:
        script[f"GET /api/progress/apply/{FAR}"] = lambda _: progress("completed")
        return progress("running")

    script[f"GET /api/progress/apply/{FAR}"] = command_while_it_runs

    def refuse_then_finish(body: dict[str, Any]) -> dict[str, Any]:
        script[f"GET /api/progress/apply/{FAR}"] = still_running_once
        return refuse(body)

    script[f"POST /api/{kind}"] = refuse_then_finish
    with scripted_far(script) as far:
        apply = enqueue(rig, far.url)

        outcomes = [rig.drive()]
        while rig.now(apply).state is not State.COMPLETED:
            outcomes.append(rig.drive())

    request = rig.store.control_request(asked[0])
    assert (request.state, request.reason) == ("failed", f"Spirit cannot {kind} a schema change")
    assert outcomes[-1] is Outcome.COMPLETED


def test_a_refused_dispatch_fails_and_leaves_no_trace_of_work_elsewhere(rig: Rig) -> None:
    script: Script = {"POST /api/apply": lambda _: {"accepted": False, "error_message": "not on a Friday"}}
    with scripted_far(script) as far:
        apply = enqueue(rig, far.url)

        assert rig.drive() is Outcome.FAILED

    now = rig.now(apply)
    assert "not on a Friday" in now.error
    assert now.external_id == ""


def test_that_it_may_be_dispatched_is_written_down_before(rig: Rig) -> None:
    seen: list[str] = []

    def dispatch(body: dict[str, Any]) -> dict[str, Any]:
        seen.append(rig.now(apply).external_id)
        assert body["idempotency_key"] == apply.apply_uid
        return {"accepted": True, "apply_id": FAR}

    script = far_side(lambda: "completed") | {"POST /api/apply": dispatch}
    with scripted_far(script) as far:
        apply = enqueue(rig, far.url)
        assert rig.drive() is Outcome.COMPLETED

    assert seen == ["dispatching"]
    assert rig.now(apply).external_id == FAR


def test_a_refusal_after_a_lost_answer_does_not_forget_what_was_dispatched(rig: Rig) -> None:
    answers: list[Any] = [(502, b"lost"), {"accepted": False, "error_message": "the rules changed"}]
    script = far_side(lambda: "completed")
    script["POST /api/apply"] = lambda _: answers.pop(0)
    with scripted_far(script) as far:
        apply = enqueue(rig, far.url)
        assert rig.drive() is Outcome.RETRY
        caller = f"schemabot:{apply.apply_uid}"
        script["GET /api/history/shop"] = lambda _: {"applies": [{"apply_id": FAR, "caller": caller}]}

        assert rig.drive() is Outcome.COMPLETED

    assert rig.now(apply).external_id == FAR


def test_a_stop_after_a_dispatch_that_never_arrived_is_settled_without_dispatching(rig: Rig) -> None:
    script: Script = {
        "POST /api/apply": lambda _: (503, b"never mind"),
        "GET /api/history/shop": lambda _: {"applies": [{"apply_id": "apply-1", "caller": "bob"}]},
    }
    with scripted_far(script) as far:
        apply = enqueue(rig, far.url)
        assert rig.drive() is Outcome.RETRY
        rig.store.request(apply.apply_uid, "stop", "ann")

        assert rig.drive() is Outcome.STOPPED

        assert far.asked.count("POST /api/apply") == 1


@pytest.mark.parametrize("end", ["failed", "reverted"])
def test_what_is_given_up_or_undone_there_fails_here(rig: Rig, end: str) -> None:
    states = ["failed_retryable"]
    script = far_side(lambda: states[-1])
    script[f"GET /api/progress/apply/{FAR}"] = lambda _: progress(states[-1], error_message="disk full")
    with scripted_far(script) as far:
        apply = enqueue(rig, far.url)
        for _ in range(12):  # more often than our own budget would allow
            rig.make_due()
            assert rig.drive() is Outcome.RETRY
            assert rig.now(apply).state is State.FAILED_RETRYABLE
            assert rig.now(apply).attempt == 0
        assert rig.store.expire_retryable() == []

        states.append(end)
        rig.make_due()
        assert rig.drive() is Outcome.FAILED

    assert f"is {end}: disk full" in rig.now(apply).error


def test_the_budget_counts_tries_to_see_it_and_is_given_back_by_progress_there(rig: Rig) -> None:
    rows = iter([1, 2])

    def look(_: dict[str, Any]) -> Any:
        copied = next(rows, None)
        if copied is None:
            return (503, b"away")
        table = {"keyspace": "shop", "table_name": "t", "status": "running", "rows_copied": copied}
        return {"state": "running", "tables": [{**table, "rows_total": 9}]}

    script = far_side(lambda: "running") | {f"GET /api/progress/apply/{FAR}": look}
    with scripted_far(script) as far:
        apply = enqueue(rig, far.url)
        assert rig.drive() is Outcome.RETRY  # after rows had moved
        assert rig.now(apply).attempt == 0
        for _ in range(3):
            rig.make_due()
            assert rig.drive() is Outcome.RETRY  # away all the time
    assert rig.now(apply).attempt == 3


def test_av_4_shutdown_lets_go_and_tells_the_far_side_nothing(rig: Rig) -> None:
    def look(_: dict[str, Any]) -> Any:
        rig.stopping.set()
        return progress("running")

    script = far_side(lambda: "running") | {f"GET /api/progress/apply/{FAR}": look}
    with scripted_far(script) as far:
        apply = enqueue(rig, far.url)
        assert rig.drive() is Outcome.HANDED_BACK
        assert set(far.asked) == {"POST /api/apply", f"GET /api/progress/apply/{FAR}"}
    assert rig.now(apply).state is State.RUNNING


def test_what_waits_there_though_nobody_deferred_it_is_told_to_cut_over(rig: Rig) -> None:
    states = ["waiting_for_cutover"]
    script = far_side(lambda: states[-1])
    script["POST /api/cutover"] = lambda _: states.append("completed") or {"accepted": True}  # type: ignore[func-returns-value]
    with scripted_far(script) as far:
        apply = enqueue(rig, far.url)
        assert rig.drive() is Outcome.COMPLETED
    assert rig.now(apply).state is State.COMPLETED


def test_co_1_the_cutover_is_not_told_while_a_stop_is_open(rig: Rig) -> None:
    states = ["waiting_for_cutover"]
    script = far_side(lambda: states[-1])
    looks: list[int] = []

    def look(_: dict[str, Any]) -> Any:
        looks.append(1)
        if len(looks) == 2:  # the drive is inside the cutover now, and has read the commands
            rig.store.request(apply.apply_uid, "stop", "ann")
        return progress(states[-1])

    script[f"GET /api/progress/apply/{FAR}"] = look
    script["POST /api/stop"] = lambda _: states.append("stopped") or {"accepted": True}  # type: ignore[func-returns-value]
    with scripted_far(script) as far:
        apply = enqueue(rig, far.url)
        assert rig.drive() is Outcome.STOPPED
        assert "POST /api/cutover" not in far.asked


def test_a_start_that_could_not_be_told_is_told_by_the_next_try(rig: Rig) -> None:
    states = ["stopped"]
    script = far_side(lambda: states[-1])
    with scripted_far(script) as far:
        apply = enqueue(rig, far.url)
        assert rig.drive() is Outcome.STOPPED  # somebody there stopped it
        asked = rig.store.request(apply.apply_uid, "start", "ann")
        script["POST /api/start"] = lambda _: (503, b"away")
        assert rig.drive() is Outcome.RETRY
        assert rig.store.control_request(asked.id).state == "pending"

        script["POST /api/start"] = lambda _: states.append("completed") or {"accepted": True}  # type: ignore[func-returns-value]
        assert rig.drive() is Outcome.COMPLETED

    assert rig.store.control_request(asked.id).state == "done"
