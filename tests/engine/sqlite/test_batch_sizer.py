"""The servo that sizes transactions."""

from engine.sqlite.changing.batch_sizer import QUICK, STEADY, BatchSizer


def _settle(sizer: BatchSizer, row_seconds: float, commit_seconds: float) -> float:
    """Let it run on a made-up machine; how long the lock is held in the end."""
    seconds = 0.0
    for _ in range(200):
        work = sizer.rows * row_seconds
        seconds = work + commit_seconds
        sizer.note(sizer.rows, seconds, work)
    return seconds


def test_the_lock_is_held_about_as_long_as_wanted() -> None:
    """Fast rows, slow rows, rows of a megabyte."""
    for row_seconds in (1e-6, 2e-5, 1e-3, 5e-3):
        assert (
            0.4 * QUICK.hold_seconds
            <= _settle(BatchSizer(QUICK), row_seconds, 1e-5)
            <= 1.6 * QUICK.hold_seconds
        )


def test_a_slow_commit_does_not_starve_the_copy() -> None:
    """A disk that takes 40 ms to sync: fewer rows would not make it quicker."""
    sizer = BatchSizer(STEADY)
    _settle(sizer, 1e-5, 0.040)
    assert sizer.rows * 1e-5 > 0.1 * STEADY.hold_seconds


def test_little_to_do_says_nothing_about_the_machine() -> None:
    """A short last batch changes nothing."""
    sizer = BatchSizer(QUICK, rows=100)
    sizer.note(3, 0.0001)
    assert sizer.rows == 100
