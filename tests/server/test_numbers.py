"""Back-off and pace: numbers only."""

import pytest

from server.backoff import outage_delay, retry_delay
from server.rates import RowMeter


def test_ten_retries_fit_in_about_ten_minutes() -> None:
    delays = [retry_delay(attempt, lambda: 0.5) for attempt in range(10)]

    assert delays[:4] == [0.0, 0.0, 5.0, 10.0]
    assert max(delays) == 120.0
    assert 400 < sum(delays) < 660


@pytest.mark.parametrize("chance", [0.0, 0.999])
def test_jitter_stays_within_a_fifth(chance: float) -> None:
    assert 4.0 <= retry_delay(2, lambda: chance) <= 6.0


def test_an_outage_is_asked_about_at_most_every_half_minute() -> None:
    assert outage_delay(50, lambda: 1.0) == 30.0
    assert outage_delay(0, lambda: 0.0) == 0.1


def test_the_pace_is_that_of_the_last_ten_seconds() -> None:
    meter = RowMeter()
    for second in range(30):
        meter.note(float(second), second * 100 if second < 15 else 1_500 + (second - 15) * 1_000)

    assert meter.rows_per_second == 1_000
    assert meter.eta_seconds(16_500) == 1


def test_a_meter_without_samples_promises_nothing() -> None:
    meter = RowMeter()
    meter.note(1.0, 10)

    assert meter.rows_per_second is None
    assert meter.eta_seconds(100) is None
