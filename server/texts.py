"""Texts from elsewhere made fit for people: no secrets, no control characters, not endless (AV-6)."""

import re

from server.secrets import redact

MOST = 8_000

# Everything that moves a terminal's cursor or reorders text; line feeds and tabs stay.
_UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_UNFIT_OR_END = re.compile(_UNFIT.pattern[:-1] + "\n\u0085\u2028\u2029]")
_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|.)?", re.DOTALL)


def one_line(text: str) -> str:
    """*text* with line ends and control characters made visible; nothing is left out."""
    return _UNFIT_OR_END.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def clean(text: str, most: int = MOST) -> str:
    """*text* without secrets and control characters, at most *most* characters long."""
    if not text:
        return ""
    # Cut first, generously: a pattern is never run over megabytes of somebody's text.
    text = text[: 4 * most]
    text = _UNFIT.sub(" ", _ESCAPE.sub("", text.replace("\r\n", "\n")))
    text = redact(text)
    return text if len(text) <= most else text[: most - 1] + "…"
