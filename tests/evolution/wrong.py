"""What a journey finds to be wrong."""

import re

_NAMES = re.compile(r"`(?:[^`]|``)*`|'(?:[^']|'')*'|\"[^\"]*\"|t_[0-9a-f]{16}\S*")


def signature_of(text: str) -> str:
    """The same for two that are likely to have one cause: without names and numbers."""
    return re.sub(r"[0-9]+", "#", _NAMES.sub("…", text.split("\n")[0]))[:160]


class Wrong(AssertionError):
    """`kind` says which promise was broken, the text what came."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(f"{kind}: {text}")
        self.kind = kind
        self.text = text

    @property
    def signature(self) -> str:
        """The kind of it, and of its text what is not of this pair alone."""
        return f"{self.kind}: {signature_of(self.text)}"
