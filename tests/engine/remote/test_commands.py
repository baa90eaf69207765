"""Commands given at the near daemon reach the work at the far one; what is done there by others shows here."""

import signal

from tests.engine.remote.rig import Sides
from tests.waiting import until


def test_co_1_stop_here_is_true_only_once_it_is_stopped_there_and_start_goes_on(sides: Sides) -> None:
    uid, far_uid = sides.copying()

    answer = sides.near.command("stop", uid)

    assert answer["stopped_count"] >= 1
    assert sides.near.progress(uid)["state"] == "stopped"
    assert sides.far.progress(far_uid)["state"] == "stopped"
    assert f"Stop requested by schemabot:{uid} (token near)" in sides.far.events(far_uid)

    sides.far.set("slow", on=False)
    answer = sides.near.command("start", uid)
    assert answer["started_count"] >= 1
    sides.near.when(uid, "completed")
    sides.check_done(uid)
    assert sides.far.asked("POST /api/start") == 1


def test_cancel_here_cancels_there_and_keeps_what_was_live_already(sides: Sides) -> None:
    uid, far_uid = sides.copying()

    sides.near.command("cancel", uid)
    body = sides.near.when(uid, "cancelled")

    assert sides.far.progress(far_uid)["state"] == "cancelled"
    assert {table["table_name"]: table["status"] for table in body["tables"]} == {
        "notes": "completed",  # it had been made live, and a cancel does not undo it
        "orders": "cancelled",
    }
    assert sides.kinds() == {"text"}


def test_cancel_of_what_was_stopped_cancels_there(sides: Sides) -> None:
    uid, far_uid = sides.copying()
    sides.near.command("stop", uid)

    sides.near.command("cancel", uid)
    sides.near.when(uid, "cancelled")

    assert sides.far.progress(far_uid)["state"] == "cancelled"


def test_co_5_a_deferred_cutover_parks_both_sides_and_the_cutover_here_is_the_cutover_there(
    sides: Sides,
) -> None:
    uid = sides.apply(defer_cutover="true")
    body = sides.near.when(uid, "waiting_for_cutover")
    far_uid = body["external_id"]
    assert sides.far.progress(far_uid)["state"] == "waiting_for_cutover"
    assert sides.kinds() == {"text"}

    sides.near.command("cutover", uid)
    sides.near.when(uid, "completed")

    sides.check_done(uid)
    assert sides.far.asked("POST /api/cutover") >= 1


def test_co_1_a_parked_change_is_stopped_on_both_sides_and_its_cutover_refused(sides: Sides) -> None:
    uid = sides.apply(defer_cutover="true")
    far_uid = sides.near.when(uid, "waiting_for_cutover")["external_id"]

    sides.near.command("stop", uid)

    assert sides.near.progress(uid)["state"] == "stopped"
    assert sides.far.progress(far_uid)["state"] == "stopped"
    request = {"database": "shop", "environment": "staging", "apply_id": uid}
    _, answer = sides.near.call("POST", "/api/cutover", request)
    assert answer["accepted"] is False


def test_a_cutover_given_there_completes_the_parked_change_here(sides: Sides) -> None:
    uid = sides.apply(defer_cutover="true")
    far_uid = sides.near.when(uid, "waiting_for_cutover")["external_id"]

    sides.far.command("cutover", far_uid)
    sides.far.when(far_uid, "completed")
    # Our side looks when it catches up next; a restart is one more occasion.
    sides.near.end(signal.SIGTERM)
    sides.near.start()
    sides.near.when(uid, "completed", "waiting_for_cutover")
    sides.near.command("cutover", uid) if sides.near.progress(uid)["state"] != "completed" else None

    sides.near.when(uid, "completed")
    sides.check_done(uid)


def test_a_stop_by_somebody_there_is_a_stop_here_and_only_a_person_starts_it(sides: Sides) -> None:
    uid, far_uid = sides.copying()

    sides.far.command("stop", far_uid)
    body = sides.near.when(uid, "stopped")

    assert sides.near.events(uid)[-1:] != []
    assert any("was stopped there: Stop requested by ann" in text for text in sides.near.events(uid))
    assert body["state"] == "stopped"
    sides.near.end(signal.SIGTERM)
    sides.near.start()
    assert sides.near.progress(uid)["state"] == "stopped"
    assert sides.far.asked("POST /api/start") == 0

    sides.far.set("slow", on=False)
    sides.near.command("start", uid)
    sides.near.when(uid, "completed")
    sides.check_done(uid)


def test_a_stop_by_somebody_there_while_we_were_down_is_not_revived(sides: Sides) -> None:
    uid, far_uid = sides.copying()
    sides.near.end()
    sides.far.command("stop", far_uid)

    sides.near.start()
    sides.near.when(uid, "stopped")

    assert sides.far.progress(far_uid)["state"] == "stopped"
    assert sides.far.asked("POST /api/start") == 0


def test_a_cancel_by_somebody_there_fails_here_with_the_reason(sides: Sides) -> None:
    uid, far_uid = sides.copying()

    sides.far.command("cancel", far_uid)
    body = sides.near.when(uid, "failed")

    assert "is cancelled: Cancel requested by ann" in body["error_message"]
    assert {table["table_name"]: table["status"] for table in body["tables"]} == {
        "notes": "completed",
        "orders": "failed",
    }


def test_co_3_a_cancel_that_meets_a_change_completed_there_reports_completed(sides: Sides) -> None:
    uid, far_uid = sides.copying()
    sides.near.end()
    sides.far.set("slow", on=False)
    sides.far.when(far_uid, "completed")
    # The cancel is written down before the near side can look: its network is gone, its store is not.
    sides.network.refuse()
    sides.near.start()
    sides.near.command("cancel", uid)

    sides.network.heal()

    sides.near.when(uid, "completed")
    sides.check_done(uid)


def test_the_retries_there_show_here_and_spend_nothing_here(sides: Sides) -> None:
    uid, far_uid = sides.copying()

    sides.far.set("trouble", on=True)
    body = sides.near.when(uid, "failed_retryable")

    assert "the disk is full, says the test" in body["error_message"]
    assert far_uid in body["error_message"]
    assert body["error_code"] == "engine_error_retryable"
    until(
        "the far side tried thrice",
        lambda: int(sides.far.progress(far_uid)["attempt"]) >= 2,
        tell=sides.far.log,
    )

    sides.far.set("trouble", on=False)
    sides.far.set("slow", on=False)
    sides.near.when(uid, "completed")
    sides.check_done(uid)
    retries = {text for text in sides.near.events(uid) if text.startswith("Retry ")}
    assert retries == {"Retry 1 of 10"}, "each look begins with a fresh budget"
