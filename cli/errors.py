"""What ends a command, and with which exit code: the codes are part of the program's contract."""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any


class Exit(IntEnum):
    """How the process ends; documented in `schemabot --help` and docs/cli.md."""

    OK = 0
    FAILED = 1
    USAGE = 2
    UNSAFE = 3
    UNREACHABLE = 4
    ENDED_EARLY = 5
    INTERRUPTED = 130


INTERRUPTED = "Interrupted. `schemabot status` shows what is going on."

EXIT_CODES = {
    Exit.OK: "success, or nothing to do",
    Exit.FAILED: "failed, or refused",
    Exit.USAGE: "the command line or a file it names cannot be understood",
    Exit.UNSAFE: "an unsafe change was refused (see --allow-unsafe)",
    Exit.UNREACHABLE: "the server cannot be reached",
    Exit.ENDED_EARLY: "the apply was stopped, cancelled or reverted before its end",
    Exit.INTERRUPTED: "interrupted by you; a server goes on with the work",
}


PASSING_STATUSES = frozenset({429, 502, 503, 504})
PASSING_CODES = frozenset({"storage_error", "engine_unavailable", "state_sync_failed"})


HINTS = {
    400: "correct the command; `schemabot COMMAND --help` has examples",
    401: "put the server's token into SCHEMABOT_TOKEN: export SCHEMABOT_TOKEN=…",
    403: "ask whoever runs the server for a token that may do this",
    404: "see what the server knows: schemabot status, and the names in its configuration",
    409: "see what is going on: schemabot status, schemabot locks",
    429: "try again in a moment",
    502: "the server is not ready: try again in a moment, then read its log",
    503: "the server is not ready: try again in a moment, then read its log",
    504: "the server is not ready: try again in a moment, then read its log",
}
"""What to do next about a refusal of the server that does not say so itself."""
HINT_OF_FILES = "nothing was changed: correct the files, then plan again"
HINT_OF_A_FAILURE = "the server's log says more; `schemabot doctor` looks for what has to be mended"


def _hint(status: int, message: str) -> str:
    of_files = message.startswith("plan failed: ") and ".sql:" in message
    return HINT_OF_FILES if of_files else HINTS.get(status, HINT_OF_A_FAILURE)


class CliError(Exception):
    """Shown as `Error: …`, with `hint` (what to do next) under it; ends the process with `exit_code`."""

    exit_code = Exit.FAILED
    code = "failed"
    as_json = False
    """Whether the command was asked for JSON, so that its error is a line of that, too."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class Refused(CliError):
    """The request makes no sense now; the hint says what would."""

    code = "refused"


class WrongUsage(CliError):
    """The command line, the project file or the profile has to be corrected."""

    exit_code = Exit.USAGE
    code = "config_error"


class UnsafeRefused(CliError):
    """Data could be lost and nobody allowed it."""

    exit_code = Exit.UNSAFE
    code = "unsafe_changes"


class Unreachable(CliError):
    """Nobody answered: try again. `sent` is false when the server cannot have seen the request."""

    exit_code = Exit.UNREACHABLE
    code = "unreachable"

    def __init__(self, message: str, hint: str = "", *, sent: bool = True) -> None:
        super().__init__(message, hint)
        self.sent = sent


class Interrupted(CliError):
    """A person pressed Ctrl-C; the message says what becomes of the work."""

    exit_code = Exit.INTERRUPTED
    code = "interrupted"


class ApiError(CliError):
    """The server answered, but not with success."""

    code = "api_error"

    def __init__(
        self, status: int, message: str, error_code: str = "", body: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message, _hint(status, message))
        self.status = status
        self.error_code = error_code
        self.body = body or {}

    @property
    def passing(self) -> bool:
        """Whether the same request may well succeed a little later."""
        return self.status in PASSING_STATUSES or self.error_code in PASSING_CODES
