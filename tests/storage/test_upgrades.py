"""The store's own tables: made, upgraded, recognised (AV-5)."""

import hashlib
from pathlib import Path

import apsw
import pytest

from storage.errors import Corrupt, SchemaTooNew, StoreError
from storage.registry import open_store
from storage.sqlite.store import SqliteStore
from storage.sqlite.transaction import Transaction
from storage.sqlite.upgrades import converge, known_upgrades
from tests.storage.scene import queued


def schema(path: Path) -> list[tuple[object, ...]]:
    """Everything that defines the tables, in a comparable form."""
    connection = apsw.Connection(str(path))
    found = list(
        connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name")
    )
    found += list(connection.execute("SELECT * FROM pragma_user_version, pragma_application_id"))
    connection.close()
    return found


def test_av_5_upgrades_in_order_equal_a_fresh_schema(tmp_path: Path, path: Path) -> None:
    stepwise = tmp_path / "stepwise.db"
    for count in range(1, len(known_upgrades()) + 1):
        connection = apsw.Connection(str(stepwise))
        connection.row_trace = lambda cursor, row: {
            column[0]: value for column, value in zip(cursor.get_description(), row, strict=True)
        }
        with connection:
            converge(Transaction(connection), known_upgrades()[:count])
        connection.close()
    assert schema(stepwise) == schema(path)
    assert len(schema(path)) > 20


def test_av_5_upgrading_again_changes_nothing(path: Path) -> None:
    with open_store(str(path)) as store:
        apply = queued(store)
        before = schema(path)
        store.upgrade()
        assert store.apply(apply.apply_uid) == apply
    assert schema(path) == before


def test_av_5_a_failed_upgrade_leaves_nothing_behind(tmp_path: Path) -> None:
    place = tmp_path / "new.db"

    def interrupt(cursor: apsw.Cursor, sql: str, values: object) -> bool:
        if "CREATE TABLE settings" in sql:
            raise RuntimeError("killed in mid-upgrade")
        return True

    def install(connection: apsw.Connection) -> None:
        connection.exec_trace = interrupt

    with SqliteStore(place, _on_connect=install) as store, pytest.raises(RuntimeError, match="mid-upgrade"):
        store.upgrade()
    assert schema(place)[:-1] == []
    with open_store(str(place)) as second:
        second.upgrade()
        second.ping()


def test_av_5_a_newer_schema_is_refused_and_left_alone(path: Path) -> None:
    connection = apsw.Connection(str(path))
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = schema(path)
    with open_store(str(path)) as store, pytest.raises(SchemaTooNew, match="version 99"):
        store.upgrade()
    assert schema(path) == before


def test_a_file_that_is_no_database_is_refused_by_name(tmp_path: Path) -> None:
    place = tmp_path / "notes.txt"
    place.write_text("buy milk\n" * 200)
    with (
        open_store(str(place)) as store,
        pytest.raises(Corrupt, match=r"notes\.txt is not a SQLite database"),
    ):
        store.upgrade()
    assert place.read_text() == "buy milk\n" * 200


def test_somebody_elses_database_is_refused_and_not_even_switched_to_wal(tmp_path: Path) -> None:
    place = tmp_path / "shop.db"
    connection = apsw.Connection(str(place))
    connection.execute("CREATE TABLE orders(id INTEGER PRIMARY KEY)")
    connection.close()
    before = hashlib.sha256(place.read_bytes()).hexdigest()
    with open_store(str(place)) as store, pytest.raises(Corrupt, match="not a SchemaBot store"):
        store.upgrade()
    assert hashlib.sha256(place.read_bytes()).hexdigest() == before
    assert [found.name for found in tmp_path.iterdir()] == ["shop.db"]


def test_a_damaged_file_says_what_to_do(path: Path) -> None:
    with open_store(str(path)) as store:
        for n in range(50):
            queued(store, f"db{n}")
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    path.write_bytes(bytes(content))
    with open_store(str(path)) as store, pytest.raises(Corrupt, match=r"damaged.*restore"):
        store.recent()


def test_an_unknown_kind_of_store_is_named() -> None:
    with pytest.raises(StoreError, match=r"no store of kind 'oracle'.*sqlite"):
        open_store("oracle://x")


def test_an_address_may_be_a_path_or_a_url(tmp_path: Path) -> None:
    for address in (str(tmp_path / "a.db"), f"sqlite:///{tmp_path}/b.db"):
        with open_store(address) as store:
            store.upgrade()
    assert {"a.db", "b.db"} <= {found.name for found in tmp_path.iterdir()}


@pytest.mark.parametrize("address", [":memory:", ""])
def test_a_store_that_would_vanish_is_refused(address: str) -> None:
    with open_store(address) as store, pytest.raises(StoreError, match="file"):
        store.upgrade()
