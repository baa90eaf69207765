"""How far a comparison is, as people are told."""

import re

import pytest

from engine.base import Progress, Signal
from engine.mysql.copying import share
from engine.mysql.copying.share import Share
from tests.engine.mysql.copying.application import TABLE, fill
from tests.engine.mysql.copying.rig import Watcher, make_rig, prepare
from tests.servers.server import Server

TOLD = re.compile(r"comparing rows, ([\d,]+) of 20,000")


def test_the_time_left_is_told_where_nothing_else_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    walk = Share(1_000_000, 200_000)
    assert walk.told("comparing rows", 50_000, alone=True) == "comparing rows, 250,000 of 1,000,000"
    monkeypatch.setattr(share, "FIRST_SECONDS", 0.0)
    told = walk.told("comparing rows", 50_000, alone=True)
    assert re.fullmatch(r"comparing rows, 250,000 of 1,000,000, about \d+ (s|min|h) left", told)
    assert "left" not in walk.told("building indexes and comparing rows", 50_000, alone=False)
    assert walk.told("comparing rows", 900_000, alone=False) == "comparing rows, 1,000,000 of 1,000,000"


def test_the_time_left_goes_by_the_pace_without_other_work(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    walk = Share(1_000_000, 0)
    now = 600.0
    assert "left" not in walk.told("building indexes and comparing rows", 1_000, alone=False)
    now = 610.0
    assert walk.told("comparing rows", 501_000, alone=True).endswith("501,000 of 1,000,000, about 10 s left")


def test_a_comparison_tells_how_far_it_is_and_one_that_went_on_counts_on(server: Server) -> None:
    rig = make_rig(server, f"{TABLE};;{fill(20_000)}", ["ADD extra INT NOT NULL DEFAULT 7"])
    step = rig.step()
    told: list[int] = []

    def listen(progress: Progress) -> Signal | None:
        if found := TOLD.search(progress.detail):
            told.append(int(found[1].replace(",", "")))
        return Signal.STOP if copy.checkpoint.compared else None

    with rig.copying(step) as copy:
        assert copy.open(Watcher()) is Signal.GO
        assert copy.fill(Watcher(listen, volume=1)) is Signal.STOP
        copy.place.save()
        kept = copy.checkpoint.compared
    assert told == sorted(told)
    assert 0 < kept < 20_000
    with rig.copying(step) as copy:
        watcher = Watcher()
        prepare(copy, watcher)
        copy.discard(Watcher())
    further = [
        int(found[1].replace(",", "")) for detail in watcher.details() if (found := TOLD.search(detail))
    ]
    assert further
    assert further[0] >= kept
