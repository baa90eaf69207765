"""A daemon whose changes go slowly while a file says so: `python -m tests.engine.remote.daemon_process CONFIG FOLDER`.

In FOLDER: `slow` — every batch of rows is followed by a rest; `trouble` — every transaction on a target fails, for now.
Ends with its parent.
"""

import contextlib
import os
import sys
import threading
import time
from pathlib import Path

from engine import faults
from engine.errors import TargetUnavailable
from server.config import load_config
from server.daemon import serve


def strike(folder: Path, point: str) -> None:
    """What happens at a fault point."""
    if point.startswith("begun:") and (folder / "trouble").exists():
        raise TargetUnavailable("the disk is full, says the test")
    if point == "after_commit:batch" and (folder / "slow").exists():
        with contextlib.suppress(OSError, ValueError):  # it is just being made, or removed
            time.sleep(float((folder / "slow").read_text()))


def leave_with(parent: int) -> None:
    """Never outlive the test run."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


def main() -> int:
    """Serve until SIGTERM."""
    config, folder = sys.argv[1], Path(sys.argv[2])
    faults.install(lambda point: strike(folder, point))
    threading.Thread(target=leave_with, args=(os.getppid(),), daemon=True).start()
    return serve(load_config(config), on_ready=lambda url: print(url, flush=True))


if __name__ == "__main__":
    sys.exit(main())
