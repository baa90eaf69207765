"""The store's own tables: numbered SQL files, applied in order, once, under a named lock (AV-5).

These servers commit at every DDL statement, so a file is not one transaction. Each statement is noted before and after it
runs: one that was begun and not noted as done may have taken effect, and finding that it has is then no error.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources

from storage.errors import Corrupt, SchemaTooNew, StoreError, Unavailable
from storage.mysql.transaction import Transaction

LOCK_SECONDS = 60
IN_PLACE_ALREADY = (1050, 1060, 1061, 1826, 3822)
"""Table, column, key, foreign key, check: there is one of that name."""

LEDGER = """
    CREATE TABLE IF NOT EXISTS schemabot_upgrades(
      number   INT NOT NULL,
      step     INT NOT NULL,
      name     VARCHAR(255) NOT NULL,
      begun_at DATETIME(6) NOT NULL,
      done_at  DATETIME(6),
      PRIMARY KEY(number, step)
    ) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Upgrade:
    """One numbered file, as its statements."""

    number: int
    name: str
    statements: Sequence[str]


def known_upgrades() -> list[Upgrade]:
    """The files shipped with this program, in order, numbered 1, 2, 3 …"""
    folder = resources.files("storage").joinpath("sql", "mysql")
    files = sorted(
        (file for file in folder.iterdir() if file.name.endswith(".sql")), key=lambda file: file.name
    )
    upgrades = [
        Upgrade(number=int(file.name[:4]), name=file.name, statements=split(file.read_text(encoding="utf-8")))
        for file in files
    ]
    if [upgrade.number for upgrade in upgrades] != list(range(1, len(upgrades) + 1)):
        raise AssertionError("the upgrades are not numbered 1, 2, 3 …")
    return upgrades


def split(text: str) -> list[str]:
    """The statements of a file: each ends with a semicolon at the end of a line."""
    parts = [part.strip() for part in f"{text}\n".split(";\n")]
    if parts[-1]:
        raise AssertionError("the last statement of an upgrade has no semicolon")
    return parts[:-1]


def converge(transaction: Transaction, upgrades: Sequence[Upgrade], database: str) -> None:
    """Apply what is missing; others wait meanwhile. Raises SchemaTooNew, Corrupt, Unavailable."""
    name = f"schemabot:{hashlib.sha256(database.encode()).hexdigest()[:32]}"
    got = transaction.one("SELECT GET_LOCK(%(name)s, %(wait)s) AS got", name=name, wait=LOCK_SECONDS)
    if not got or got["got"] != 1:
        raise Unavailable(f"the tables of the store {database} are being upgraded by another process")
    try:
        _recognise(transaction, database)
        done = _done(transaction)
        newest = max((number for number, _ in done), default=0)
        if newest > len(upgrades):
            raise SchemaTooNew(
                f"the store's tables are at version {newest}, this program knows {len(upgrades)}: "
                "it was upgraded by a newer program; run that one"
            )
        for upgrade in upgrades:
            _apply(transaction, upgrade, done)
    finally:
        transaction.run("DO RELEASE_LOCK(%(name)s)", name=name)


def _recognise(transaction: Transaction, database: str) -> None:
    """Raise Corrupt for tables of something else; make the ledger where there are none."""
    found = transaction.rows(
        "SELECT table_name AS name FROM information_schema.tables WHERE table_schema = DATABASE()"
    )
    names = {str(row["name"]) for row in found}
    if names and "schemabot_upgrades" not in names:
        raise Corrupt(
            f"the database {database} has tables of something else, it is not a SchemaBot store; "
            "name another database as the store"
        )
    if not names:
        transaction.run(LEDGER)


def _done(transaction: Transaction) -> dict[tuple[int, int], bool]:
    """Steps that were begun → whether they are done."""
    found = transaction.rows("SELECT number, step, done_at IS NOT NULL AS done FROM schemabot_upgrades")
    return {(row["number"], row["step"]): bool(row["done"]) for row in found}


def _apply(transaction: Transaction, upgrade: Upgrade, done: dict[tuple[int, int], bool]) -> None:
    for step, statement in enumerate(upgrade.statements, 1):
        state = done.get((upgrade.number, step))
        if state is True:
            continue
        if state is None:
            _begin(transaction, upgrade, step)
        try:
            transaction.run(statement)
        except StoreError as exc:
            if state is None or _code(exc) not in IN_PLACE_ALREADY:
                raise
        transaction.run(
            """
            UPDATE schemabot_upgrades SET done_at = UTC_TIMESTAMP(6) WHERE number = %(number)s AND step = %(step)s
            """,
            number=upgrade.number,
            step=step,
        )


def _begin(transaction: Transaction, upgrade: Upgrade, step: int) -> None:
    transaction.run(
        """
        INSERT INTO schemabot_upgrades(number, step, name, begun_at)
        VALUES (%(number)s, %(step)s, %(name)s, UTC_TIMESTAMP(6))
        """,
        number=upgrade.number,
        step=step,
        name=upgrade.name,
    )


def _code(error: StoreError) -> int | None:
    """The server's own code for what went wrong."""
    args = getattr(error.__cause__, "args", ())
    return args[0] if args and isinstance(args[0], int) else None
