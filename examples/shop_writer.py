"""The shop's application in the demo: places an order every few milliseconds and notes every one that was accepted.

Run as `python examples/shop_writer.py DATABASE JOURNAL SECONDS`; ends on SIGTERM or after SECONDS and prints one JSON line.
"""

import json
import signal
import sqlite3
import sys
import time
from pathlib import Path

PAUSE_SECONDS = 0.004


def place_orders(database: str, journal: Path, seconds: float) -> dict[str, float]:
    """Insert and update orders until told to stop; every acknowledged one is a line `id quantity` of the journal."""
    stopping: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: stopping.append(number))
    connection = sqlite3.connect(database, timeout=10.0, isolation_level=None)
    connection.execute("PRAGMA foreign_keys = ON")
    placed, stalls, until = 0, [0.0], time.monotonic() + seconds
    with journal.open("w") as log:
        while not stopping and time.monotonic() < until:
            quantity = placed % 9 + 1
            began = time.monotonic()
            row = connection.execute(
                "INSERT INTO orders (customer_id, product_id, quantity, note, placed_at)"
                " VALUES (?, ?, ?, 'from the application', datetime('now')) RETURNING id",
                (placed % 1000 + 1, placed % 200 + 1, str(quantity)),
            ).fetchone()
            stalls.append(time.monotonic() - began)
            log.write(f"{row[0]} {quantity}\n")
            placed += 1
            time.sleep(PAUSE_SECONDS)
    connection.close()
    stalls.sort()
    return {"placed": placed, "p99_ms": stalls[int(len(stalls) * 0.99)] * 1000, "worst_ms": stalls[-1] * 1000}


if __name__ == "__main__":
    print(json.dumps(place_orders(sys.argv[1], Path(sys.argv[2]), float(sys.argv[3]))))
