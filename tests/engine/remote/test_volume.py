"""How hard a copy presses there, set here: passed on once, and what is refused there is said."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from engine.base import Change, Handover, Job, Progress, Signal, Strategy, Target
from engine.registry import open_engine
from tests.engine.remote.scripted_far import Answer, scripted_far

CHANGE = Change(
    namespace="shop",
    table="orders",
    change_type="alter",
    ddl="ALTER TABLE orders …;",
    strategy=Strategy.ONLINE,
    lock="none",
    spec={"plan_id": "plan-1"},
)


@dataclass
class Listening:
    """A driver that only listens; each look of the session takes the next of *volumes*."""

    volumes: Iterator[int]
    details: list[str] = field(default_factory=list)

    def report(self, progress: Progress) -> Signal:
        self.details.append(progress.detail)
        return Signal.GO

    def clear_to_cut_over(self) -> Signal:
        return Signal.GO

    def pause(self, seconds: float) -> None:
        """No time passes for it."""

    def volume(self) -> int:
        return next(self.volumes)


@dataclass
class Far:
    """Copies for *looks* looks, then is done; notes every volume it was told."""

    looks: int
    takes: bool = True
    volume: int = 0
    told: list[int] = field(default_factory=list)
    options: dict[str, str] = field(default_factory=dict)

    def progress(self, _: dict[str, Any]) -> Answer:
        self.looks -= 1
        state = "running" if self.looks > 0 else "completed"
        table = {"table_name": "orders", "keyspace": "shop", "status": state, "detail": "copying rows"}
        return {"state": state, "tables": [table], **({"volume": self.volume} if self.volume else {})}

    def set_volume(self, body: dict[str, Any]) -> Answer:
        self.told.append(body["volume"])
        if not self.takes:
            return 500, b'{"error":"volume failed: volume not supported for SQLite engine","error_code":""}'
        self.volume = body["volume"]
        return {"accepted": True, "previous_volume": 3, "new_volume": self.volume}

    def apply(self, body: dict[str, Any]) -> Answer:
        self.options = body["options"]
        self.volume = int(self.options.get("volume", "0"))
        return {"accepted": True, "apply_id": "apply-1"}


def followed(far: Far, *volumes: int, external_id: str = "apply-1", **options: str) -> Listening:
    """Follow an apply there to its end, hearing *volumes* here, the last one ever after."""
    script = {
        "GET /api/progress/apply/apply-1": far.progress,
        "POST /api/volume": far.set_volume,
        "POST /api/apply": far.apply,
        "POST /api/plan": lambda _: {"plan_id": "plan-2", "changes": []},
        "GET /api/pull/shop": lambda _: {"type": "mysql", "files": {}},
    }
    heard = Listening(iter([*volumes, *[volumes[-1]] * 50]))
    with scripted_far(script) as there:
        handover = Handover(
            options=options,
            files={},
            external_id=external_id,
            attach=lambda _: None,
            refused=lambda *_: None,
        )
        target = Target(kind="remote", database="shop", environment="staging", dsn=there.url)
        engine = open_engine(target)
        assert engine.capabilities.volume
        with engine.open(Job(apply_uid="apply-9", fence=1, owner="me", handover=handover)) as session:
            assert session.prepare([CHANGE], heard) is Signal.GO
    return heard


def test_a_volume_set_on_the_way_is_passed_on_once() -> None:
    far = Far(looks=6)
    followed(far, 3, 3, 8, 8, 8)
    assert far.told == [8]


def test_what_was_set_there_stays_until_a_person_here_says_otherwise() -> None:
    far = Far(looks=4, volume=7)
    followed(far, 3)
    assert (far.told, far.volume) == ([], 7)


def test_the_volume_of_the_apply_goes_along_with_it() -> None:
    far = Far(looks=4)
    followed(far, 5, external_id="", volume="5")
    assert (far.options, far.told) == ({"volume": "5"}, [])


@pytest.mark.parametrize(("known", "told"), [(2, [5]), (5, [])])
def test_a_volume_set_while_nobody_followed_is_passed_on(known: int, told: list[int]) -> None:
    far = Far(looks=4, volume=known)
    followed(far, 5, volume="5")
    assert far.told == told


def test_a_volume_the_engine_there_has_none_of_is_said_and_costs_nothing() -> None:
    far = Far(looks=5, takes=False)
    heard = followed(far, 3, 9)
    assert far.told == [9]
    assert "copying rows; volume failed: volume not supported for SQLite engine" in heard.details
