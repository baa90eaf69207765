"""Two versions of the program on one store, while the newer one is rolled out: the older one leaves alone what it does not know.

What makes that hold is where a newer program queues what an older one must not touch: not in `claimable_at`, the only
column that older ones claim, sweep and mend by (lifecycle, section 3), but in a due column of its own.
"""

import time
from pathlib import Path

import pytest

from storage.errors import Refused
from storage.states import State
from tests.faults.fleet import fleet
from tests.faults.grounds import ServerGround
from tests.faults.world import until

NEWER = (
    "ALTER TABLE applies DROP CONSTRAINT applies_state",
    "ALTER TABLE applies DROP CONSTRAINT applies_claimable",
    "ALTER TABLE applies ADD COLUMN due_in_newer DATETIME(6)",
    "UPDATE applies SET state = 'polishing', options = '{\"shine\": \"true\"}', claimable_at = NULL, attempt = 10",
)
"""What a newer program did to the store and to the one apply in it."""


@pytest.mark.timeout(120)
def test_an_older_program_leaves_rows_it_does_not_know_alone(
    server_ground: ServerGround, tmp_path: Path
) -> None:
    """It polls and sweeps beside them, does its own work, shows them as running, and refuses commands about them."""
    with fleet(server_ground, tmp_path, daemons=1, targets=2, rows=1_000) as running:
        old = running.daemons[0]
        uid = old.apply("db0", defer_cutover="true")
        until(
            "it waits",
            lambda: running.now(uid).state is State.WAITING_FOR_CUTOVER and not running.now(uid).leased,
        )
        for statement in NEWER:
            server_ground.rows(statement)
        before = everything(server_ground)
        other = old.apply("db1")
        until("its own work is done", lambda: running.now(other).state is State.COMPLETED)
        assert not running.store.expire_retryable()
        time.sleep(1.5)  # a poll or two
        assert running.store.claim("an older program", 60.0) is None
        assert old.state(uid) == "running"
        assert [apply["apply_id"] for apply in old.call("GET", "/api/status")["applies"]][-1] == uid
        body = {"database": "db0", "environment": "local", "apply_id": uid, "caller": "ann"}
        answer = old.call("POST", "/api/cancel", body)
        assert not answer.get("accepted"), answer
        with pytest.raises(Refused, match="only a newer SchemaBot knows"):
            running.store.request(uid, "stop", "ann")
        assert everything(server_ground) == before


def everything(ground: ServerGround) -> list[object]:
    """The newer program's apply, its tasks, commands and log, as they are stored."""
    mine = "SELECT id FROM applies WHERE state = 'polishing'"
    tables = {"applies": "id", "tasks": "apply_id", "control_requests": "apply_id", "attempts": "apply_id"}
    return [
        list(ground.rows(f"SELECT * FROM {table} WHERE {key} IN ({mine})"))
        for table, key in (tables | {"apply_events": "apply_id"}).items()
    ]
