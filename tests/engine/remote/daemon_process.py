"""A daemon whose changes go slowly while a file says so: `python -m tests.engine.remote.daemon_process CONFIG FOLDER`.

In FOLDER: `slow` — every batch of rows is followed by a rest; `trouble` — every transaction on a target fails, for now.
Ends with its parent.
"""

import contextlib
import sys
import time
from pathlib import Path

from engine.errors import TargetUnavailable
from tests.engine.serving import serve_struck


def strike(folder: Path, point: str) -> None:
    """What happens at a fault point."""
    if point.startswith("begun:") and (folder / "trouble").exists():
        raise TargetUnavailable("the disk is full, says the test")
    if point == "after_commit:batch" and (folder / "slow").exists():
        with contextlib.suppress(OSError, ValueError):  # it is just being made, or removed
            time.sleep(float((folder / "slow").read_text()))


if __name__ == "__main__":
    sys.exit(serve_struck(strike))
