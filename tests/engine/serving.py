"""A daemon as a process of its own that a test strikes at its fault points; it ends with its parent."""

import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from engine import faults
from server.config import load_config
from server.daemon import serve


def serve_struck(strike: Callable[[Path, str], None]) -> int:
    """Serve until SIGTERM, as `CONFIG FOLDER` on the command line say; *strike* gets FOLDER and each point that is reached."""
    config, folder = sys.argv[1], Path(sys.argv[2])
    faults.install(lambda point: strike(folder, point))
    threading.Thread(target=_leave_with, args=(os.getppid(),), daemon=True).start()
    return serve(load_config(config), on_ready=lambda url: print(url, flush=True))


def _leave_with(parent: int) -> None:
    """Never outlive the test run."""
    while os.getppid() == parent:
        threading.Event().wait(0.5)
    os._exit(1)
