"""A short campaign against targets on a server, which is killed itself. `make chaos TARGET=…` runs the long one."""

from pathlib import Path

import pytest

from tests.faults.campaign import Campaign
from tests.faults.grounds import SqliteGround
from tests.faults.markets import ServerMarket
from tests.faults.world import seed
from tests.servers.server import Server

ROWS = 40_000
"""More than are copied at once."""
BLOWS = {"kill": 2.0, "stop": 2.0}


@pytest.mark.timeout(240)
def test_16_and_28_killed_workers_and_a_killed_target_server_lose_no_row(
    own_server: Server, tmp_path: Path
) -> None:
    """I1–I8 while workers are killed and stopped, the target's server restarts, connections break and tables are held."""
    market = ServerMarket(own_server, ROWS)
    campaign = Campaign(
        SqliteGround(tmp_path),
        tmp_path,
        seed=seed(),
        weights=BLOWS,
        stops=(0.6, 2.0),
        processes=2,
        market=market,
    )
    try:
        campaign.run(60.0, enough=has_seen_enough)
    finally:
        campaign.close()
    assert campaign.violations == []
    assert not campaign.failures
    assert campaign.figures["completed"] > 0


def has_seen_enough(campaign: Campaign) -> bool:
    """Some of everything."""
    seen = campaign.figures
    return all(seen[blow] > 0 for blow in ("kill_server", "kill_connections", "block_table")) and (
        seen["kills"] > 2 and seen["stops"] > 2
    )
