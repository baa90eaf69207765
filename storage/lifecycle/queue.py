"""The queue: plans in, applies enqueued, claimed in the order they fell due."""

import hashlib
import secrets
from uuid import uuid4

from storage.errors import KeyReused, NotFound, TargetBusy, Unavailable
from storage.lifecycle.ledger import append_event, orphaned
from storage.lifecycle.rows import from_plan, to_apply, to_json, to_plan
from storage.lifecycle.statements import Row, Statements, Transactions
from storage.records import Apply, Claim, NewApply, Plan

MAX_IDLE_SECONDS = 86_400.0
"""A retry that is older is handed to nobody: a change must not spring to life days later."""
INSERTS = 5
"""How often a target is asked for that is found taken, and free when its holder is looked for."""


class Queue:
    """Part of the store: what waits and how it is handed out."""

    _database: Transactions

    # -- plans ------------------------------------------------------------------------------------------------

    def save_plan(self, plan: Plan) -> None:
        """Keep *plan*; a plan id that is known already changes nothing."""
        self._database.write(lambda transaction: transaction.insert_plan(from_plan(plan)))

    def plan(self, plan_id: str) -> Plan:
        """The plan of that id, or NotFound."""
        found = self._database.read(lambda reader: reader.plan(plan_id))
        if found is None:
            raise NotFound(f"plan not found: {plan_id}")
        return to_plan(found)

    # -- in -----------------------------------------------------------------------------------------------------

    def enqueue(self, new: NewApply) -> Apply:
        """One apply and its tasks, due at once; or the one that the idempotency key named before."""
        plan = self.plan(new.plan_id)  # it never changes, so it is read before anything waits for us
        request_hash = _request_hash(new)
        apply_uid = f"apply-{uuid4().hex[:16]}"

        def enqueue(transaction: Statements) -> Apply:
            known = _known(transaction, new, request_hash)
            if known is None and transaction.repeated:
                known = transaction.hold_apply(apply_uid)
            if known is not None:
                return to_apply(known)
            apply = _insert(transaction, new, plan, apply_uid, request_hash)
            if apply["apply_uid"] == apply_uid:
                _insert_tasks(transaction, apply["id"], plan)
                text = f"Schema change queued by {new.caller or 'unknown'}: {len(plan.changes)} task(s)"
                append_event(transaction, apply["id"], "state_transition", text, fence=0, new="pending")
                for warning in new.warnings:
                    append_event(transaction, apply["id"], "audit", warning, fence=0, level="warn")
            return to_apply(apply)

        return self._database.write(enqueue)

    def made_before(self, new: NewApply) -> Apply | None:
        """The apply that the idempotency key named before, or None."""
        request_hash = _request_hash(new)
        known = self._database.read(lambda reader: _known(reader, new, request_hash))
        return None if known is None else to_apply(known)

    # -- out ----------------------------------------------------------------------------------------------------

    def claim(self, owner: str, lease_seconds: float) -> Claim | None:
        """Hand the first due apply to *owner*, or None when nothing is due."""
        token = secrets.token_hex(16)
        made: list[Claim] = []  # by earlier runs of this write

        def claim(transaction: Statements) -> Claim | None:
            if transaction.repeated and made and transaction.attempt_of(made[-1]):
                return made[-1]
            due = transaction.first_due(MAX_IDLE_SECONDS)
            if due is None:
                return None
            made.append(_take(transaction, due, owner, token, lease_seconds))
            return made[-1]

        return self._database.write(claim)

    def next_due(self) -> float | None:
        """Seconds until something becomes claimable, 0 when something is, None when nothing will."""
        wait = self._database.read(lambda reader: reader.next_wait(MAX_IDLE_SECONDS))
        return None if wait is None else max(0.0, wait)


def _request_hash(new: NewApply) -> str:
    request = [new.plan_id, new.environment, new.deployment, new.caller, dict(new.options)]
    return hashlib.sha256(to_json(request).encode()).hexdigest()


def _known(transaction: Statements, new: NewApply, request_hash: str) -> Row | None:
    """The apply that the key made, or KeyReused when it was for another request."""
    if new.idempotency_key is None:
        return None
    found = transaction.apply_of_key(new.idempotency_key)
    if found is not None and found["request_hash"] != request_hash:
        raise KeyReused(f"the idempotency key was used before, for another request: {found['apply_uid']}")
    return found


def _insert(transaction: Statements, new: NewApply, plan: Plan, apply_uid: str, request_hash: str) -> Row:
    """The unique index decides whether the target is free (OW-4); it is asked by inserting.

    Who stands in the way is looked for afterwards; it may be gone by then.
    """
    columns = {
        "uid": apply_uid,
        "plan_id": new.plan_id,
        "key": new.idempotency_key,
        "request_hash": request_hash,
        "database": plan.database,
        "database_type": plan.database_type,
        "environment": new.environment,
        "deployment": new.deployment,
        "repository": plan.repository,
        "pull_request": plan.pull_request,
        "caller": new.caller,
        "engine": plan.engine,
        "options": to_json(dict(new.options)),
        "max_attempts": new.max_attempts,
    }
    for _ in range(INSERTS):
        apply = transaction.insert_apply(columns) or _known(transaction, new, request_hash)
        if apply is not None:
            return apply
        holder = transaction.live_apply(plan.database, new.environment, plan.database_type)
        if holder is not None:
            raise TargetBusy(holder["apply_uid"], holder["state"])
    raise Unavailable(f"{plan.database} was taken and let go again and again; ask once more")


def _insert_tasks(transaction: Statements, apply_id: int, plan: Plan) -> None:
    transaction.insert_tasks(
        [
            {
                "apply": apply_id,
                "seq": seq,
                "uid": f"task-{uuid4().hex[:16]}",
                "namespace": change.namespace,
                "table_name": change.table,
                "ddl": change.ddl,
                "change_type": change.change_type,
                "strategy": change.strategy,
            }
            for seq, change in enumerate(plan.changes)
        ]
    )


def _take(transaction: Statements, due: Row, owner: str, token: str, lease_seconds: float) -> Claim:
    """Make *owner* the owner. A retry and a dead driver spend an attempt; what was queued or parked spends none."""
    retry, lapsed = due["state"] == "failed_retryable", due["lease_token"] is not None
    claim = Claim(
        apply_id=due["id"],
        apply_uid=due["apply_uid"],
        fence=due["fence"] + 1,
        token=token,
        owner=owner,
        attempt=due["attempt"] + (retry or lapsed),
        lease_seconds=lease_seconds,
        waited_seconds=due["waited"],
        recovered=retry or lapsed,
    )
    transaction.take(claim, retry=retry)
    if lapsed:
        _note_lapse(transaction, due, claim)
    if retry:
        _begin_retry(transaction, claim, due["max_attempts"])
    transaction.insert_attempt(claim, bumped=retry or lapsed)
    return claim


def _note_lapse(transaction: Statements, due: Row, claim: Claim) -> None:
    transaction.end_attempt(claim.apply_id, due["fence"], "lease_expired")
    append_event(
        transaction,
        claim.apply_id,
        "info",
        f"{_lapse(due)}; {claim.owner} goes on "
        f"(attempt {claim.attempt} of {due['max_attempts']} without progress)",
        fence=claim.fence,
        level="warn",
    )


def _lapse(due: Row) -> str:
    """How the last driver was known to be gone: its lease ran out, or was ended at once by who has the store to itself."""
    owner = due["lease_owner"]
    return f"{owner} ended without letting go" if orphaned(due) else f"The lease of {owner} ran out"


def _begin_retry(transaction: Statements, claim: Claim, max_attempts: int) -> None:
    transaction.retry_tasks(claim.apply_id, claim.fence)
    append_event(
        transaction,
        claim.apply_id,
        "state_transition",
        f"Retry {claim.attempt} of {max_attempts}",
        fence=claim.fence,
        old="failed_retryable",
        new="pending",
    )
