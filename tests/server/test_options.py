"""The options of an apply on every road: request, store, engine, retry, progress. They arrive as they were sent."""

from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import ClassVar
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.base import DEFAULT_VOLUME, Capabilities, Control, Job, Session
from engine.errors import TargetUnavailable
from server.config import Config
from server.drive import Drive
from server.leases import Lease, boottime
from server.ledger import Outcome
from server.options import ApplyOptions, BadOption
from storage.states import State
from tests.server.http.api import DATABASES, Api, ScriptedEngine, change, running

BRANCHES = st.text(st.characters(exclude_categories=["C"]), max_size=40)
OPTIONS = st.builds(
    ApplyOptions,
    defer_cutover=st.booleans(),
    defer_deploy=st.booleans(),
    skip_revert=st.booleans(),
    allow_unsafe=st.sampled_from([None, True, False]),
    branch=BRANCHES,
    volume=st.none() | st.integers(1, 11),
)


class HandingOver(ScriptedEngine):
    """Remembers with which options it was given the plan."""

    capabilities: ClassVar[Capabilities] = Capabilities(
        stop=True, cancel=True, defer_cutover=True, whole_plan=True, volume=True
    )

    def __init__(self) -> None:
        super().__init__()
        self.given: list[dict[str, str]] = []

    def open(self, job: Job) -> Session:
        assert job.handover is not None
        self.given.append(dict(job.handover.options))
        return super().open(job)


@pytest.fixture(scope="module")
def shared_api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    folder: Path = tmp_path_factory.mktemp("options")
    with running(folder, Config(databases=DATABASES)) as made:
        yield made


@given(OPTIONS)
def test_what_is_written_is_read_again(options: ApplyOptions) -> None:
    assert ApplyOptions.read(options.texts()) == options
    assert ApplyOptions.read({**options.texts(), "from_the_future": "?"}) == options


@given(st.dictionaries(st.sampled_from(sorted(ApplyOptions().__slots__)), st.text(max_size=5)))
def test_any_texts_are_read_as_what_they_say_or_refused(texts: dict[str, str]) -> None:
    try:
        read = ApplyOptions.read(texts)
    except BadOption:
        return
    for name, text in read.texts().items():
        assert texts[name] == text or (name == "volume" and int(texts[name]) == read.volume)


@pytest.mark.parametrize(
    ("slip", "meant"),
    [("defer_cutovr", "defer_cutover"), ("deferCutover", "defer_cutover"), ("volum", "volume")],
)
def test_a_misspelt_option_is_refused_and_says_what_was_meant(shared_api: Api, slip: str, meant: str) -> None:
    body = {"plan_id": "plan-x", "environment": "staging", "options": {slip: "true"}}
    answer = shared_api.post("/api/apply", body)
    error = f'invalid request body: options.{slip} is not known; did you mean "{meant}"?'
    assert (answer.status, answer.json["error"]) == (400, error)


@pytest.mark.parametrize("newer", ["throttle_replicas", "defer_cutover_until", "branches"])
def test_a_newer_releases_option_in_the_store_is_ignored_however_much_it_resembles_one_of_ours(
    newer: str,
) -> None:
    assert ApplyOptions.read({newer: "1", "volume": "3"}) == ApplyOptions(volume=3)


def drive(api: Api) -> Outcome:
    sent_at = boottime()
    return Drive(api.app, Lease(api.claim(), sent_at), Event()).run()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(options=OPTIONS)
def test_options_arrive_on_every_road_as_they_were_sent(shared_api: Api, options: ApplyOptions) -> None:
    api = shared_api
    engine = HandingOver()
    api.targets.scripted = engine
    sent = options.texts()
    apply = api.applied(change(f"t{uuid4().hex[:8]}"), options=sent)
    table = api.store.tasks(apply.id)[0].table
    volumes: list[int] = []

    def fail_once(control: Control) -> None:
        volumes.append(control.volume())
        if len(volumes) == 1:
            raise TargetUnavailable("away")

    def shown() -> dict[str, str]:
        body = api.get(f"/api/progress/apply/{apply.apply_uid}").json
        assert body.get("volume") == options.volume
        found: dict[str, str] = body.get("options", {})
        return found

    visible = {name: text for name, text in sent.items() if (name, text) != ("allow_unsafe", "false")}
    assert api.store.apply(apply.apply_uid).options == sent
    assert shown() == visible
    engine.target.on[f"prepare {table}"] = fail_once
    assert drive(api) is Outcome.RETRY
    api.store.request(apply.apply_uid, "stop", "test")
    api.store.request(apply.apply_uid, "start", "test")
    ended = drive(api)
    if options.defer_cutover:
        assert ended is Outcome.PARKED
        api.store.request(apply.apply_uid, "cutover", "test")
        ended = drive(api)
    assert ended is Outcome.COMPLETED
    assert volumes[:2] == [options.volume or DEFAULT_VOLUME] * 2
    assert engine.given == [sent] * len(engine.given)
    assert len(engine.given) >= 2
    assert api.store.apply(apply.apply_uid).state is State.COMPLETED
    assert shown() == visible
