"""Times as the tables count them: INTEGER milliseconds since 1970, UTC."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime.fromtimestamp(0, UTC)
MILLISECOND = timedelta(milliseconds=1)

TIMES = frozenset(
    {
        "created_at",
        "updated_at",
        "started_at",
        "finished_at",
        "completed_at",
        "claimed_at",
        "ended_at",
        "settled_at",
        "claimable_at",
        "heartbeat_at",
        "retrying_since",
    }
)
"""The columns that hold a time."""


def milliseconds(seconds: float) -> int:
    """A duration."""
    return max(0, round(seconds * 1000))


def from_moment(moment: datetime) -> int:
    """A time to store."""
    return (moment - EPOCH) // MILLISECOND


def to_moment(stored: int) -> datetime:
    """A stored time."""
    return EPOCH + stored * MILLISECOND
