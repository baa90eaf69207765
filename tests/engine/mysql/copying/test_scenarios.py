"""Every scenario on both servers: in the end the copy is, byte by byte, what a plain ALTER TABLE gives."""

import threading

import pytest

from engine.errors import Refused
from engine.mysql.copying.online import OnlineCopy
from tests.engine.mysql.copying.rig import Rig, Watcher, make_rig, prepare
from tests.engine.mysql.copying.scenarios import ALTERS, KEYS, VALUES, Scenario
from tests.engine.striking import struck
from tests.servers.server import Server


class Strike:
    """Runs statements once, after the first chunk of rows is committed."""

    def __init__(self, rig: Rig, statements: tuple[str, ...]) -> None:
        self._rig = rig
        self._statements = statements
        self._lock = threading.Lock()
        self.done = False

    def __call__(self, point: str) -> None:
        with self._lock:
            if point == "after_commit:chunk" and not self.done:
                self.done = True
                self._rig.run(*self._statements)


def run(scenario: Scenario, rig: Rig) -> None:
    """The copy with what happens meanwhile."""
    strike = Strike(rig, scenario.during)
    with struck(strike), rig.copying(rig.step()) as copy:
        _through(scenario, rig, copy)
    if scenario.during and not scenario.refused:
        assert strike.done, "no chunk was copied"


def _through(scenario: Scenario, rig: Rig, copy: OnlineCopy) -> None:
    watcher = Watcher()
    if scenario.refused:
        with pytest.raises(Refused, match=scenario.refused):
            _to_the_lock(scenario, rig, copy, watcher)
        copy.discard(watcher)
        assert rig.leftovers() == []
        return
    _to_the_lock(scenario, rig, copy, watcher)
    rig.assert_as_altered()
    assert copy.checkpoint.repairs == 0
    copy.discard(watcher)
    assert rig.leftovers() == []


def _to_the_lock(scenario: Scenario, rig: Rig, copy: OnlineCopy, watcher: Watcher) -> None:
    prepare(copy, watcher)
    rig.run(*scenario.late)
    with rig.locked(copy):
        pass


def check(server: Server, scenario: Scenario) -> None:
    """One scenario on one server."""
    if not server.is_one(scenario.only):
        pytest.skip(f"of {scenario.only} only")
    rig = make_rig(
        server,
        scenario.create,
        scenario.clauses,
        source=scenario.source,
        renames=scenario.renames,
        dropped=scenario.dropped,
        unsafe=scenario.unsafe,
    )
    run(scenario, rig)


@pytest.mark.parametrize("scenario", KEYS, ids=lambda scenario: scenario.name)
def test_a_table_with_any_kind_of_key_is_copied(server: Server, scenario: Scenario) -> None:
    check(server, scenario)


@pytest.mark.parametrize("scenario", VALUES, ids=lambda scenario: scenario.name)
def test_every_kind_of_value_survives(server: Server, scenario: Scenario) -> None:
    check(server, scenario)


@pytest.mark.parametrize("scenario", ALTERS, ids=lambda scenario: scenario.name)
def test_every_kind_of_change_gives_what_a_plain_alter_gives_or_is_refused(
    server: Server, scenario: Scenario
) -> None:
    check(server, scenario)
