"""How far each table's work has come: rows in `_schemabot_copy` on the target, moved in the transactions they describe."""

import hashlib
import json
from dataclasses import dataclass
from enum import StrEnum

import apsw

from engine.sqlite.changing.keys import Names
from engine.sqlite.spec import Step


class Phase(StrEnum):
    """Where a table's work stands."""

    COPY = "copy"  # rows are being copied up to the mark
    INDEX = "index"  # all copied; indexes are being built
    CHECK = "check"  # all there; originals are compared with their copies
    EXTRA = "extra"  # all equal; copies without an original are looked for
    READY = "ready"  # verified: needs only to catch up
    OLD = "old"  # live; the replaced table is being removed
    DISCARD = "discard"  # given up; the shadow is being removed


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """One table's row."""

    apply_uid: str
    source: str
    shadow: str
    phase: Phase
    rows_copied: int
    rows_total: int
    spec: str

    @property
    def names(self) -> Names:
        """The helper objects this work made."""
        return Names(source=self.source, shadow=self.shadow)


def digest(step: Step) -> str:
    """What the work was begun for: a checkpoint of another definition is of no use."""
    definition = step.to_json()
    del definition["small"]  # never of a copy
    rebuild = definition["rebuild"] or {}
    for name in ("exact", "keep_rowids"):  # unset they say nothing: copies begun before there were any go on
        if not rebuild.get(name, True):
            del rebuild[name]
    return hashlib.sha256(json.dumps(definition, sort_keys=True).encode()).hexdigest()


def checkpoints(connection: apsw.Connection) -> list[Checkpoint]:
    """All work on the target, of every apply."""
    rows = connection.execute(
        """
        SELECT apply_uid, source, shadow, phase, rows_copied, rows_total, spec
          FROM _schemabot_copy ORDER BY apply_uid, source
        """
    )
    return [
        Checkpoint(
            apply_uid=uid, source=source, shadow=shadow, phase=Phase(phase), rows_copied=copied, rows_total=total,
            spec=spec,
        )
        for uid, source, shadow, phase, copied, total, spec in rows
    ]  # fmt: skip


def find(connection: apsw.Connection, apply_uid: str, source: str) -> Checkpoint | None:
    """The work of one apply on one table."""
    found = checkpoints(connection)
    return next((c for c in found if (c.apply_uid, c.source) == (apply_uid, source)), None)


def put(connection: apsw.Connection, checkpoint: Checkpoint) -> None:
    """Write the row as a whole."""
    connection.execute(
        """
        INSERT INTO _schemabot_copy (apply_uid, source, shadow, phase, rows_copied, rows_total, spec)
        VALUES (?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (apply_uid, source) DO UPDATE
           SET shadow = excluded.shadow, phase = excluded.phase, rows_copied = excluded.rows_copied,
               rows_total = excluded.rows_total, spec = excluded.spec
        """,
        (
            checkpoint.apply_uid, checkpoint.source, checkpoint.shadow, checkpoint.phase.value,
            checkpoint.rows_copied, checkpoint.rows_total, checkpoint.spec,
        ),
    )  # fmt: skip


def remove(connection: apsw.Connection, checkpoint: Checkpoint) -> None:
    """The work is over and left nothing."""
    connection.execute(
        "DELETE FROM _schemabot_copy WHERE apply_uid = ? AND source = ?",
        (checkpoint.apply_uid, checkpoint.source),
    )
