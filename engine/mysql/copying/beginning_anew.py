"""A copy that lost its place in the server's log begins from the start; but not again and again without an end."""

from dataclasses import replace

from engine.errors import Refused
from engine.mysql.shadow.checkpoints import Checkpoint, Phase

MOST = 5
"""So often in one apply; a copy that waits, all of it verified, and finds its place again counts from none."""


def begun_anew(checkpoint: Checkpoint, reason: str) -> Checkpoint:
    """As a copy stands that has to begin anew, *reason* being what became of the log. Refused: it has too often."""
    if checkpoint.begun_anew >= MOST:
        raise Refused(
            f"{checkpoint.source}: the copy has begun anew {MOST} times, as its place in the binary log was lost each "
            f"time; the last time: {reason}; nothing was changed: see how long the server keeps its log "
            "(binlog_expire_logs_seconds, expire_logs_days, a PURGE or RESET that somebody runs), whether its disk is well, and "
            "whether the dsn always leads to the same server, then plan again"
        )
    return replace(
        checkpoint, phase=Phase.STAGE, low=None, position=None, begun_anew=checkpoint.begun_anew + 1
    )


def found_again(checkpoint: Checkpoint) -> Checkpoint:
    """As a copy stands that goes on from its place in the log."""
    return replace(checkpoint, begun_anew=0) if checkpoint.phase is Phase.READY else checkpoint
