"""Durations of many calls, and the figures that are made of them."""

from collections.abc import Sequence


def quantile(durations: Sequence[float], share: float) -> float:
    """The duration that *share* of them do not exceed; 0 when there is none."""
    ordered = sorted(durations)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


def milliseconds(durations: Sequence[float], *shares: float) -> str:
    """Those quantiles, as `1.23 / 4.56`."""
    return " / ".join(f"{1000 * quantile(durations, share):.2f}" for share in shares)
