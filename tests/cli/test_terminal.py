"""The command line at a terminal: a person answers, watches a bar, presses Ctrl-C."""

import pytest

from cli.api import Api
from cli.client import Client
from cli.place import Place, Wanted
from cli.replies import Progress
from cli.steering import Steering
from tests.cli.rig import kinds_of_quantity, make_shop, write_schema
from tests.cli.terminal import terminal
from tests.waiting import until


@pytest.mark.parametrize("width", [80, 120])
def test_a_person_says_yes_and_watches_to_the_end(width: int) -> None:
    shop = make_shop()
    with terminal(width, "apply", "shop.db", "-s", write_schema()) as seen:
        seen.wait_for("Only 'yes' goes on")
        seen.type("yes\n")
        assert seen.end() == 0, seen.text
        assert "✓ completed" in seen.text
        assert "Apply completed" in seen.text
        view = seen.text[seen.text.index("Apply started") :]
        assert max(len(line) for line in view.splitlines() if not line.startswith(("Apply", "Lock"))) <= width
    assert kinds_of_quantity(shop) == ["integer"]


@pytest.mark.parametrize("answer", ["y\n", "no\n", "\n", "\x04"])
def test_any_other_answer_changes_nothing(answer: str) -> None:
    shop = make_shop()
    with terminal(80, "apply", "shop.db", "-s", write_schema()) as seen:
        seen.wait_for("Only 'yes' goes on")
        seen.type(answer)
        assert seen.end() in (1, 130), seen.text
    assert kinds_of_quantity(shop) == ["text"]


def test_interrupting_the_question_ends_with_130_and_nothing_begun() -> None:
    shop = make_shop()
    with terminal(80, "apply", "shop.db", "-s", write_schema()) as seen:
        seen.wait_for("Only 'yes' goes on")
        seen.type("\x03")
        assert seen.end() == 130, seen.text
        assert "Nothing was changed." in seen.text
    assert kinds_of_quantity(shop) == ["text"]


def test_interrupting_the_view_says_how_to_go_on_and_leaves_the_cursor_visible() -> None:
    make_shop()
    with terminal(80, "apply", "shop.db", "-s", write_schema(), "-y", "--defer-cutover") as seen:
        seen.wait_for("schemabot cutover shop.db apply-")
        seen.type("\x03")
        assert seen.end() == 130, seen.text
        assert "rests at its checkpoint" in seen.text
        assert "schemabot progress shop.db apply-" in seen.text
        assert seen._seen.rindex(b"\x1b[?25h") > seen._seen.rindex(b"\x1b[?25l")


# -- keys ---------------------------------------------------------------------------------------------------------

PARKED = ("apply", "shop.db", "-y", "--defer-cutover", "-s")


def test_c_pressed_twice_makes_the_change_live() -> None:
    shop = make_shop()
    with terminal(80, *PARKED, write_schema()) as seen:
        seen.wait_for("s stop · c cutover · d leave")
        seen.type("c")
        seen.wait_for("Press c again to make the prepared change live now.")
        assert kinds_of_quantity(shop) == ["text"]
        seen.type("c")
        assert seen.end() == 0, seen.text
    assert kinds_of_quantity(shop) == ["integer"]


def test_s_pressed_twice_pauses_and_says_how_to_go_on() -> None:
    shop = make_shop()
    with terminal(80, *PARKED, write_schema()) as seen:
        seen.wait_for("s stop")
        seen.type("s")
        seen.wait_for("Press s again to pause it at its checkpoint.")
        seen.type("s")
        assert seen.end() == 5, seen.text
        assert "■ stopped" in seen.text
        assert "go on: schemabot start shop.db apply-" in seen.text
    assert kinds_of_quantity(shop) == ["text"]


def test_d_leaves_and_the_terminal_is_as_it_was() -> None:
    make_shop()
    with terminal(80, *PARKED, write_schema()) as seen:
        before = seen.modes()
        seen.wait_for("d leave, it rests at its checkpoint")
        assert seen.modes() != before, "keys are read one by one, and not echoed"
        seen.type("d")
        assert seen.end() == 130, seen.text
        assert "rests at its checkpoint" in seen.text
        assert seen.modes() == before


def test_keys_are_heard_again_after_a_shell_had_the_terminal() -> None:
    """As after Ctrl-Z and fg: the shell sets the line editing back to its own."""
    make_shop()
    with terminal(80, *PARKED, write_schema()) as seen:
        before = seen.modes()
        seen.wait_for("c cutover")
        heard = seen.modes()
        seen.set_modes(before)
        until("the keys to be heard one by one again", lambda: seen.modes() == heard)
        assert seen.press_to_the_end("d") == 130, seen.text


def test_two_different_keys_a_cursor_key_and_a_pasted_text_command_nothing() -> None:
    shop = make_shop()
    with terminal(80, *PARKED, write_schema()) as seen:
        seen.wait_for("c cutover")
        for keys, answer in (("c", "Press c again"), ("s", "Press s again"), ("\x1b[D", ""), ("css", "")):
            seen.type(keys)
            seen.wait_for(answer)
        assert seen.press_to_the_end("d") == 130, seen.text
    assert kinds_of_quantity(shop) == ["text"]


def test_c_means_nothing_while_no_cutover_is_due() -> None:
    nobody = Place(api=Api(Client("http://127.0.0.1:1")), wanted=Wanted())
    steering = Steering(nobody, "apply-1", listening=True, cutover_asked=False)
    running = Progress.read({"state": "running", "apply_id": "apply-1"})
    assert steering.keys(running) == "s stop · d detach, it goes on"
    assert (steering.press("c", running), steering.press("c", running)) == ("", "")


def test_a_key_whose_command_fails_says_so_and_the_watch_goes_on() -> None:
    nobody = Place(api=Api(Client("http://127.0.0.1:1")), wanted=Wanted())
    steering = Steering(nobody, "apply-1", listening=True, cutover_asked=False)
    running = Progress.read({"state": "running", "apply_id": "apply-1", "database": "shop"})
    assert steering.press("s", running).startswith("Press s again")
    assert steering.press("s", running).startswith("stop failed: cannot connect")


def test_with_lines_wanted_there_are_no_keys_and_no_redrawing() -> None:
    make_shop()
    with terminal(80, "apply", "shop.db", "-y", "-o", "log", "-s", write_schema()) as seen:
        assert seen.end() == 0, seen.text
        assert "orders: completed" in seen.text
        assert "d leave" not in seen.text
        assert b"\x1b[?25l" not in seen._seen
