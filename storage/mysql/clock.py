"""Times as the tables keep them: DATETIME(6) in UTC; durations as microseconds."""

from datetime import UTC, datetime


def microseconds(seconds: float) -> int:
    """A duration."""
    return max(0, round(seconds * 1_000_000))


def to_moment(stored: str) -> datetime:
    """A stored time, as the driver hands it over."""
    return datetime.fromisoformat(stored).replace(tzinfo=UTC)
