"""A daemon that keeps a pause where a test wants one: `python -m tests.engine.mysql.daemon_process CONFIG FOLDER`.

In FOLDER: `slow` holds seconds to rest after every chunk that is copied; `freeze` a fault point at which the process is stopped
(SIGSTOP), once. Ends with its parent.
"""

import contextlib
import os
import signal
import sys
import threading
from pathlib import Path

from tests.engine.serving import serve_struck


def strike(folder: Path, point: str) -> None:
    """What happens at a fault point."""
    if point == "after_commit:chunk":
        with contextlib.suppress(OSError, ValueError):  # it is not there, or just being made
            threading.Event().wait(float((folder / "slow").read_text()))
    with contextlib.suppress(OSError):
        if (folder / "freeze").read_text() == point:
            (folder / "freeze").unlink()
            os.kill(os.getpid(), signal.SIGSTOP)
            threading.Event().wait(1.0)  # another thread may be the first to stop


if __name__ == "__main__":
    sys.exit(serve_struck(strike))
