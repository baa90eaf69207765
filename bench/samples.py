"""Durations of many calls, and the figures that are made of them."""

import math
import statistics
from collections.abc import Sequence


def quantile(durations: Sequence[float], share: float) -> float:
    """The duration that *share* of them do not exceed; 0 when there is none."""
    ordered = sorted(durations)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def milliseconds(durations: Sequence[float], *shares: float) -> str:
    """Those quantiles, as `1.23 / 4.56`."""
    return " / ".join(f"{1000 * quantile(durations, share):.2f}" for share in shares)


class Growth:
    """The median of many ratios, and where the true one lies with 95 % certainty, whatever their distribution."""

    def __init__(self, ratios: Sequence[float]) -> None:
        ordered = sorted(ratios)
        self.pairs = len(ordered)
        self.median = statistics.median(ordered)
        # As many of n ratios lie below the true median as a fair coin, thrown n times, shows heads.
        lowest = max(0, int(self.pairs / 2 - 0.98 * math.sqrt(self.pairs)))
        self.low, self.high = ordered[lowest], ordered[-1 - lowest]

    def __str__(self) -> str:
        return f"{self.median:.2f}× ({self.low:.2f}–{self.high:.2f})"
