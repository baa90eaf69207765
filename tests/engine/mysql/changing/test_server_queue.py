"""Who keeps the writers of a whole server waiting: we do only where somebody waits for us with a lock of all of it."""

import pytest

from engine.mysql.process_list import Process
from engine.mysql.waiting.server_queue import queued

GLOBAL = "Waiting for global read lock"
BACKUP = "Waiting for backup lock"
INSERT = "INSERT INTO t VALUES (1)"


def process(state: str, statement: str, number: int = 7) -> Process:
    return Process(
        id=number, user="app", host="h:1", command="Query", seconds=3, state=state, statement=statement
    )


@pytest.mark.parametrize(
    ("found", "waits"),
    [
        ([process(GLOBAL, "FLUSH TABLES WITH READ LOCK"), process(GLOBAL, INSERT)], True),
        ([process(BACKUP, "/* dump */ BACKUP STAGE BLOCK_COMMIT"), process(BACKUP, INSERT)], True),
        ([process(BACKUP, "LOCK INSTANCE FOR BACKUP"), process(BACKUP, "GRANT SELECT ON *.* TO a")], True),
        ([process(GLOBAL, "SET GLOBAL read_only = 1"), process(GLOBAL, "COMMIT")], True),
        ([process(BACKUP, "COMMIT"), process(BACKUP, INSERT)], False),  # a backup has the lock
        ([process(GLOBAL, "FLUSH TABLES WITH READ LOCK")], False),
        ([process(BACKUP, "BACKUP STAGE BLOCK_DDL"), process(BACKUP, "ALTER TABLE t FORCE")], False),
        ([process(GLOBAL, "FLUSH TABLES WITH READ LOCK"), process(GLOBAL, INSERT, 1)], False),  # ours
        ([process("executing", "FLUSH TABLES"), process("", INSERT)], False),
    ],
)
def test_writers_wait_for_us_only_behind_one_who_asks_for_the_lock(found: list[Process], waits: bool) -> None:
    assert queued(found, {1}) is waits
