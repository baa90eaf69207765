"""How long to wait before the next attempt; numbers only, nobody sleeps here."""

from collections.abc import Callable

FIRST_SECONDS = 5.0
MOST_SECONDS = 120.0
AT_ONCE = 2
"""The first retries come at once: a lost connection is usually gone by then."""


def retry_delay(attempt: int, chance: Callable[[], float]) -> float:
    """Seconds before the retry after *attempt* earlier ones (0-based): 0, 0, 5, 10 … 120, ± 20 % by *chance* in [0, 1).

    Ten of them fit in about ten minutes (lifecycle section 5).
    """
    if attempt < AT_ONCE:
        return 0.0
    planned = min(FIRST_SECONDS * 2.0 ** (attempt - AT_ONCE), MOST_SECONDS)
    return min(planned * (0.8 + 0.4 * chance()), MOST_SECONDS)


def outage_delay(failures: int, chance: Callable[[], float]) -> float:
    """Seconds before asking an unreachable store again: 0.2 s doubling to 30 s, halved at most by *chance*."""
    planned: float = min(0.2 * 2.0 ** min(failures, 10), 30.0)
    return planned * (0.5 + 0.5 * chance())
