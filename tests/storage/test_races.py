"""Many threads and processes at once."""

import json
from contextlib import ExitStack
from typing import Any

import pytest

from storage.registry import open_store
from tests.storage.children import Child
from tests.storage.kinds import Known
from tests.storage.scene import a_plan, now, queued


def together(stack: ExitStack, count: int, role: str, *arguments: object) -> list[Any]:
    """Run *count* processes of a role at the same moment; what each of them says."""
    children = [stack.enter_context(Child(role, *arguments)) for _ in range(count)]
    for child in children:
        child.wait_ready()
    for child in children:
        child.go()
    return [child.heard() for child in children]


@pytest.mark.timeout(240)
def test_1_2_and_27_each_apply_is_claimed_once_nobody_goes_empty_and_nobody_starves(stage: Known) -> None:
    """16 threads in each of 4 processes; as many applies as there are claims to make."""
    processes, threads, quota = 4, 16, 32
    total = processes * threads * quota
    with stage.open() as store, ExitStack() as stack:
        stage.generate(store, live=total)
        workers = [
            worker
            for said in together(stack, processes, "claim", stage.address, threads, quota)
            for worker in said
        ]
        assert store.claim("late", 1.0) is None
    assert [worker["errors"] for worker in workers if worker["errors"]] == []
    assert sum(worker["empty"] for worker in workers) == 0, "an empty answer while rows were due"
    claims = [tuple(found) for worker in workers for found in worker["claims"]]
    assert len(claims) == len({apply for apply, _ in claims}) == total
    assert {fence for _, fence in claims} == {1}
    assert len(workers) == processes * threads
    assert max(worker["slowest"] for worker in workers) < 10.0, "somebody starved"


def test_21_one_key_from_32_callers_makes_one_apply(stage: Known) -> None:
    with stage.open() as store, ExitStack() as stack:
        store.save_plan(a_plan("shop"))
        said = [
            tuple(one) for part in together(stack, 2, "enqueue", stage.address, 16, "key") for one in part
        ]
        assert len(said) == 32
        assert {what for what, _ in said} == {"made"}
        assert {uid for _, uid in said} == {apply.apply_uid for apply in store.history("shop")}
        assert len(store.history("shop")) == 1


def test_22_and_i7_of_32_callers_for_one_target_one_is_accepted_and_the_others_learn_its_name(
    stage: Known,
) -> None:
    with stage.open() as store, ExitStack() as stack:
        store.save_plan(a_plan("shop"))
        said = [tuple(one) for part in together(stack, 2, "enqueue", stage.address, 16, "") for one in part]
        assert sorted(what for what, _ in said) == ["busy"] * 31 + ["made"]
        assert {uid for _, uid in said} == {store.history("shop")[0].apply_uid}


def test_24_a_sweeper_paused_in_mid_pass_and_another_one_make_each_transition_once(stage: Known) -> None:
    with stage.open() as store, Child("sweep", stage.address) as paused:
        applies = [queued(store, f"db{n}", max_attempts=0) for n in range(10)]
        for _ in applies:
            claim = store.claim("worker", 60.0)
            assert claim is not None
            store.retry_later(claim, None, "flaky", 0.0)
        paused.wait_ready()
        paused.go()
        paused.wait_stopped()  # about to begin its fifth row, which it has read already
        ours = [expired.apply_uid for expired in store.expire_retryable()]
        paused.resume()
        theirs = paused.heard()
        assert (len(theirs), len(ours)) == (4, 6)
        assert sorted(ours + theirs) == sorted(apply.apply_uid for apply in applies)
        assert {now(store, apply).fence for apply in applies} == {2}


def test_av_5_many_openers_of_a_new_store_agree(empty_address: str) -> None:
    with ExitStack() as stack:
        assert together(stack, 6, "upgrade", empty_address) == ["done"] * 6
    with open_store(empty_address) as store:
        assert len(store.settings()) == 6, json.dumps(store.settings())
