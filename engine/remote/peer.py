"""The other SchemaBot and one database of its: what we ask of it, each question a method."""

import re
from collections.abc import Mapping
from typing import Any

from engine.base import SchemaFiles, Target
from engine.errors import EngineError, Refused, TargetHeld, TargetUnavailable
from engine.remote import wire
from engine.remote.client import LOOK_SECONDS, WORK_SECONDS, Client, Declined, segment

_APPLY_ID = re.compile(r"[A-Za-z0-9_.:-]{1,100}")
BUSY = "already in progress"
"""The wire contract's words for: another apply holds the target."""
LOGS = "50"


class Peer:
    """Safe to share between threads. Every method raises EngineErrors only."""

    def __init__(self, target: Target) -> None:
        self._client = Client(target.dsn, target.token)
        self._database = target.database
        self._environment = target.environment
        self._kind = ""
        self.where = self._client.where

    # -- the database -------------------------------------------------------------------------------------------

    def ping(self) -> None:
        """TargetUnavailable, Refused: it does not answer, or does not let us in."""
        self._get("/api/status")

    def kind(self) -> str:
        """The type of the database there."""
        if not self._kind:
            self.pull()
        return self._kind

    def pull(self) -> SchemaFiles:
        """The live schema there, as files."""
        where = f"/api/pull/{segment(self._database)}"
        body = self._get(where, WORK_SECONDS, environment=self._environment)
        self._kind = str(body.get("type") or "")
        return wire.to_files(body)

    def plan(self, files: SchemaFiles) -> wire.Json:
        """Its answer to what it takes to come to *files*, and back. Refused: it will not say, and why not."""
        request = {
            "database": self._database,
            "environment": self._environment,
            "type": self.kind(),
            "schema_files": {name: {"files": dict(texts)} for name, texts in files.items()},
            "way_back": True,
        }
        try:
            return self._client.post("/api/plan", request).body
        except Declined as error:
            # A plan that fails is its considered answer, though the contract has 500 for it.
            said = error.text.removeprefix("plan failed: ")
            raise (Refused(f"{self.where}: {said}") if said != error.text else error.classed()) from error

    # -- the apply ----------------------------------------------------------------------------------------------

    def dispatch(self, plan_id: str, key: str, options: Mapping[str, str]) -> str:
        """The id of the apply of that plan there; however often it is asked with *key*, there is one.

        TargetUnavailable: it may have been made. Refused, TargetHeld: it was not.
        """
        request = {
            "plan_id": plan_id,
            "environment": self._environment,
            "caller": _caller(key),
            "options": dict(options),
            "idempotency_key": key,
        }
        try:
            body = self._client.post("/api/apply", request).body
        except Declined as error:
            unknown = "plan not found" in error.text  # a 500, yet final
            raise (Refused(str(error)) if unknown else error.classed()) from error
        if not wire.accepted(body):
            text = f"{self.where}: {body.get('error_message') or 'the apply was refused'}"
            raise TargetHeld(text) if BUSY in text else Refused(text)
        return self._apply_id(body)

    def find(self, key: str) -> str:
        """The id of the apply that was dispatched with *key*, or "": without making one."""
        body = self._get(f"/api/history/{segment(self._database)}", environment=self._environment)
        for apply in wire.applies_of(body):
            if apply.get("caller") == _caller(key):
                return self._apply_id(apply)
        return ""

    def progress(self, uid: str) -> wire.FarApply:
        """How far it is. Refused only when the other knows no such apply: whatever else is wrong may pass (AV-2)."""
        try:
            return wire.to_progress(self._client.get(f"/api/progress/apply/{segment(uid)}", {}))
        except Declined as error:
            if (error.status, error.code) == (404, "not_found"):
                text = f"{self.where} does not know {uid} any more: look there what became of it, then plan again"
                raise Refused(text) from error
            raise TargetUnavailable(str(error)) from error

    def command(self, kind: str, uid: str, caller: str, **more: int) -> str:
        """Pass on stop, start, cancel, cutover or volume. "": it is done or will be; else why it is refused."""
        request = {
            "database": self._database,
            "environment": self._environment,
            "apply_id": uid,
            "caller": _caller(caller),
            **more,
        }
        try:
            body = self._client.post(f"/api/{kind}", request).body
        except Declined as error:
            # What an engine there cannot do at all is its considered answer, though the contract has 500 for it.
            if "not supported" in error.text:
                return error.text
            raise TargetUnavailable(str(error)) from error
        if wire.accepted(body) or body.get("pending") is True:
            return ""
        return str(body.get("error_message") or f"{kind} was refused")

    def who(self, uid: str, kind: str) -> str:
        """The event that says who asked for *kind* there, or "" when that cannot be read."""
        try:
            found = list(wire.events_of(self._get("/api/logs", apply_id=uid, limit=LOGS)))
        except EngineError:
            return ""
        asked = [event for event in found if event.get("event_type") == f"{kind}_requested"]
        return str(asked[-1].get("message") or "") if asked else ""

    # -- inside -------------------------------------------------------------------------------------------------

    def _get(self, path: str, seconds: float = LOOK_SECONDS, **query: str) -> Mapping[str, Any]:
        try:
            return self._client.get(path, query, seconds).body
        except Declined as error:
            raise error.classed() from error

    def _apply_id(self, body: Mapping[str, Any]) -> str:
        uid = body.get("apply_id")
        if not isinstance(uid, str) or not _APPLY_ID.fullmatch(uid):
            raise TargetUnavailable(f"{self.where} does not answer like a SchemaBot: no apply id")
        return uid


def _caller(key: str) -> str:
    """Who we are over there: the same for every try, and unlike anybody else's."""
    return f"schemabot:{key}"
