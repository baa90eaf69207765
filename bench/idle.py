"""What an idle daemon costs: resident memory and share of a core, read from /proc while nothing happens."""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.machine import describe

TARGET_MEGABYTES = 60.0
TARGET_PERCENT = 1.0


def cpu_seconds(pid: int) -> float:
    """User and system time of the process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident_megabytes(pid: int) -> float:
    """VmRSS of the process."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise SystemExit("the daemon is gone")


def main() -> None:
    """Start the daemon, let it settle, watch it, stop it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    seconds = parser.parse_args().seconds
    program = str(Path(sys.executable).with_name("schemabot"))
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [program, "serve", "--listen", "127.0.0.1:0", "--store", f"{folder}/store.db"],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            time.sleep(4.0)
            before, began = cpu_seconds(process.pid), time.monotonic()
            time.sleep(seconds)
            percent = (cpu_seconds(process.pid) - before) / (time.monotonic() - began) * 100
            resident = resident_megabytes(process.pid)
        finally:
            process.terminate()
            process.wait(30)
    print(describe())
    print(f"idle for {seconds:.0f} s: {resident:.1f} MB resident (target < {TARGET_MEGABYTES:.0f}), ", end="")
    print(f"{percent:.2f} % of a core (target < {TARGET_PERCENT:.0f})")


if __name__ == "__main__":
    main()
