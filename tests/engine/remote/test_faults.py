"""Two real daemons, each killed in turn, and a network that cuts, swallows and loses: one apply, which completes."""

import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.engine.remote.rig import Sides
from tests.proxy import Proxy
from tests.waiting import until


def cut(network: Proxy) -> None:
    network.refuse()
    network.cut()


def test_the_near_daemon_is_killed_in_mid_copy_and_attaches_again(sides: Sides) -> None:
    uid, far_uid = sides.copying()

    sides.near.end(signal.SIGKILL)
    assert sides.far.progress(far_uid)["state"] == "running", "the far side works on"
    sides.far.set("slow", on=False)
    sides.near.start()

    sides.near.when(uid, "completed")
    sides.check_done(uid)
    assert sides.far.asked("POST /api/apply") == 1
    assert sides.far.asked("POST /api/stop") == 0


def test_the_far_daemon_is_killed_in_mid_copy_and_both_go_on(sides: Sides) -> None:
    uid, far_uid = sides.copying()

    sides.far.end(signal.SIGKILL)
    body = sides.near.when(uid, "failed_retryable")
    assert "cannot be reached" in body["error_message"]
    sides.far.set("slow", on=False)
    sides.far.start()

    sides.near.when(uid, "completed")
    sides.check_done(uid)
    assert sides.far.asked("POST /api/apply") == 0, "handed over again"
    assert any("went on" in text or "goes on" in text for text in sides.far.events(far_uid))


def test_av_4_the_near_daemon_goes_down_politely_and_the_far_one_does_not_notice(sides: Sides) -> None:
    uid, far_uid = sides.copying()

    assert sides.near.end(signal.SIGTERM) == 0

    assert sides.far.progress(far_uid)["state"] == "running"
    assert sides.far.asked("POST /api/stop") == 0
    sides.far.set("slow", on=False)
    sides.near.start()
    assert sides.near.when(uid, "completed")["attempt"] == 0
    sides.check_done(uid)


@pytest.mark.parametrize("break_", [cut, Proxy.swallow])
def test_av_2_out_of_sight_is_retried_here_while_the_far_side_goes_on(
    sides: Sides, break_: Callable[[Proxy], object]
) -> None:
    uid, far_uid = sides.copying()

    break_(sides.network)
    until(
        "retrying",
        lambda: any("Will be tried again" in text for text in sides.near.events(uid)),
        tell=sides.near.log,
    )
    assert "cannot be reached" in sides.near.progress(uid)["error_message"]
    sides.far.set("slow", on=False)
    sides.far.when(far_uid, "completed")
    sides.network.heal()

    sides.near.when(uid, "completed")
    sides.check_done(uid)
    assert sides.far.asked("POST /api/stop") == 0, "nothing is stopped because it could not be seen"


def test_a_dispatch_whose_answer_is_lost_is_made_once(sides: Sides) -> None:
    sides.lose_answers("POST /api/apply", times=1)

    uid = sides.apply()
    sides.near.when(uid, "completed")

    assert sides.network.cuts == 1
    assert sides.far.asked("POST /api/apply") == 2
    assert any("cannot be reached" in text for text in sides.near.events(uid))
    sides.check_done(uid)


def test_a_daemon_killed_between_dispatch_and_its_answer_finds_the_one_apply(sides: Sides) -> None:
    sides.lose_answers("POST /api/apply", times=1_000)
    sides.far.set("slow", on=True)
    uid = sides.apply()
    until("an answer was lost", lambda: sides.network.cuts)
    sides.near.end(signal.SIGKILL)
    sides.network.heal()
    sides.far.set("slow", on=False)

    # It is over before anybody asks again: now only the key tells that the target is free because of us.
    (far,) = sides.far.applies()
    sides.far.when(far["apply_id"], "completed")
    sides.near.start()

    sides.near.when(uid, "completed")
    sides.check_done(uid)


@pytest.mark.parametrize("command", ["stop", "cancel"])
def test_co_1_a_command_after_a_lost_dispatch_finds_what_was_dispatched(sides: Sides, command: str) -> None:
    sides.lose_answers("POST /api/apply", times=1_000)
    sides.far.set("slow", on=True)
    uid = sides.apply()
    until("an answer was lost", lambda: sides.network.cuts)
    (far,) = until("dispatched", sides.far.applies)

    sides.near.command(command, uid)

    ends = {"stop": "stopped", "cancel": "cancelled"}
    body = sides.near.when(uid, ends[command])
    assert body["external_id"] == far["apply_id"]
    assert sides.far.progress(far["apply_id"])["state"] == ends[command]
    assert len(sides.far.applies()) == 1


def test_co_1_a_stop_while_the_far_side_is_out_of_sight_is_kept_and_not_claimed(sides: Sides) -> None:
    sides.far.rest_seconds = 1.0
    uid, far_uid = sides.copying()

    def retries() -> int:
        return sum("Will be tried again" in text for text in sides.near.events(uid))

    cut(sides.network)
    sides.near.when(uid, "failed_retryable")

    before = retries()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(
            sides.near.call,
            "POST",
            "/api/stop",
            {"database": "shop", "environment": "staging", "apply_id": uid, "caller": "ann"},
        )
        until("recorded", lambda: "Stop requested by ann" in sides.near.events(uid))
        until("tried in vain", lambda: retries() > before, tell=sides.near.log)
        assert sides.near.progress(uid)["state"] != "stopped"

        sides.network.heal()
        _, answer = asked.result(60)
    # Whether the first answer could still say so depends on when the next try falls due.
    assert answer["accepted"] or answer["pending"]
    sides.near.when(uid, "stopped")
    assert sides.far.progress(far_uid)["state"] == "stopped"


def test_a_cutover_whose_answer_is_lost_happens_once(sides: Sides) -> None:
    uid = sides.apply(defer_cutover="true")
    sides.near.when(uid, "waiting_for_cutover")
    sides.lose_answers("POST /api/cutover", times=1)

    sides.near.command("cutover", uid)
    until("an answer was lost", lambda: sides.network.cuts)

    sides.near.when(uid, "completed")
    sides.check_done(uid)


def test_a_far_side_that_forgot_the_apply_is_never_handed_it_again(sides: Sides) -> None:
    uid, far_uid = sides.copying()
    sides.far.end(signal.SIGKILL)
    for left in sides.far.folder.glob("schemabot.db*"):
        left.unlink()
    sides.far.set("slow", on=False)
    sides.far.start()

    body = sides.near.when(uid, "failed")

    assert f"does not know {far_uid} any more" in body["error_message"]
    assert sides.far.asked("POST /api/apply") == 0, "handed over again"
    assert sides.far.applies() == []
