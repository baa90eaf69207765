"""Run the tests with their temporary files in memory, where there is room: `python -m tests.memory COMMAND…`.

Most of what the tests cost is the servers' making and dropping of files. In /dev/shm that takes a fifth less of the
processors and a third less time than on ext4 (measured on 108 tests of planning, 2 cores, in turns).
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

MEMORY = Path("/dev/shm")
NEEDED = 8 << 30  # bytes; three processes with two servers each took less than half of it
_PREFIX = "schemabot-tests-"


def has_room(folder: Path) -> bool:
    """Whether *folder* may be written, and what it holds at most fits into the memory that is free."""
    if not os.access(folder, os.W_OK) or shutil.disk_usage(folder).free < NEEDED:
        return False
    told = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
    return int(told["MemAvailable"].split()[0]) * 1024 >= NEEDED


def remove_leftovers(folder: Path) -> None:
    """Remove what a run that was killed has left in *folder*."""
    for left in folder.glob(f"{_PREFIX}*"):
        if not Path("/proc", left.name.removeprefix(_PREFIX)).exists():
            shutil.rmtree(left, ignore_errors=True)


def main(command: list[str]) -> int:
    """Run *command* and return its exit status; TMPDIR is in memory unless it is set already or there is no room."""
    if "TMPDIR" in os.environ or not has_room(MEMORY):
        return subprocess.run(command, check=False).returncode
    remove_leftovers(MEMORY)
    place = MEMORY / f"{_PREFIX}{os.getpid()}"
    place.mkdir(mode=0o700)
    try:
        return subprocess.run(command, check=False, env={**os.environ, "TMPDIR": str(place)}).returncode
    finally:
        shutil.rmtree(place, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
