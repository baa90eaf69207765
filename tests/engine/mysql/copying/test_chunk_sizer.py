"""How many rows the next chunk has: by the slow ones of the last chunks, not by one that was an exception."""

import pytest

from engine.mysql.copying.chunk_sizer import GROWTH, REMEMBERED, ChunkSizer

TARGET = 0.1
ROWS = 5_000
"""So many rows take as long as a chunk shall."""


def sizer(*slow: float) -> ChunkSizer:
    """After chunks that took so many times as long as ROWS lets expect."""
    found = ChunkSizer(TARGET)
    found.rows = ROWS
    for times in slow:
        found.note(found.rows, times * TARGET * found.rows / ROWS)
    return found


@pytest.mark.parametrize("slow", [(2.0, 0.5), (0.5, 2.0), (2.0, *[0.5] * 4), (*[0.5] * 5, 2.0, 2.0)])
def test_the_first_chunks_go_by_the_slowest(slow: tuple[float, ...]) -> None:
    assert sizer(*slow).rows == ROWS / 2


def test_once_enough_chunks_are_known_one_slow_one_is_an_exception() -> None:
    assert sizer(2.0, *[1.0] * (REMEMBERED - 2)).rows == ROWS / 2
    assert sizer(2.0, *[1.0] * (REMEMBERED - 1)).rows == int(ROWS / 2 * GROWTH + 1)
    assert sizer(2.0, 2.0, *[1.0] * (REMEMBERED - 2)).rows == ROWS / 2


def test_chunks_that_take_now_longer_now_shorter_are_no_smaller_than_the_longest_asks() -> None:
    noise = (0.8, 1.25, 1.0, 0.9, 1.1)
    for chunks in range(1, 30):
        assert sizer(*(noise[n % 5] for n in range(chunks))).rows >= ROWS / 1.25 - 1


def test_quick_chunks_grow_step_by_step_and_one_of_a_panic_is_cut() -> None:
    assert sizer(0.1).rows == int(ROWS * GROWTH + 1)
    assert sizer(6.0).rows == ROWS // 10
