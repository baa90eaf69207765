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

from engine import faults
from server.config import load_config
from server.daemon import serve


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


def leave_with(parent: int) -> None:
    """Never outlive the test run."""
    while os.getppid() == parent:
        threading.Event().wait(0.5)
    os._exit(1)


def main() -> int:
    """Serve until SIGTERM."""
    config, folder = sys.argv[1], Path(sys.argv[2])
    faults.install(lambda point: strike(folder, point))
    threading.Thread(target=leave_with, args=(os.getppid(),), daemon=True).start()
    return serve(load_config(config), on_ready=lambda url: print(url, flush=True))


if __name__ == "__main__":
    sys.exit(main())
