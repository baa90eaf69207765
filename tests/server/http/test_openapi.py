"""The OpenAPI document: whole, true to what the daemon answers, and strangers that follow it find no bug."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any
from zlib import crc32

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import CheckContext
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from server.openapi.document import document
from server.routes import OPEN, ROUTES
from tests.cli.rig import process
from tests.server.http.api import Api
from tests.server.http.original import Original

DOCUMENT = document(ROUTES, OPEN, version("schemabot"))
schema = schemathesis.openapi.from_dict(DOCUMENT)
UNTOLD = {"/", "/page/{file}", "/openapi.json"}


def test_the_document_is_served_and_tells_every_route(api: Api) -> None:
    answer = api.get("/openapi.json")
    assert (answer.status, answer.json) == (200, DOCUMENT)
    told = {(path, method) for path, found in DOCUMENT["paths"].items() for method in found}
    assert told == {(route.pattern, route.method.lower()) for route in ROUTES if route.pattern not in UNTOLD}
    names = [operation["operationId"] for found in DOCUMENT["paths"].values() for operation in found.values()]
    assert len(set(names)) == len(names)
    for found in DOCUMENT["paths"].values():
        for method, operation in found.items():
            assert operation["summary"]
            assert ("requestBody" in operation) is (method != "get")


def test_every_reference_leads_somewhere_and_every_shape_is_used() -> None:
    seen: set[str] = set()

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            if "$ref" in value:
                seen.add(value["$ref"].rpartition("/")[2])
            for inner in value.values():
                walk(inner)
        elif isinstance(value, list):
            for inner in value:
                walk(inner)

    walk(DOCUMENT)
    assert seen == set(DOCUMENT["components"]["schemas"])


# -- strangers --------------------------------------------------------------------------------------------------


@dataclass
class Home:
    """A daemon in a process of its own (a random choice of its threads would disturb the generator of cases)."""

    url: str
    known: dict[str, str]
    """What the daemon knows, by the name of the field: a stranger who guesses only gets no further than the door."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    folder = tmp_path_factory.mktemp("fuzz")
    with closing(sqlite3.connect(folder / "shop.db")) as connection:
        connection.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY, v TEXT)")
        connection.commit()
    words = (
        "--listen",
        "127.0.0.1:0",
        "--store",
        str(folder / "store.db"),
        "-d",
        f"shop={folder / 'shop.db'}",
    )
    with process("serve", *words) as daemon:
        url = daemon.wait_line("listens on").rpartition(" ")[2]
        files = {"shop.sql": "CREATE TABLE orders (id INTEGER PRIMARY KEY, v TEXT, w TEXT);"}
        client = Original(url=url, database="shop", kind="sqlite", files=files)
        plan_id = client.plan("local")["local"]["plan_id"]
        apply_id = client.apply("local", defer_cutover=True)
        known = {"database": "shop", "environment": "local", "plan_id": plan_id, "apply_id": apply_id}
        yield Home(url, {**known, "dbtype": "sqlite", "database_type": "sqlite", "type": "sqlite"})
        assert [line for line in daemon.errors if " bug " in line or "Traceback" in line] == []


def bring_home(case: schemathesis.Case[Any], known: dict[str, str]) -> None:
    """Put what the daemon knows into two cases of three, some of it in one of them."""
    chosen = crc32(repr((case.path_parameters, case.query, case.body)).encode()) % 3
    if chosen == 0:
        return
    for fields in (case.path_parameters, case.query, case.body):
        if isinstance(fields, dict):
            for number, name in enumerate(name for name in sorted(known) if name in fields):
                if chosen == 1 or number % 2 == 0:
                    fields[name] = known[name]


def no_bug(_context: CheckContext, response: schemathesis.Response, case: schemathesis.Case[Any]) -> None:
    """The wire contract answers some of a client's mistakes with 500, each with a text of its own. A bug has none."""
    if response.status_code < 500:
        return
    route = next(
        route for route in ROUTES if (route.pattern, route.method) == (case.operation.path, case.method)
    )
    text = response.json()["error"]
    begins = (
        f"{route.failing}: ",
        'resolve apply_id: apply "',
        "failed to resolve apply_id: ",
        "GitHub App ",
    )
    assert text.startswith(begins), f"{response.status_code} {text}"
    assert "internal error" not in text


@schema.parametrize()
@settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
def test_strangers_who_follow_the_document_find_no_bug_and_no_lie(
    case: schemathesis.Case[Any], home: Home
) -> None:
    bring_home(case, home.known)
    checks = [no_bug, status_code_conformance, content_type_conformance, response_schema_conformance]
    case.call_and_validate(base_url=home.url, checks=checks)
