"""The house's own rules: which room may import which, and where a library may be used."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("storage", "engine", "server", "cli", "bench", "examples", "tests")

MAY_IMPORT = {
    "storage": {"storage"},
    "engine": {"engine"},
    "server": {"server", "engine", "storage"},
    "cli": {"cli"},
}
CLI_MAY_START_THE_DAEMON = {"cli/local.py", "cli/commands/serve.py", "cli/commands/doctor.py"}
MYSQL_MAY_IMPORT = {
    "replication": set(),
    "binlog": set(),
    "planning": {"replication"},
    "ownership": {"replication"},
    "waiting": {"ownership", "replication"},
    "shadow": {"waiting", "ownership", "replication", "binlog"},
    "capturing": {"shadow", "waiting", "ownership", "replication", "binlog"},
    "copying": {"capturing", "shadow", "waiting", "ownership", "replication", "binlog"},
    "cutover": {"waiting", "ownership", "replication"},
    "changing": {
        "cutover",
        "copying",
        "capturing",
        "shadow",
        "waiting",
        "ownership",
        "replication",
        "binlog",
    },
}
MYSQL_FACE = {"engine", "examination"}
"""What others call; what else lies in no room is the ground that all rooms stand on."""
LIBRARIES = {
    "apsw": ("storage/sqlite/", "engine/sqlite/"),
    "pymysql": ("storage/mysql/", "engine/mysql/"),
    "http.server": (),
    "signal": ("server/daemon.py", "cli/interrupts.py"),
    "prometheus_client": ("server/metrics.py",),
    "click": ("cli/",),
    "rich": ("cli/",),
    "urllib3": ("cli/client.py", "engine/remote/client.py"),
    "yaml": ("cli/",),
    "zstandard": ("engine/mysql/binlog/compression.py",),
}


def modules(room: str) -> Iterator[Path]:
    yield from sorted((ROOT / room).rglob("*.py"))


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_point_down(room: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules(room)
        for name in imports(path)
        if name.split(".")[0] in ROOMS
        and name.split(".")[0] not in MAY_IMPORT[room]
        and not (str(path.relative_to(ROOT)) in CLI_MAY_START_THE_DAEMON and name.startswith("server."))
    ]
    assert wrong == []


@pytest.mark.parametrize(("here", "there"), [("planning", "changing"), ("changing", "planning")])
def test_planning_and_changing_sqlite_share_only_the_ground_they_stand_on(here: str, there: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules(f"engine/sqlite/{here}")
        for name in imports(path)
        if name.startswith(f"engine.sqlite.{there}")
    ]
    assert wrong == []


@pytest.mark.parametrize("room", MYSQL_MAY_IMPORT)
def test_the_rooms_of_mysql_import_each_other_downward_only(room: str) -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules(f"engine/mysql/{room}")
        for name in imports(path)
        if name.startswith("engine.mysql.")
        and name.split(".")[2] in MYSQL_MAY_IMPORT.keys() - MYSQL_MAY_IMPORT[room] - {room}
    ]
    assert wrong == []


def test_every_room_of_mysql_has_its_place_in_the_order() -> None:
    rooms = {path.parent.name for path in (ROOT / "engine/mysql").glob("*/__init__.py")}
    assert rooms == MYSQL_MAY_IMPORT.keys()


def test_the_ground_of_mysql_imports_no_room_and_the_page_tells_of_each_of_its_files() -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    for path in (ROOT / "engine/mysql").glob("[a-z]*.py"):
        assert f"`{path.stem}`" in page, path.name
        rooms = {name.split(".")[2] for name in imports(path) if name.startswith("engine.mysql.")}
        assert path.stem in MYSQL_FACE or rooms.isdisjoint(MYSQL_MAY_IMPORT), path.name


@pytest.mark.parametrize("name", ["states", "records"])
def test_states_and_records_import_nothing_of_ours_but_each_other(name: str) -> None:
    allowed = {"storage.states"} if name == "records" else set()
    ours = {found for found in imports(ROOT / f"storage/{name}.py") if found.split(".")[0] in ROOMS}
    assert ours <= allowed


def test_tests_import_nothing_from_test_modules() -> None:
    """What two of them need has a module of its own."""
    wrong = [
        f"{path.relative_to(ROOT)} imports {name}"
        for room in ("tests", "bench")
        for path in modules(room)
        for name in imports(path)
        if name.split(".")[0] == "tests" and name.split(".")[-1].startswith("test_")
    ]
    assert wrong == []


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_is_used_in_its_room_only(library: str) -> None:
    wrong = [
        str(path.relative_to(ROOT))
        for room in MAY_IMPORT
        for path in modules(room)
        if any(name == library or name.startswith(library + ".") for name in imports(path))
        and not str(path.relative_to(ROOT)).startswith(LIBRARIES[library] or ("-",))
    ]
    assert wrong == []


def test_no_file_of_the_program_outgrows_its_responsibility() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for room in MAY_IMPORT
        for path in modules(room)
        if (lines := len(path.read_text().splitlines())) > 500
    }
    assert long == {}


def test_every_module_begins_with_its_responsibility() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for room in MAY_IMPORT
        for path in modules(room)
        if path.read_text().strip() and not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert silent == []
