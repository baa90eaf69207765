"""Which machine and versions a figure was measured on: printed beside every table of figures."""

import os
import platform
from pathlib import Path

import apsw


def describe() -> str:
    """One line: processor, cores, memory, kernel, Python, SQLite, load before the run."""
    cpu = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            cpu = line.split(":", 1)[1].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{cpu}, {os.cpu_count()} cores, {memory:.0f} GiB; Linux {platform.release()}; "
        f"Python {platform.python_version()}; SQLite {apsw.sqlite_lib_version()}; load {os.getloadavg()[0]:.1f}"
    )
