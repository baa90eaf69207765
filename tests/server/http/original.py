"""The original's command-line client as contract.md section 2 tells it: what it sends, how strictly it reads."""

import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
Shape = Any
"""str, int, bool, "time", [shape], {"*": shape} (a map), or {name: shape}; a name with "?" may be missing."""

STRINGS = {"*": str}
TABLE_CHANGE = {
    "table_name": str,
    "namespace?": str,
    "ddl": str,
    "change_type": str,
    "is_unsafe?": bool,
    "unsafe_reason?": str,
}
VIOLATION = {
    "message": str,
    "table?": str,
    "column?": str,
    "linter?": str,
    "severity?": str,
    "fix_type?": str,
}
PLAN = {
    "plan_id": str,
    "database?": str,
    "database_type?": str,
    "environment?": str,
    "engine": str,
    "changes": [{"namespace": str, "table_changes?": [TABLE_CHANGE], "metadata?": STRINGS}],
    "lint_violations": [VIOLATION],
    "errors": [str],
}
SHARD = {"shard": str, "status": str, "rows_copied": int, "rows_total": int, "percent_complete": int}
TABLE = {
    "table_name": str,
    "ddl": str,
    "status": str,
    "rows_copied": int,
    "rows_total": int,
    "percent_complete": int,
    "keyspace?": str,
    "change_type?": str,
    "eta_seconds?": int,
    "is_instant?": bool,
    "progress_detail?": str,
    "task_id?": str,
    "started_at?": "time",
    "completed_at?": "time",
    "shards?": [SHARD],
}
PROGRESS = {
    "state": str,
    "engine": str,
    "apply_id?": str,
    "database?": str,
    "environment?": str,
    "caller?": str,
    "pull_request?": str,
    "started_at?": "time",
    "completed_at?": "time",
    "tables?": [TABLE],
    "error_code?": str,
    "error_message?": str,
    "summary?": str,
    "volume?": int,
    "options?": STRINGS,
    "metadata?": STRINGS,
}
ACCEPTED = {"accepted": bool, "error_code?": str, "error_message?": str}
HISTORY = {
    "database": str,
    "applies": [
        {
            "apply_id": str,
            "caller": str,
            "engine": str,
            "environment": str,
            "state": str,
            "completed_at?": "time",
            "started_at?": "time",
            "error?": str,
            "error_code?": str,
        }
    ],
}
STATUS = {
    "active_count": int,
    "applies": [
        {
            "apply_id": str,
            "database": str,
            "environment": str,
            "state": str,
            "engine": str,
            "caller": str,
            "updated_at": "time",
            "started_at?": "time",
            "completed_at?": "time",
            "volume?": int,
        }
    ],
}
LOGS = {
    "apply_id?": str,
    "logs": [
        {
            "id": int,
            "apply_id": str,
            "level": str,
            "event_type": str,
            "message": str,
            "created_at": "time",
            "task_id?": int,
            "old_state?": str,
            "new_state?": str,
        }
    ],
}
LOCK = {
    "database": str,
    "database_type": str,
    "owner": str,
    "repository?": str,
    "pull_request?": int,
    "created_at?": "time",
    "updated_at?": "time",
}
BLOCKING = ("waiting_for_deploy", "waiting_for_cutover", "running", "cutting_over")
MAY_STOP = ("running", "cutting_over", "waiting_for_deploy", "waiting_for_cutover", "pending")
RETRYABLE = ("storage_error", "engine_unavailable", "state_sync_failed")


class Exit(Exception):
    """The command ends with exit code 1 and this text."""


@dataclass
class Answer:
    status: int
    body: dict[str, Any]

    @property
    def code(self) -> str:
        return str(self.body.get("error_code", ""))


def read(shape: Shape, value: Any, where: str = "body") -> None:
    """As Go's encoding/json into a struct of that shape: wrong types fail, unknown names do not."""
    if isinstance(shape, list):
        assert value is None or isinstance(value, list), f"{where} is no array: {value!r}"
        for number, item in enumerate(value or []):
            read(shape[0], item, f"{where}[{number}]")
    elif isinstance(shape, Mapping):
        assert isinstance(value, dict), f"{where} is no object: {value!r}"
        if "*" in shape:
            for name, item in value.items():
                read(shape["*"], item, f"{where}.{name}")
            return
        for name, inner in shape.items():
            plain = name.removesuffix("?")
            if plain in value:
                read(inner, value[plain], f"{where}.{plain}")
            else:
                assert name.endswith("?"), f"{where}.{plain} is missing"
    elif shape == "time":
        assert TIME.fullmatch(str(value)), f"{where} is no time: {value!r}"
    else:
        assert type(value) is shape, f"{where} is no {shape.__name__}: {value!r}"


@dataclass
class Original:
    """One working copy of the original's client: its schema.yaml and its user."""

    url: str
    database: str
    files: dict[str, str] = field(default_factory=dict)
    kind: str = "mysql"  # schemabot.yaml's default: it never knew sqlite
    owner: str = "cli:ann@laptop"
    namespace: str = "schema"
    printed: list[str] = field(default_factory=list)

    # -- the HTTP client (2.1) ----------------------------------------------------------------------------------

    def ask(self, method: str, path: str, body: object = None) -> Answer:
        connection = HTTPConnection(urlsplit(self.url).netloc, timeout=30)
        try:
            data = None if body is None else json.dumps(body).encode()
            headers = {"Content-Type": "application/json"} if data else {}
            connection.request(method, path, body=data, headers=headers)
            answer = connection.getresponse()
            text = answer.read()
            if answer.status != 200 and answer.headers["Content-Type"].startswith("text/plain"):
                return Answer(answer.status, {"message": text.decode()})
            assert answer.headers["Content-Type"] == "application/json"
            assert text.endswith(b"\n")
            found = json.loads(text)
            if answer.status != 200:
                read({"error": str, "error_code": str}, found)
            return Answer(answer.status, found)
        finally:
            connection.close()

    def success(self, shape: Shape, method: str, path: str, body: object = None) -> dict[str, Any]:
        """The body of a 200; anything else ends the command."""
        answer = self.ask(method, path, body)
        if answer.status != 200:
            texts = [answer.body.get(key) for key in ("error", "message", "error_message")]
            raise Exit(next(str(text) for text in texts if text))
        read(shape, answer.body)
        return answer.body

    # -- plan and apply (2.3) -------------------------------------------------------------------------------------

    def plan(self, environment: str = "") -> dict[str, dict[str, Any]]:
        environments = [environment] if environment else self.environments()
        return {name: self._plan(name) for name in environments}

    def environments(self) -> list[str]:
        path = f"/api/databases/{quote(self.database)}/environments"
        found = self.success({"database": str, "environments": [str]}, "GET", path)
        return [str(name) for name in found["environments"]]

    def _plan(self, environment: str) -> dict[str, Any]:
        request = {
            "database": self.database,
            "environment": environment,
            "type": self.kind,
            "schema_files": {self.namespace: {"files": self.files}},
            "target": self.database,
        }
        return self.success(PLAN, "POST", "/api/plan", request)

    def apply(self, environment: str, **flags: bool) -> str:
        """`apply -y`; the id, or "" when nothing changes. Flags: watch, allow_unsafe, defer_cutover, no_lock, force."""
        self._refuse_while_busy(environment)
        plan = self._plan(environment)
        if plan["errors"]:
            raise Exit("; ".join(plan["errors"]))
        if not any(change.get("table_changes") for change in plan["changes"]):
            self.printed.append("No changes. Your schema is up-to-date.")
            return ""
        unsafe = [found for found in plan["lint_violations"] if found.get("severity") == "error"]
        if unsafe and not flags.get("allow_unsafe"):
            raise Exit("Unsafe Changes Detected")
        if not flags.get("no_lock"):
            self._lock(force=flags.get("force", False))
        return self._submit(plan["plan_id"], environment, **flags)

    def _refuse_while_busy(self, environment: str) -> None:
        query = urlencode({"environment": environment})
        answer = self.ask("GET", f"/api/progress/{quote(self.database)}?{query}")
        if answer.status == 200:  # its errors are ignored
            read(PROGRESS, answer.body)
            if answer.body["state"] in BLOCKING:
                raise Exit(f"schema change already {answer.body['state']}")

    def _submit(self, plan_id: str, environment: str, **flags: bool) -> str:
        options = {"defer_deploy": "true"} if flags.get("watch", True) else {}
        if flags.get("defer_cutover"):
            options["defer_cutover"] = "true"
        body: dict[str, object] = {
            "plan_id": plan_id,
            "database": self.database,
            "environment": environment,
            "caller": self.owner,
            "target": self.database,
        }
        if options:
            body["options"] = options
        answer = self.success({**ACCEPTED, "apply_id?": str}, "POST", "/api/apply", body)
        if not answer["accepted"]:
            raise Exit(f"apply not accepted: {answer['error_message']}")
        self.printed.append(f"Apply started: {answer['apply_id']}")
        return str(answer["apply_id"])

    # -- locks ------------------------------------------------------------------------------------------------------

    def _lock(self, *, force: bool) -> None:
        held = self.lock()
        other = held is not None and held["owner"] != self.owner
        if other and not force:
            raise Exit("database is locked")
        if other:
            self.success({"status": str}, "DELETE", "/api/locks", self._place(force=True))
        answer = self.ask("POST", "/api/locks/acquire", self._place(owner=self.owner))
        if answer.status == 409:
            read(LOCK, answer.body["current_lock"])
            raise Exit("lock conflict")
        read({"lock": LOCK}, answer.body)

    def lock(self) -> dict[str, Any] | None:
        answer = self.ask("GET", f"/api/locks/{quote(self.database)}/{self.kind}")
        if answer.status == 404:
            return None
        read({"lock": LOCK}, answer.body)
        found: dict[str, Any] = answer.body["lock"]
        return found

    def unlock(self, *, force: bool = False) -> str:
        if self.lock() is None:
            return "No lock found"
        body = self._place(force=True) if force else self._place(owner=self.owner)
        return str(self.success({"status": str}, "DELETE", "/api/locks", body)["status"])

    def locks(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.success({"locks": [LOCK]}, "GET", "/api/locks")["locks"]
        return found

    def _place(self, **more: object) -> dict[str, object]:
        return {"database": self.database, "database_type": self.kind, **more}

    # -- looking ------------------------------------------------------------------------------------------------------

    def progress(self, apply_id: str) -> dict[str, Any]:
        return self.success(PROGRESS, "GET", f"/api/progress/apply/{quote(apply_id)}")

    def history(self, environment: str = "") -> list[dict[str, Any]]:
        query = f"?{urlencode({'environment': environment})}" if environment else ""
        body = self.success(HISTORY, "GET", f"/api/history/{quote(self.database)}{query}")
        found: list[dict[str, Any]] = body["applies"]
        return found

    def status(self) -> dict[str, Any]:
        return self.success(STATUS, "GET", "/api/status")

    def logs(self, apply_id: str = "", environment: str = "", limit: int = 50) -> list[dict[str, Any]]:
        if apply_id:
            path = f"/api/logs?{urlencode({'apply_id': apply_id, 'limit': limit})}"
        else:
            query = urlencode({"environment": environment, "limit": limit})
            path = f"/api/logs/{quote(self.database)}?{query}"
        found: list[dict[str, Any]] = self.success(LOGS, "GET", path)["logs"]
        return found

    def settings(self, key: str = "", value: str = "") -> Any:
        if value:
            return self.success(
                {"key": str, "value": str}, "POST", "/api/settings", {"key": key, "value": value}
            )
        if key:
            answer = self.ask("GET", f"/api/settings/{key}")  # not escaped
            return "(not set)" if answer.status == 404 else answer.body["value"]
        return self.success({"settings": [{"key": str, "value": str}]}, "GET", "/api/settings")["settings"]

    # -- watching (2.4) -------------------------------------------------------------------------------------------------

    def watch(self, apply_id: str, until: tuple[str, ...] = (), limit: float = 60.0) -> str:
        """The terminal view: its last state. Ends on its own terminal states, on *until*, or on an error it cannot retry."""
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline:
            answer = self.ask("GET", f"/api/progress/apply/{apply_id}")
            if answer.status == 200:
                read(PROGRESS, answer.body)
                self.printed.append(answer.body["state"])
                if answer.body["state"] in ("completed", "failed", "stopped", "cancelled", "", *until):
                    return str(answer.body["state"])
            elif answer.code not in RETRYABLE:
                raise Exit(str(answer.body))
            time.sleep(0.02)
        raise AssertionError(f"never ended: {self.printed[-1]}")

    # -- control ----------------------------------------------------------------------------------------------------

    def control(self, verb: str, apply_id: str, **more: object) -> dict[str, Any]:
        """Resolve the apply, look at its state, send the command."""
        resolved = self.progress(apply_id)
        if not (resolved.get("database") and resolved.get("environment")):
            raise Exit(f"could not resolve database/environment for apply ID '{apply_id}'")
        state = self.progress(apply_id)["state"]
        self._may(verb, state)
        body = {"database": resolved["database"], "environment": resolved["environment"], **more}
        if verb not in ("revert", "skip-revert"):
            body["apply_id"] = apply_id
        return self.success(self._answer_of(verb), "POST", f"/api/{verb}", body)

    @staticmethod
    def _answer_of(verb: str) -> dict[str, Shape]:
        counts = {
            "stop": {"stopped_count": int, "skipped_count": int},
            "start": {"started_count": int, "skipped_count": int},
            "volume": {"previous_volume": int, "new_volume": int},
        }
        return {**ACCEPTED, **counts.get(verb, {})}

    @staticmethod
    def _may(verb: str, state: str) -> None:
        may = {
            "stop": MAY_STOP,
            "start": ("stopped", "waiting_for_deploy"),
            "volume": ("running", "cutting_over", "waiting_for_cutover", "stopped"),
            "revert": ("revert_window",),
            "skip-revert": ("revert_window",),
        }
        if verb in may and state not in may[verb]:
            raise Exit(f"cannot {verb}: {state}")

    def rollback(self, apply_id: str, environment: str) -> str:
        plan = self.success(PLAN, "POST", "/api/rollback/plan", {"apply_id": apply_id})
        assert all(plan[name] for name in ("database", "environment", "database_type"))
        self._refuse_while_busy(environment)
        if not any(change.get("table_changes") for change in plan["changes"]):
            return ""
        self._lock(force=False)
        return self._submit(plan["plan_id"], environment)
