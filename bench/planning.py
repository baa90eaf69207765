"""How long a plan of many tables takes, beside the floor: loading the same files into memory twice."""

import argparse
import tempfile
import time
from pathlib import Path

import apsw

from engine.sqlite.planning.planner import plan_sqlite
from engine.sqlite.target import connect

LIMIT_SECONDS = 2.0  # for 200 tables


def table(number: int, *, new: bool) -> str:
    """A table with a foreign key, two indexes and a trigger; *new* forms differ in kind from table to table."""
    kind = number % 10 if new else -1
    added = ",\n  added TEXT NOT NULL DEFAULT ''" if kind == 1 else ""
    amount = "NUMERIC(10,2) NOT NULL CHECK (amount >= 0)" if kind == 2 else "INTEGER NOT NULL"
    index = f"CREATE INDEX by_state_{number} ON item_{number} (state);\n" if kind == 3 else ""
    return f"""CREATE TABLE item_{number} (
  id INTEGER PRIMARY KEY,
  parent_id INTEGER REFERENCES item_{number // 2} (id) ON DELETE CASCADE,
  name TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'new', -- where it stands
  amount {amount},
  created_at TEXT NOT NULL{added}
);
CREATE INDEX by_parent_{number} ON item_{number} (parent_id);
CREATE UNIQUE INDEX by_name_{number} ON item_{number} (name, created_at);
{index}CREATE TRIGGER touched_{number} AFTER UPDATE OF name ON item_{number} BEGIN
  UPDATE item_{number} SET state = CASE WHEN new.name = '' THEN 'bare' ELSE 'named' END WHERE id = new.id;
END;
"""


def files(count: int, *, new: bool) -> dict[str, str]:
    """One file per table."""
    return {f"item_{number}.sql": table(number, new=new) for number in range(count)}


def floor(texts: list[dict[str, str]]) -> float:
    """Seconds that SQLite itself needs to load *texts* into memory."""
    began = time.perf_counter()
    for group in texts:
        connection = apsw.Connection(":memory:")
        with connection:
            for text in group.values():
                connection.execute(text)
        connection.close()
    return time.perf_counter() - began


def measure(count: int, folder: Path) -> list[tuple[str, float, float, int]]:
    """(what, seconds, floor in seconds, changes) of the plans of *count* tables."""
    before, after = files(count, new=False), files(count, new=True)
    target = connect(str(folder / "target.db"))
    with target:
        for text in before.values():
            target.execute(text)
        for number in range(count):
            target.execute(f"INSERT INTO item_{number} (name, amount, created_at) VALUES ('a', 1, 'now')")
    lowest = floor([before, after])
    results = []
    for what, desired in (
        ("no change", before),
        ("three tables in ten change", after),
        ("drop everything", {}),
    ):
        began = time.perf_counter()
        plan = plan_sqlite(target, {"default": desired})
        results.append((what, time.perf_counter() - began, lowest, len(plan.changes)))
    target.close()
    return results


def main() -> int:
    """Print the figures; 1 when the promise is broken."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--tables", type=int, default=200)
    count = options.parse_args().tables
    late = False
    with tempfile.TemporaryDirectory() as folder:
        for what, seconds, lowest, changes in measure(count, Path(folder)):
            late = late or (count <= 200 and seconds > LIMIT_SECONDS)
            print(
                f"{count} tables, {what:<27} {changes:>4} changes  {seconds:6.2f} s  "
                f"floor {lowest:5.2f} s  ratio {seconds / lowest:5.1f}"
            )
    return 1 if late else 0


if __name__ == "__main__":
    raise SystemExit(main())
