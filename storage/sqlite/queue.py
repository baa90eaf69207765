"""The queue: plans in, applies enqueued, claimed in the order they fell due."""

import hashlib
import json
import secrets
from dataclasses import asdict
from uuid import uuid4

from storage.errors import KeyReused, NotFound, TargetBusy
from storage.records import Apply, Claim, NewApply, Plan
from storage.sqlite.database import Database, Row, Transaction
from storage.sqlite.ledger import append_event, end_attempt
from storage.sqlite.rows import changes_to_json, milliseconds, to_apply, to_json, to_plan

MAX_IDLE_SECONDS = 86_400.0
"""A retry that is older is handed to nobody: a change must not spring to life days later."""


class Queue:
    """Part of the store: what waits and how it is handed out."""

    _database: Database

    # -- plans ------------------------------------------------------------------------------------------------

    def save_plan(self, plan: Plan) -> None:
        """Keep *plan*; a plan id that is known already changes nothing."""
        with self._database.write() as transaction:
            transaction.run(
                """
                INSERT INTO plans(plan_id, database_name, database_type, environment, deployment, repository, pull_request,
                                  engine, schema_files, changes, findings, original_schema, fingerprints, created_at)
                VALUES (:plan_id, :database, :database_type, :environment, :deployment, :repository, :pull_request,
                        :engine, :schema_files, :changes, :findings, :original_schema, :fingerprints,
                        (SELECT now FROM clock))
                ON CONFLICT(plan_id) DO NOTHING
                """,
                plan_id=plan.plan_id,
                database=plan.database,
                database_type=plan.database_type,
                environment=plan.environment,
                deployment=plan.deployment,
                repository=plan.repository,
                pull_request=plan.pull_request,
                engine=plan.engine,
                schema_files=json.dumps({space: dict(files) for space, files in plan.schema_files.items()}),
                changes=changes_to_json(plan.changes),
                findings=json.dumps([dict(finding) for finding in plan.findings]),
                original_schema=json.dumps(
                    {space: dict(files) for space, files in plan.original_schema.items()}
                ),
                fingerprints=json.dumps(dict(plan.fingerprints)),
            )

    def plan(self, plan_id: str) -> Plan:
        """The plan of that id, or NotFound."""
        with self._database.read() as reader:
            return _find_plan(reader, plan_id)

    # -- in -----------------------------------------------------------------------------------------------------

    def enqueue(self, new: NewApply) -> Apply:
        """One apply and its tasks, due at once; or the one that the idempotency key named before."""
        request_hash = _request_hash(new)
        with self._database.write() as transaction:
            known = _known(transaction, new.idempotency_key, request_hash)
            if known is not None:
                return to_apply(known)
            plan = _find_plan(transaction, new.plan_id)
            apply = _insert_apply(transaction, new, plan, request_hash)
            _insert_tasks(transaction, apply["id"], plan)
            append_event(
                transaction,
                apply["id"],
                "state_transition",
                f"Schema change queued by {new.caller or 'unknown'}: {len(plan.changes)} task(s)",
                fence=0,
                new="pending",
            )
            return to_apply(apply)

    # -- out ----------------------------------------------------------------------------------------------------

    def claim(self, owner: str, lease_seconds: float) -> Claim | None:
        """Hand the first due apply to *owner*, or None when nothing is due."""
        with self._database.write() as transaction:
            due = transaction.one(
                """
                SELECT *, (SELECT now FROM clock) - claimable_at AS waited
                  FROM applies
                 WHERE claimable_at <= (SELECT now FROM clock) AND NOT exhausted
                   AND (retrying_since IS NULL OR retrying_since > (SELECT now FROM clock) - :idle)
                 ORDER BY claimable_at, id
                 LIMIT 1
                """,
                idle=milliseconds(MAX_IDLE_SECONDS),
            )
            return None if due is None else _take(transaction, due, owner, lease_seconds)

    def next_due(self) -> float | None:
        """Seconds until something becomes claimable, 0 when something is, None when nothing will."""
        with self._database.read() as reader:
            found = reader.one(
                """
                SELECT claimable_at - (SELECT now FROM clock) AS wait
                  FROM applies
                 WHERE claimable_at IS NOT NULL AND NOT exhausted
                   AND (retrying_since IS NULL OR retrying_since > (SELECT now FROM clock) - :idle)
                 ORDER BY claimable_at, id
                 LIMIT 1
                """,
                idle=milliseconds(MAX_IDLE_SECONDS),
            )
        return None if found is None else max(0.0, found["wait"] / 1000)


def _request_hash(new: NewApply) -> str:
    request = [new.plan_id, new.environment, new.deployment, new.caller, dict(new.options)]
    return hashlib.sha256(to_json(request).encode()).hexdigest()


def _known(transaction: Transaction, key: str | None, request_hash: str) -> Row | None:
    """The apply that the key made, or KeyReused when it was for another request."""
    if key is None:
        return None
    found = transaction.one("SELECT * FROM applies WHERE idempotency_key = :key", key=key)
    if found is not None and found["request_hash"] != request_hash:
        raise KeyReused(f"the idempotency key was used before, for another request: {found['apply_uid']}")
    return found


def _find_plan(transaction: Transaction, plan_id: str) -> Plan:
    found = transaction.one("SELECT * FROM plans WHERE plan_id = :plan_id", plan_id=plan_id)
    if found is None:
        raise NotFound(f"plan not found: {plan_id}")
    return to_plan(found)


def _insert_apply(transaction: Transaction, new: NewApply, plan: Plan, request_hash: str) -> Row:
    """The unique index decides whether the target is free (OW-4); it is asked by inserting."""
    found = transaction.one(
        """
        INSERT INTO applies(apply_uid, plan_id, idempotency_key, request_hash, database_name, database_type, environment,
                            deployment, repository, pull_request, caller, engine, options, state, claimable_at, due_in,
                            max_attempts, created_at, updated_at)
        VALUES (:uid, :plan_id, :key, :request_hash, :database, :database_type, :environment,
                :deployment, :repository, :pull_request, :caller, :engine, :options, 'pending',
                (SELECT now FROM clock), 0, :max_attempts, (SELECT now FROM clock), (SELECT now FROM clock))
        ON CONFLICT(database_name, environment, database_type) WHERE finished_at IS NULL DO NOTHING
        RETURNING *
        """,
        uid=f"apply-{uuid4().hex[:16]}",
        plan_id=new.plan_id,
        key=new.idempotency_key,
        request_hash=request_hash,
        database=plan.database,
        database_type=plan.database_type,
        environment=new.environment,
        deployment=new.deployment,
        repository=plan.repository,
        pull_request=plan.pull_request,
        caller=new.caller,
        engine=plan.engine,
        options=to_json(dict(new.options)),
        max_attempts=new.max_attempts,
    )
    return found if found is not None else _refuse_busy(transaction, new, plan)


def _refuse_busy(transaction: Transaction, new: NewApply, plan: Plan) -> Row:
    holder = transaction.one(
        """
        SELECT apply_uid, state FROM applies
         WHERE database_name = :database AND environment = :environment AND database_type = :database_type
           AND finished_at IS NULL
        """,
        database=plan.database,
        environment=new.environment,
        database_type=plan.database_type,
    )
    if holder is None:
        raise AssertionError("the target is both held and free")
    raise TargetBusy(holder["apply_uid"], holder["state"])


def _insert_tasks(transaction: Transaction, apply_id: int, plan: Plan) -> None:
    for seq, change in enumerate(plan.changes):
        transaction.run(
            """
            INSERT INTO tasks(apply_id, seq, task_uid, namespace, table_name, ddl, change_type, strategy, state)
            VALUES (:apply, :seq, :uid, :namespace, :table_name, :ddl, :change_type, :strategy, 'pending')
            """,
            apply=apply_id,
            seq=seq,
            uid=f"task-{uuid4().hex[:16]}",
            namespace=change.namespace,
            table_name=change.table,
            ddl=change.ddl,
            change_type=change.change_type,
            strategy=change.strategy,
        )


def _take(transaction: Transaction, due: Row, owner: str, lease_seconds: float) -> Claim:
    """Make *owner* the owner. A retry and a dead driver spend an attempt; what was queued or parked spends none."""
    retry, lapsed = due["state"] == "failed_retryable", due["lease_token"] is not None
    claim = Claim(
        apply_id=due["id"],
        apply_uid=due["apply_uid"],
        fence=due["fence"] + 1,
        token=secrets.token_hex(16),
        owner=owner,
        attempt=due["attempt"] + (retry or lapsed),
        lease_seconds=lease_seconds,
        waited_seconds=due["waited"] / 1000,
    )
    transaction.run(
        """
        UPDATE applies
           SET state = CASE state WHEN 'failed_retryable' THEN 'pending' ELSE state END, retrying_since = NULL,
               attempt = :attempt, fence = :fence, lease_token = :token, lease_owner = :owner,
               heartbeat_at = (SELECT now FROM clock), updated_at = (SELECT now FROM clock),
               claimable_at = (SELECT now FROM clock) + :lease, due_in = :lease
         WHERE id = :apply_id
        """,
        lease=milliseconds(lease_seconds),
        **_columns(claim),
    )
    if lapsed:
        _note_lapse(transaction, due, claim)
    if retry:
        _begin_retry(transaction, claim, due["max_attempts"])
    transaction.run(
        """
        INSERT INTO attempts(apply_id, fence, attempt, bumped, lease_token, owner, claimed_at)
        VALUES (:apply_id, :fence, :attempt, :bumped, :token, :owner, (SELECT now FROM clock))
        """,
        bumped=retry or lapsed,
        **_columns(claim),
    )
    return claim


def _columns(claim: Claim) -> dict[str, object]:
    wanted = ("apply_id", "fence", "token", "owner", "attempt")
    return {name: value for name, value in asdict(claim).items() if name in wanted}


def _note_lapse(transaction: Transaction, due: Row, claim: Claim) -> None:
    end_attempt(transaction, claim.apply_id, due["fence"], "lease_expired")
    append_event(
        transaction,
        claim.apply_id,
        "info",
        f"The lease of {due['lease_owner']} ran out; {claim.owner} goes on "
        f"(attempt {claim.attempt} of {due['max_attempts']} without progress)",
        fence=claim.fence,
        level="warn",
    )


def _begin_retry(transaction: Transaction, claim: Claim, max_attempts: int) -> None:
    transaction.run(
        """
        UPDATE tasks SET state = 'pending', attempt = attempt + 1, fence = :fence
         WHERE apply_id = :apply AND state = 'failed_retryable'
        """,
        apply=claim.apply_id,
        fence=claim.fence,
    )
    append_event(
        transaction,
        claim.apply_id,
        "state_transition",
        f"Retry {claim.attempt} of {max_attempts}",
        fence=claim.fence,
        old="failed_retryable",
        new="pending",
    )
