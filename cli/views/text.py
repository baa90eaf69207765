"""Texts fit for a terminal: no control characters, counts and times as people write them, a style for every state."""

import re
from datetime import UTC, datetime

# C0 and C1 controls but tab and newline; bidirectional overrides; lone surrogates.
_UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")

BLUE, YELLOW, GREEN, ORANGE, RED, DIM = "blue", "yellow", "green", "dark_orange", "red", "dim"

STATE_STYLES = {
    "waiting_for_cutover": YELLOW,
    "waiting_for_deploy": YELLOW,
    "failed_retryable": YELLOW,
    "revert_window": YELLOW,
    "completed": GREEN,
    "stopped": ORANGE,
    "cancelled": ORANGE,
    "reverted": ORANGE,
    "failed": RED,
    "": DIM,
}
STATE_WORDS = {
    "failed_retryable": "retrying",
    "waiting_for_cutover": "waiting for cutover",
    "": "nothing yet",
}
STATE_SIGNS = {
    "completed": "✓",
    "failed": "✗",
    "stopped": "■",
    "cancelled": "■",
    "reverted": "■",
    "pending": "○",
}


def clean(text: str) -> str:
    """*text* without anything that could move the cursor or reorder what is read."""
    return _UNFIT.sub("", text)


def one_line(text: str) -> str:
    """*text* cleaned and on one line."""
    return " ".join(clean(text).split())


def state_style(state: str) -> str:
    """Blue while it goes on, yellow held or retrying, green done, orange stopped, red failed."""
    return STATE_STYLES.get(state, BLUE)


def state_word(state: str) -> str:
    """The state as people say it."""
    return STATE_WORDS.get(state, one_line(state).replace("_", " "))


def state_sign(state: str) -> str:
    """One character for the state."""
    return STATE_SIGNS.get(state, "●")


def count(number: int, noun: str = "", plural: str = "") -> str:
    """`1,000` or `1 row`, `2 rows`."""
    if not noun:
        return f"{number:,}"
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def duration(seconds: float) -> str:
    """`7 s`, `1:05`, `2:03:09` or `3 d 04 h`."""
    whole = max(0, round(seconds))
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02}"
    if whole < 86_400:
        return f"{whole // 3600}:{whole // 60 % 60:02}:{whole % 60:02}"
    return f"{whole // 86_400} d {whole // 3600 % 24:02} h"


def moment(text: str) -> str:
    """An RFC 3339 time as the local clock shows it; the text itself when it is no time."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return one_line(text)
    return found.astimezone().strftime("%Y-%m-%d %H:%M:%S") if found.tzinfo else one_line(text)


def clock(time: datetime) -> str:
    """The time of day on the local clock."""
    return time.astimezone().strftime("%H:%M:%S")


def now() -> datetime:
    """The present, with its zone."""
    return datetime.now(UTC)
