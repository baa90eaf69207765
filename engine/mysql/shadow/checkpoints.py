"""How far each table's work has come: rows in `_schemabot_copy` on the target.

The row is there before the first helper object and goes after the last: what it names is ours, nothing else is. Its position in
the binary log never runs ahead of the keys that were applied, and its low mark never ahead of the rows that were copied; both may
lag behind, as copying and applying a second time does no harm.
"""

import hashlib
import json
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Self

from engine.errors import Refused
from engine.mysql.binlog.position import Position
from engine.mysql.link import Link
from engine.mysql.names import Names, names_of
from engine.mysql.ownership.hold import Hold
from engine.mysql.ownership.records import COPY_TABLE
from engine.mysql.quoting import quote_table
from engine.mysql.shadow.table_identity import TableIdentity
from engine.mysql.spec import Step
from engine.mysql.trouble import NO_SUCH_TABLE, Tolerated


class Phase(StrEnum):
    """Where a table's work stands."""

    STAGE = "stage"  # the helpers are being made
    COPY = "copy"  # rows are being copied
    INDEX = "index"  # all copied; indexes are being built
    CHECK = "check"  # all there; rows are compared with their copies
    READY = "ready"  # verified: needs only to catch up
    OLD = "old"  # live; the replaced table is being removed
    DISCARD = "discard"  # given up; the helpers are being removed


CAPTURING = (Phase.COPY, Phase.INDEX, Phase.CHECK, Phase.READY)
"""While a table's work stands here, every changed key is applied to its shadow."""
MOST_BEGINNINGS = 5
"""So often a copy that lost its place in the log begins from the start in one apply; one that waits, all of it verified, and
finds its place again counts from none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """One table's row."""

    apply_uid: str
    schema: str
    source: str
    phase: Phase
    rows_copied: int = 0
    rows_total: int = 0
    # Literals of the key up to which all rows are copied (or compared, in CHECK).
    low: tuple[str, ...] | None = None
    compared: int = 0  # rows up to `low`, in CHECK; for people only
    # Everything before it in the binary log is applied; None: triggers capture.
    position: Position | None = None
    started_at: int = 0  # of the run of the server whose log told of all changes; 0: not known
    deferred: tuple[str, ...] = ()  # lines of the indexes that the shadow gets at the end
    step: str  # digest of the step it was begun for
    source_fingerprint: str = ""  # when the copy began
    shadow_fingerprint: str = ""  # as it has to be now
    shadow_numbers: tuple[str, ...] = ()  # InnoDB's, since its rows are compared; empty: not known
    values_digest: str = ""  # of what the shadow gets of a row; empty: an earlier release began it
    repairs: int = 0  # rows that the comparison had to mend
    identity: TableIdentity | None = None  # of the source with its triggers
    begun_anew: int = 0  # so often the place in the log was lost in this apply
    given_up: str = ""  # why, in DISCARD, when the apply has failed for good

    @property
    def names(self) -> Names:
        """The helper objects that this work makes."""
        return names_of(self.source)

    def from_the_start(self, reason: str) -> Self:
        """As a copy stands that has to begin anew, *reason* being what became of the log. Refused: it has too often."""
        if self.begun_anew >= MOST_BEGINNINGS:
            raise Refused(
                f"{self.source}: the copy has begun anew {MOST_BEGINNINGS} times, as its place in the binary log was lost each "
                f"time; the last time: {reason}; nothing was changed: see how long the server keeps its log "
                "(binlog_expire_logs_seconds, expire_logs_days, a PURGE or RESET that somebody runs), whether its disk is well, "
                "and whether the dsn always leads to the same server, then plan again"
            )
        return replace(self, phase=Phase.STAGE, low=None, position=None, begun_anew=self.begun_anew + 1)

    def compared_anew(self) -> Self:
        """As a copy stands of which all rows have to be compared, whatever was compared before."""
        if self.phase is Phase.COPY:
            return self
        phase = Phase.INDEX if self.phase is Phase.INDEX else Phase.CHECK
        return replace(self, phase=phase, low=None, compared=0)

    def found_again(self) -> Self:
        """As a copy stands that goes on from its place in the log."""
        return replace(self, begun_anew=0) if self.phase is Phase.READY else self


def digest(step: Step) -> str:
    """What the work was begun for: a checkpoint of another definition is of no use."""
    return hashlib.sha256(json.dumps(step.to_json(), sort_keys=True).encode()).hexdigest()[:32]


def make_table(hold: Hold) -> None:
    """Have the table."""
    hold.link.run(
        f"""
        CREATE TABLE IF NOT EXISTS {_table(hold)} (
            apply_uid VARCHAR(191) NOT NULL,
            schema_name VARCHAR(64) NOT NULL,
            source VARCHAR(64) NOT NULL,
            phase VARCHAR(16) NOT NULL,
            rows_copied BIGINT NOT NULL,
            rows_total BIGINT NOT NULL,
            state LONGTEXT NOT NULL,
            created_at DATETIME NOT NULL,
            updated_at DATETIME NOT NULL,
            PRIMARY KEY (apply_uid, schema_name, source)
        ) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin
          COMMENT 'SchemaBot: how far the copies of tables are'
        """
    )


def checkpoints(hold: Hold) -> list[Checkpoint]:
    """All work on the target, of every apply."""
    with Tolerated(NO_SUCH_TABLE):
        rows = hold.link.rows(
            f"""
            SELECT apply_uid, schema_name, source, phase, rows_copied, rows_total, state
              FROM {_table(hold)} ORDER BY apply_uid, schema_name, source
            """
        )
        return [_from_row(*row) for row in rows]
    return []


def find(hold: Hold, step: Step) -> Checkpoint | None:
    """The work of the hold's apply on the table that *step* copies."""
    assert step.copy is not None
    wanted = (hold.job.apply_uid, step.schema, step.copy.source)
    return next((c for c in checkpoints(hold) if (c.apply_uid, c.schema, c.source) == wanted), None)


def created_at(hold: Hold, checkpoint: Checkpoint) -> int:
    """When its row was first written, in seconds since 1970 by the server's clock; it goes on through restarts."""
    moment = hold.link.value(
        f"SELECT TIMESTAMPDIFF(SECOND, '1970-01-01', created_at) FROM {_table(hold)} "
        "WHERE apply_uid = %s AND schema_name = %s AND source = %s",
        checkpoint.apply_uid,
        checkpoint.schema,
        checkpoint.source,
    )
    return int(moment)


def put(hold: Hold, link: Link, checkpoint: Checkpoint) -> None:
    """Write the row as a whole, in a guarded transaction of its own."""
    with hold.transaction(link, "checkpoint"):
        # One row is updated; REPLACE would begin created_at anew.
        link.run(
            f"""
            INSERT INTO {_table(hold)}
                   (apply_uid, schema_name, source, phase, rows_copied, rows_total, state, created_at, updated_at)
            VALUES (%s, %s, %s, %s, %s, %s, %s, UTC_TIMESTAMP(), UTC_TIMESTAMP())
            ON DUPLICATE KEY UPDATE phase = VALUES(phase), rows_copied = VALUES(rows_copied),
                   rows_total = VALUES(rows_total), state = VALUES(state), updated_at = VALUES(updated_at)
            """,
            checkpoint.apply_uid,
            checkpoint.schema,
            checkpoint.source,
            checkpoint.phase.value,
            checkpoint.rows_copied,
            checkpoint.rows_total,
            json.dumps(_state(checkpoint)),
        )


def remove(hold: Hold, checkpoint: Checkpoint) -> None:
    """The work is over and left nothing."""
    with hold.transaction(hold.link, "forget"):
        hold.link.run(
            f"DELETE FROM {_table(hold)} WHERE apply_uid = %s AND schema_name = %s AND source = %s",
            checkpoint.apply_uid,
            checkpoint.schema,
            checkpoint.source,
        )


def _table(hold: Hold) -> str:
    return quote_table(hold.home, COPY_TABLE)


def _state(checkpoint: Checkpoint) -> dict[str, Any]:
    position = checkpoint.position
    return {
        "low": checkpoint.low,
        "compared": checkpoint.compared,
        "position": None if position is None else position.to_json(),
        "started_at": checkpoint.started_at,
        "deferred": checkpoint.deferred,
        "step": checkpoint.step,
        "source_print": checkpoint.source_fingerprint,
        "shadow_print": checkpoint.shadow_fingerprint,
        "shadow_seen": checkpoint.shadow_numbers,
        "values": checkpoint.values_digest,
        "repairs": checkpoint.repairs,
        "witness": None if checkpoint.identity is None else checkpoint.identity.to_json(),
        "begun_anew": checkpoint.begun_anew,
        "given_up": checkpoint.given_up,
    }


def _from_row(
    apply_uid: str, schema: str, source: str, phase: str, rows_copied: int, rows_total: int, state: str
) -> Checkpoint:
    known = json.loads(state)
    low, position, identity = known["low"], known["position"], known.get("witness")
    return Checkpoint(
        apply_uid=apply_uid,
        schema=schema,
        source=source,
        phase=Phase(phase),
        rows_copied=rows_copied,
        rows_total=rows_total,
        low=None if low is None else tuple(low),
        compared=known.get("compared", 0),
        position=None if position is None else Position.from_json(position),
        started_at=known.get("started_at", 0),
        deferred=tuple(known["deferred"]),
        step=known["step"],
        source_fingerprint=known["source_print"],
        shadow_fingerprint=known["shadow_print"],
        shadow_numbers=tuple(known.get("shadow_seen", ())),
        values_digest=known.get("values", ""),
        repairs=known["repairs"],
        identity=None if identity is None else TableIdentity.from_json(identity),
        begun_anew=known.get("begun_anew", 0),
        given_up=known.get("given_up", ""),
    )
