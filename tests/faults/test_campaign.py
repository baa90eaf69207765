"""A short campaign on each store, and the proof that it would notice a weaker guard. `make chaos` runs the long ones."""

from pathlib import Path
from typing import Any

import pytest

from tests.faults.campaign import Campaign
from tests.faults.grounds import Ground
from tests.faults.world import seed

STOPS = {"kill": 1.0, "stop": 4.0}
LONG = (1.2, 2.5)
"""Stops that cost the lease."""


@pytest.mark.timeout(240)
def test_6_and_8_kills_and_stops_at_random_moments_lose_nothing_and_run_nothing_twice(
    ground: Ground, tmp_path: Path
) -> None:
    """I1–I8 under kill -9 and SIGSTOP of 0.6–3 × lease, an application writing all the while."""
    campaign = Campaign(ground, tmp_path, seed=seed(), weights=STOPS, stops=(0.6, 3.0))
    try:
        campaign.run(60.0, enough=has_seen_enough)
    finally:
        campaign.close()
    assert campaign.violations == []
    assert campaign.figures["refused"] > 0, "no stale write was tried: this proves nothing"
    assert campaign.figures["completed"] > 0
    assert campaign.figures["failed"] == 0


def has_seen_enough(campaign: Campaign) -> bool:
    """Some of everything."""
    seen: Any = campaign.figures
    return bool(seen["kills"] > 2 and seen["stops"] > 4 and campaign.world.told()["refused"] > 0)


@pytest.mark.timeout(120)
@pytest.mark.parametrize("guard", ["id", "state"])
def test_power_rule_a_weakened_guard_is_caught(ground: Ground, tmp_path: Path, guard: str) -> None:
    """OW-2: with a guard that looks at the id or the state only, stopped workers that wake up do damage, and it is seen."""
    campaign = Campaign(ground, tmp_path, seed=seed(), weights={"stop": 1.0}, stops=LONG, guard=guard)
    try:
        assert campaign.run_until_caught(60.0)
    finally:
        campaign.close()
