"""Child processes of the fault tests: started, stopped, continued and never left behind."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.waiting import until

ROOT = Path(__file__).resolve().parent.parent.parent


class Child:
    """One process with a role of `tests.storage.process`; ready once made, and killed in the end."""

    def __init__(self, role: str, *arguments: object) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "tests.storage.process", role, *map(str, arguments)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def wait_ready(self) -> Self:
        """Return when it waits for the word."""
        assert self._line() == "ready"
        return self

    def go(self) -> None:
        """Give the word."""
        assert self.process.stdin is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def heard(self) -> Any:
        """The next line of JSON."""
        return json.loads(self._line())

    def stop(self) -> None:
        """SIGSTOP, effective on return."""
        os.kill(self.process.pid, signal.SIGSTOP)
        self.wait_stopped()

    def wait_stopped(self) -> None:
        """Return when every thread of it has stopped."""
        tasks = Path(f"/proc/{self.process.pid}/task")
        until("the process stops", lambda: {_state(task) for task in tasks.iterdir()} == {"T"})

    def resume(self) -> None:
        """SIGCONT."""
        os.kill(self.process.pid, signal.SIGCONT)

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, f"the process ended with {self.process.wait(10)}"
        return line.strip()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait(10)
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


def _state(task: Path) -> str:
    return (task / "stat").read_text().rpartition(")")[2].split()[0]
