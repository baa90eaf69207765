"""The witness inside the store: every fenced write is logged by triggers, in the transaction that makes it.

All writes to one apply hold the lock on its row from their first statement, so the numbers of the log are their order
of commit. `breaches` reads the log and knows no dialect.
"""

from collections.abc import Callable, Iterable
from typing import Any

Rows = Callable[[str], Iterable[Any]]
"""Runs one statement and gives its rows."""

SQLITE = (
    "CREATE TABLE write_log(n INTEGER PRIMARY KEY AUTOINCREMENT, apply_id INTEGER, fence INTEGER, what TEXT)",
    """
    CREATE TRIGGER log_claims AFTER INSERT ON attempts BEGIN
      INSERT INTO write_log(apply_id, fence, what) VALUES (NEW.apply_id, NEW.fence, 'claim'); END
    """,
    """
    CREATE TRIGGER log_tasks AFTER UPDATE ON tasks BEGIN
      INSERT INTO write_log(apply_id, fence, what) VALUES (NEW.apply_id, NEW.fence, 'task'); END
    """,
    """
    CREATE TRIGGER log_events AFTER INSERT ON apply_events WHEN NEW.fence IS NOT NULL BEGIN
      INSERT INTO write_log(apply_id, fence, what) VALUES (NEW.apply_id, NEW.fence, 'event'); END
    """,
    """
    CREATE TRIGGER log_ends AFTER UPDATE OF state ON applies WHEN NEW.finished_at IS NOT NULL BEGIN
      INSERT INTO write_log(apply_id, fence, what) VALUES (NEW.id, NEW.fence, 'end'); END
    """,
)
MYSQL = (
    """
    CREATE TABLE write_log(
      n BIGINT AUTO_INCREMENT PRIMARY KEY, apply_id BIGINT NOT NULL, fence BIGINT NOT NULL, what VARCHAR(10) NOT NULL)
    """,
    """
    CREATE TRIGGER log_claims AFTER INSERT ON attempts FOR EACH ROW
      INSERT INTO write_log(apply_id, fence, what) VALUES (NEW.apply_id, NEW.fence, 'claim')
    """,
    """
    CREATE TRIGGER log_tasks AFTER UPDATE ON tasks FOR EACH ROW
      INSERT INTO write_log(apply_id, fence, what) VALUES (NEW.apply_id, NEW.fence, 'task')
    """,
    """
    CREATE TRIGGER log_events AFTER INSERT ON apply_events FOR EACH ROW
      INSERT INTO write_log(apply_id, fence, what)
      SELECT NEW.apply_id, NEW.fence, 'event' FROM DUAL WHERE NEW.fence IS NOT NULL
    """,
    # SQLite's trigger names the column that is written: an end that is written again counts there, too.
    """
    CREATE TRIGGER log_ends AFTER UPDATE ON applies FOR EACH ROW
      INSERT INTO write_log(apply_id, fence, what)
      SELECT NEW.id, NEW.fence, 'end' FROM DUAL WHERE NEW.finished_at IS NOT NULL
    """,
)


def breaches(rows: Rows) -> list[str]:
    """Breaches of I2, I3 and I7 in words; empty when all is well."""
    found = []
    highest: dict[int, int] = {}
    ended: set[int] = set()
    for n, apply, fence, what in rows("SELECT n, apply_id, fence, what FROM write_log ORDER BY apply_id, n"):
        if fence < highest.get(apply, 0):
            found.append(f"I2: write {n} ({what}) of apply {apply} carries {fence} after {highest[apply]}")
        if apply in ended:
            found.append(f"I3: write {n} ({what}) of apply {apply} comes after its end")
        highest[apply] = max(fence, highest.get(apply, 0))
        if what == "end":
            ended.add(apply)
    for apply, owners in rows(
        "SELECT apply_id, count(*) FROM attempts WHERE ended_at IS NULL GROUP BY apply_id HAVING count(*) > 1"
    ):
        found.append(f"I7: apply {apply} has {owners} owners at once")
    return found
