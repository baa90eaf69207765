"""The store's own tables: numbered SQL files, applied in order, once, in one transaction (AV-5)."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Protocol

from storage.errors import Corrupt, SchemaTooNew

APPLICATION_ID = 0x53426F74
"""'SBot' in the header of the file: whose it is."""


class Statements(Protocol):
    """The part of a transaction that upgrades need."""

    def one(self, sql: str, **values: Any) -> dict[str, Any] | None: ...

    def script(self, sql: str) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgrade:
    """One numbered file."""

    number: int
    name: str
    sql: str


def known_upgrades() -> list[Upgrade]:
    """The files shipped with this program, in order, numbered 1, 2, 3 …"""
    folder = resources.files("storage").joinpath("sql", "sqlite")
    files = sorted(
        (file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name
    )
    upgrades = [
        Upgrade(number=int(file.name[:4]), name=file.name, sql=file.read_text(encoding="utf-8"))
        for file in files
    ]
    if [upgrade.number for upgrade in upgrades] != list(range(1, len(upgrades) + 1)):
        raise AssertionError("the upgrades are not numbered 1, 2, 3 …")
    return upgrades


def recognise(transaction: Statements, path: Path) -> None:
    """Raise Corrupt unless the file is a store or empty; run in a read transaction, so that a racing creator is no puzzle."""
    mark, version = _mark(transaction), _version(transaction)
    tables = transaction.one("SELECT count(*) AS tables FROM sqlite_schema") or {}
    if mark != APPLICATION_ID and (mark or version or tables["tables"]):
        raise Corrupt(
            f"{path} is a SQLite database of something else, not a SchemaBot store; name another file as the store"
        )


def converge(transaction: Statements, upgrades: Sequence[Upgrade]) -> None:
    """Apply what is missing, inside the caller's write transaction. Raises SchemaTooNew."""
    version = _version(transaction)
    if version > len(upgrades):
        raise SchemaTooNew(
            f"the store's tables are at version {version}, this program knows {len(upgrades)}: "
            "it was upgraded by a newer program; run that one"
        )
    for upgrade in upgrades[version:]:
        transaction.script(upgrade.sql)
        transaction.script(f"PRAGMA user_version = {upgrade.number}")
    if version < len(upgrades):
        transaction.script(f"PRAGMA application_id = {APPLICATION_ID}")


def _version(transaction: Statements) -> int:
    found = transaction.one("PRAGMA user_version")
    return int(found["user_version"]) if found else 0


def _mark(transaction: Statements) -> int:
    found = transaction.one("PRAGMA application_id")
    return int(found["application_id"]) if found else 0
