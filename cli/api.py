"""The server's routes as calls: what is sent, and the record that comes back."""

from collections.abc import Mapping
from typing import Any

from cli.client import Client, segment
from cli.errors import ApiError
from cli.replies import ApplyRow, Event, Lock, Plan, Progress, ServedRow, rows


class Api:
    """One server. Every call raises ApiError (it refused) or Unreachable (nobody answered)."""

    def __init__(self, client: Client) -> None:
        self.client = client

    # -- databases ----------------------------------------------------------------------------------------------

    def databases(self) -> list[dict[str, Any]]:
        """Every configured database: name, type, environments; none when the server does not list them (the older original's)."""
        try:
            found = rows(self.client.get("/api/databases"), "databases")
        except ApiError as error:
            if error.status == 404:
                return []
            raise
        return [{**entry, "name": entry.get("name", entry.get("database"))} for entry in found]

    def served(self) -> tuple[Mapping[str, Any], list[ServedRow]]:
        """The answer as it came, and what the server changes: its databases, and the deployments of others."""
        answer = self.client.get("/api/databases")
        found = [ServedRow.read(row) for row in rows(answer, "databases")]
        elsewhere = [ServedRow.read({**row, "type": "deployment"}) for row in rows(answer, "deployments")]
        return answer, found + elsewhere

    def environments(self, database: str, deployment: str = "") -> list[str]:
        """The environments of *database*, sorted."""
        path = f"/api/databases/{segment(database)}/environments"
        found = self.client.get(path, deployment=deployment).get("environments")
        return [str(name) for name in found] if isinstance(found, list) else []

    def pull(self, database: str, environment: str) -> dict[str, Any]:
        """The live schema as files, with its database, environment and type."""
        return self.client.get(f"/api/pull/{segment(database)}", environment=environment)

    # -- plan and apply -----------------------------------------------------------------------------------------

    def plan(self, body: Mapping[str, Any]) -> Plan:
        """Plan the files in *body*."""
        return Plan.read(
            self.client.post("/api/plan", body),
            database=str(body["database"]),
            database_type=str(body["type"]),
            environment=str(body["environment"]),
        )

    def rollback_plan(self, apply_id: str) -> Plan:
        """What it takes to go back to the schema from before *apply_id*."""
        answer = self.client.post("/api/rollback/plan", {"apply_id": apply_id})
        return Plan.read(answer, database="", database_type="", environment="")

    def apply(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Enqueue a plan; `accepted` says whether."""
        return self.client.post("/api/apply", body)

    # -- looking ------------------------------------------------------------------------------------------------

    def progress(self, apply_id: str) -> Progress:
        """How far an apply is."""
        return Progress.read(self.client.get(f"/api/progress/apply/{segment(apply_id)}"))

    def database_progress(self, database: str, environment: str) -> Progress:
        """The active apply of the database, or its latest; state "" when there never was one."""
        return Progress.read(self.client.get(f"/api/progress/{segment(database)}", environment=environment))

    def status(self) -> tuple[Mapping[str, Any], list[ApplyRow]]:
        """The answer as it came, and the latest applies of all databases."""
        answer = self.client.get("/api/status")
        return answer, [ApplyRow.read(row) for row in rows(answer, "applies")]

    def history(self, database: str, environment: str) -> tuple[Mapping[str, Any], list[ApplyRow]]:
        """The answer as it came, and the applies of one database, newest first."""
        answer = self.client.get(f"/api/history/{segment(database)}", environment=environment)
        return answer, [ApplyRow.read({"database": database, **row}) for row in rows(answer, "applies")]

    def logs(self, apply_id: str, limit: int) -> tuple[Mapping[str, Any], list[Event]]:
        """The answer as it came, and the newest events of an apply, oldest first."""
        answer = self.client.get("/api/logs", apply_id=apply_id, limit=limit)
        return answer, [Event.read(row) for row in rows(answer, "logs")]

    # -- commands -----------------------------------------------------------------------------------------------

    def control(self, verb: str, progress: Progress, caller: str, **more: Any) -> dict[str, Any]:
        """Send a command about an apply (`stop`, `start`, `cancel`, `cutover`, …), with what *more* it takes."""
        body = {
            **more,
            "database": progress.database,
            "environment": progress.environment,
            "apply_id": progress.apply_id,
            "caller": caller,
        }
        return self.client.post(f"/api/{verb}", body)

    # -- settings -----------------------------------------------------------------------------------------------

    def settings(self) -> tuple[Mapping[str, Any], list[tuple[str, str]]]:
        """The answer as it came, and every setting with its value."""
        answer = self.client.get("/api/settings")
        found = rows(answer, "settings")
        return answer, [(str(row.get("key", "")), str(row.get("value", ""))) for row in found]

    def setting(self, key: str) -> str | None:
        """Its value; None when it is not set."""
        try:
            return str(self.client.get(f"/api/settings/{segment(key)}").get("value", ""))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def set_setting(self, key: str, value: str) -> dict[str, Any]:
        """Keep it."""
        return self.client.post("/api/settings", {"key": key, "value": value})

    # -- locks --------------------------------------------------------------------------------------------------

    def locks(self) -> tuple[Mapping[str, Any], list[Lock]]:
        """The answer as it came, and all locks, newest first."""
        answer = self.client.get("/api/locks")
        return answer, [Lock.read(row) for row in rows(answer, "locks")]

    def lock(self, database: str, database_type: str) -> Lock | None:
        """Who holds the database; None when it is free."""
        try:
            answer = self.client.get(f"/api/locks/{segment(database)}/{segment(database_type)}")
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        found = answer.get("lock")
        return Lock.read(found if isinstance(found, dict) else {})

    def acquire_lock(self, database: str, database_type: str, owner: str) -> None:
        """Take the lock, or keep it; ApiError with status 409 when somebody else has it."""
        body = {"database": database, "database_type": database_type, "owner": owner}
        self.client.post("/api/locks/acquire", body)

    def release_lock(self, database: str, database_type: str, owner: str, *, force: bool = False) -> bool:
        """Release it; False when nobody held it. ApiError with status 403 when somebody else does."""
        body: dict[str, Any] = {"database": database, "database_type": database_type, "owner": owner}
        if force:
            body["force"] = True
        try:
            self.client.delete("/api/locks", body)
        except ApiError as error:
            if error.status == 404:
                return False
            raise
        return True
