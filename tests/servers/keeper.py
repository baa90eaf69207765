"""A process that keeps one database server for a test run and never outlives it.

It is the server's parent, so that no process id is ever taken for another's, and does what the lines on its
input say: {"do": "start", "command": [...], "log": path}, {"do": "stop"}, {"do": "kill"}, {"do": "look"};
each is answered by one line: {"pid": n or null, "code": exit code or null}. When its input ends or its parent
is gone (kill -9 of the test run included) it kills the server and removes the folder it was given. Should
the keeper itself be killed, the kernel kills the server.

Runs by its path with nothing but the standard library.
"""

import ctypes
import json
import os
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

_LOOK_SECONDS = 1.0
_STOP_SECONDS = 60.0
_PR_SET_PDEATHSIG = 1


class Keeper:
    """One server, running or not, and the folder with its data."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server: subprocess.Popen[bytes] | None = None

    def obey(self, order: dict[str, Any]) -> dict[str, int | None]:
        match order["do"]:
            case "start":
                self._start(order["command"], order["log"])
            case "stop":
                self._end(signal.SIGTERM)
            case "kill":
                self._end(signal.SIGKILL)
        return self._state()

    def clean_up(self) -> None:
        """Kill the server, for its data are worth nothing now, and remove them."""
        self._end(signal.SIGKILL)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self, command: list[str], log: str) -> None:
        self._end(signal.SIGKILL)
        with Path(log).open("ab") as file:
            self._server = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                preexec_fn=_die_with_parent,
                cwd=self._folder,
            )

    def _end(self, how: int) -> None:
        if self._server is None or self._server.poll() is not None:
            return
        self._server.send_signal(how)
        # A server that was stopped by a test gets the signal only when it goes on.
        self._server.send_signal(signal.SIGCONT)
        try:
            self._server.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()

    def _state(self) -> dict[str, int | None]:
        if self._server is None:
            return {"pid": None, "code": None}
        # A process whose first thread is dead is dying, but can not be waited for until the last one is.
        code = self._server.wait(_STOP_SECONDS) if _is_dying(self._server.pid) else self._server.poll()
        return {"pid": self._server.pid if code is None else None, "code": code}


def _die_with_parent() -> None:
    """In the server, before it begins: die when the keeper dies."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _is_dying(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] in "ZX"
    except FileNotFoundError:
        return False  # it has been waited for


def serve(keeper: Keeper) -> None:
    """Obey orders until there can be no more of them."""
    parent = os.getppid()
    pending = b""
    while os.getppid() == parent:
        # The input may stay open in a child that the test run left behind; hence the look at the parent.
        if not select.select([sys.stdin], [], [], _LOOK_SECONDS)[0]:
            continue
        chunk = os.read(sys.stdin.fileno(), 65536)
        if not chunk:
            return
        *lines, pending = (pending + chunk).split(b"\n")
        for line in lines:
            os.write(sys.stdout.fileno(), json.dumps(keeper.obey(json.loads(line))).encode() + b"\n")


def main() -> None:
    """Keep a server in the folder named by the first argument."""
    keeper = Keeper(Path(sys.argv[1]))
    try:
        serve(keeper)
    except BrokenPipeError:
        pass  # the test run died between its order and our answer
    finally:
        keeper.clean_up()


if __name__ == "__main__":
    main()
