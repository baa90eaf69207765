"""What bodies look like on the wire, in a shorthand that reads like them.

`str`, `int`, `bool`; TIME; a tuple of words: one of them; "Name": another shape; [x]: an array; {"*": x}: a map; {name: x}: an
object, whose name with a "?" may be missing. Objects may hold more than is told: clients ignore what they do not know.
"""

from typing import Any

from server.bodies import LONGEST_ENVIRONMENT, LONGEST_NAME, LONGEST_PASSAGE, LONGEST_TYPE
from server.config import DATABASE_TYPES
from storage.states import State

TIME = {"type": "string", "format": "date-time"}


def short(most: int = LONGEST_NAME, least: int = 0) -> dict[str, Any]:
    """A string of a request, without control characters."""
    return {
        "type": "string",
        "minLength": least,
        "maxLength": most,
        "pattern": "^[^\\x00-\\x1f\\x7f-\\x9f]*$",
    }


NAME = short(least=1)
ENVIRONMENT = short(LONGEST_ENVIRONMENT, 1)
TYPE = short(LONGEST_TYPE, 1)
INT32 = {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1}
VOLUME = {"type": "integer", "minimum": 1, "maximum": 11}
FLAG = ("true", "false")
OPTIONS = {
    "defer_cutover?": FLAG,
    "defer_deploy?": FLAG,
    "skip_revert?": FLAG,
    "allow_unsafe?": FLAG,
    "branch?": short(),
    "volume?": tuple(str(number) for number in range(1, 12)),
}
COMMAND = {
    "database?": short(),  # one of it and apply_id
    "environment?": short(LONGEST_ENVIRONMENT),
    "apply_id?": short(),
    "caller?": short(),
}
ACCEPTED = {"accepted": bool, "error_code?": str, "error_message?": str}
LOCK = {"database": NAME, "database_type": TYPE}
APPLY_STATE = tuple(state.value for state in State)

REQUESTS: dict[str, Any] = {
    "PlanRequest": {
        "database": NAME,
        "environment": ENVIRONMENT,
        "type": DATABASE_TYPES,
        "schema_files": {"*": {"files?": {"*": str}}},
        "deployment?": short(),
        "repository?": short(),
        "pull_request?": INT32,
        "target?": str,
        "way_back?": bool,
    },
    "ApplyRequest": {
        "plan_id": NAME,
        "environment": ENVIRONMENT,
        "database?": str,
        "deployment?": short(),
        "caller?": short(),
        "target?": str,
        "options?": OPTIONS,
        "idempotency_key?": short(),
    },
    "Command": COMMAND,
    "VolumeCommand": {**COMMAND, "volume": VOLUME},
    "RollbackRequest": {"apply_id": NAME, "environment?": short(LONGEST_ENVIRONMENT)},
    "PullRequest": {
        "database": NAME,
        "environment?": short(LONGEST_ENVIRONMENT),
        "type?": str,
        "namespaces?": [short()],
    },
    "LockRequest": {**LOCK, "owner": NAME, "repository?": short(), "pull_request?": INT32},
    "ReleaseRequest": {**LOCK, "owner?": short(), "force?": bool},
    "SettingRequest": {"key": NAME, "value?": {"type": "string", "maxLength": LONGEST_PASSAGE // 4}},
    "Delivery": {},
}

ANSWERS: dict[str, Any] = {
    "Error": {"error": str, "error_code": str},
    "LockConflict": {"error": str, "error_code": str, "current_lock?": "Lock"},
    "Ok": {"status": str},
    "TernHealth": {"deployment": str, "environment": str, "status": str},
    "Databases": {
        "databases": [
            {"name": str, "database": str, "type": DATABASE_TYPES, "environments": [{"environment": str}]}
        ],
        "deployments?": [{"name": str, "environments": [str]}],
    },
    "Environments": {"database": str, "environments": [str]},
    "Pulled": {"database": str, "environment": str, "type": str, "files": {"*": {"*": str}}},
    "PulledTables": {
        "database": str,
        "environment": str,
        "type": str,
        "namespaces": {"*": {"tables": {"*": str}}},
        "table_count": int,
    },
    "Plan": {
        "plan_id": str,
        "database?": str,
        "database_type?": str,
        "environment?": str,
        "engine": str,
        "changes": [
            {"namespace": str, "table_changes?": ["TableChange"], "metadata?": {"*": str}},
        ],
        "lint_violations": ["Violation"],
        "errors": [str],
        "unmanaged?": [str],
        "way_back?": {"*": {"*": str}},
    },
    "TableChange": {
        "table_name": str,
        "namespace?": str,
        "ddl": str,
        "change_type": ("create", "alter", "drop", "vschema_update", "other"),
        "is_unsafe?": bool,
        "unsafe_reason?": str,
        "strategy?": str,
        "lock?": str,
    },
    "Violation": {
        "message": str,
        "severity": ("error", "warning", "info"),
        "severity_detail": ("blocked", "error", "warning", "info"),
        "table?": str,
        "column?": str,
        "linter?": str,
        "file?": str,
        "line?": int,
    },
    "Applied": {**ACCEPTED, "apply_id?": str},
    "Progress": {
        "state": (*APPLY_STATE, ""),
        "engine": str,
        "apply_id?": str,
        "plan_id?": str,
        "external_id?": str,
        "database?": str,
        "database_type?": str,
        "environment?": str,
        "caller?": str,
        "pull_request?": str,
        "started_at?": TIME,
        "completed_at?": TIME,
        "tables?": ["Table"],
        "error_code?": str,
        "error_message?": str,
        "summary?": str,
        "volume?": VOLUME,
        "options?": {"*": str},
        "metadata?": {"*": str},
        "attempt?": int,
        "max_attempts?": int,
        "next_attempt_at?": TIME,
    },
    "Table": {
        "table_name": str,
        "ddl": str,
        "status": APPLY_STATE,
        "rows_copied": int,
        "rows_total": int,
        "percent_complete": {"type": "integer", "minimum": 0, "maximum": 100},
        "keyspace?": str,
        "change_type?": str,
        "eta_seconds?": int,
        "is_instant?": bool,
        "progress_detail?": str,
        "task_id?": str,
        "started_at?": TIME,
        "completed_at?": TIME,
        "strategy?": str,
        "rows_per_second?": int,
        "detail?": str,
        "attempt?": int,
        "error_message?": str,
    },
    "History": {"database": str, "applies": ["PastApply"]},
    "PastApply": {
        "apply_id": str,
        "caller": str,
        "engine": str,
        "environment": str,
        "state": APPLY_STATE,
        "created_at?": TIME,
        "started_at?": TIME,
        "completed_at?": TIME,
        "error?": str,
        "error_code?": str,
    },
    "Status": {
        "active_count": int,
        "limit": int,
        "max_limit": int,
        "has_more?": bool,
        "failures_only?": bool,
        "state?": APPLY_STATE,
        "last?": str,
        "applies": ["RecentApply"],
    },
    "RecentApply": {
        "apply_id": str,
        "database": str,
        "environment": str,
        "state": APPLY_STATE,
        "engine": str,
        "caller": str,
        "updated_at": TIME,
        "attempt": int,
        "max_attempts": int,
        "deployment?": str,
        "external_id?": str,
        "error_message?": str,
        "started_at?": TIME,
        "completed_at?": TIME,
        "next_attempt_at?": TIME,
        "volume?": VOLUME,
    },
    "Attempts": {
        "apply_id": str,
        "attempts": [
            {
                "fence": int,
                "attempt": int,
                "owner": str,
                "claimed_at": TIME,
                "ended_at?": TIME,
                "outcome": str,
            }
        ],
    },
    "Logs": {
        "apply_id?": str,
        "logs": [
            {
                "id": int,
                "apply_id": str,
                "level": ("debug", "info", "warn", "error"),
                "event_type": str,
                "message": str,
                "created_at": TIME,
                "task_id?": int,
                "old_state?": str,
                "new_state?": str,
            }
        ],
    },
    "Accepted": ACCEPTED,
    "Stopped": {**ACCEPTED, "stopped_count": int, "skipped_count": int, "pending?": bool},
    "Started": {**ACCEPTED, "started_count": int, "skipped_count": int},
    "Cancelled": {**ACCEPTED, "cancelled_count": int, "skipped_count": int},
    "VolumeSet": {**ACCEPTED, "previous_volume": VOLUME, "new_volume": VOLUME},
    "Lock": {
        "database": str,
        "database_type": str,
        "owner": str,
        "repository?": str,
        "pull_request?": int,
        "created_at?": TIME,
        "updated_at?": TIME,
    },
    "OneLock": {"lock": "Lock"},
    "Locks": {"locks": ["Lock"]},
    "Released": {"status": ("released",)},
    "Setting": {"key": str, "value": str},
    "Settings": {"settings": ["Setting"]},
}
