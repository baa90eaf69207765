"""What an apply may be asked for: read from a request's or the store's strings, and written back as strings. One way each."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from engine.base import VOLUMES

FLAGS = ("defer_cutover", "defer_deploy", "skip_revert")
KNOWN = (*FLAGS, "allow_unsafe", "branch", "volume")


class BadOption(ValueError):
    """The text is none of what the option may be; the message names both."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyOptions:
    """The options of one apply. None: the client did not say."""

    defer_cutover: bool = False
    defer_deploy: bool = False
    skip_revert: bool = False
    allow_unsafe: bool | None = None
    branch: str = ""
    volume: int | None = None

    @classmethod
    def asked(cls, texts: Mapping[str, str]) -> "ApplyOptions":
        """From a request, where a name that resembles one of ours is a slip: BadOption. Else as `read`."""
        for name in texts:
            _refuse_slip(name)
        return cls.read(texts)

    @classmethod
    def read(cls, texts: Mapping[str, str]) -> "ApplyOptions":
        """From strings; names nobody knows are another version's, and ignored. BadOption: guessing could allow too much."""
        volume = texts.get("volume", "")
        return cls(
            defer_cutover=_flag(texts, "defer_cutover") or False,
            defer_deploy=_flag(texts, "defer_deploy") or False,
            skip_revert=_flag(texts, "skip_revert") or False,
            allow_unsafe=_flag(texts, "allow_unsafe"),
            branch=texts.get("branch", ""),
            volume=_volume(volume) if volume else None,
        )

    def texts(self) -> dict[str, str]:
        """As strings, for the store and the wire; what was not asked for is left out."""
        found = {flag: "true" for flag in FLAGS if getattr(self, flag)}
        if self.allow_unsafe is not None:
            found["allow_unsafe"] = "true" if self.allow_unsafe else "false"
        if self.branch:
            found["branch"] = self.branch
        if self.volume is not None:
            found["volume"] = str(self.volume)
        return found


def _refuse_slip(name: str) -> None:
    """A misspelt defer_cutover, ignored, would go live at once."""
    if name not in KNOWN and (near := difflib.get_close_matches(name, KNOWN, n=1, cutoff=0.8)):
        raise BadOption(f'options.{name} is not known; did you mean "{near[0]}"?')


def _flag(texts: Mapping[str, str], name: str) -> bool | None:
    text = texts.get(name)
    if text is None:
        return None
    if text not in ("true", "false"):
        raise BadOption(f'options.{name} must be "true" or "false"')
    return text == "true"


def _volume(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 2 and int(text) in VOLUMES):
        raise BadOption(f'options.volume must be a whole number between "{VOLUMES[0]}" and "{VOLUMES[-1]}"')
    return int(text)
