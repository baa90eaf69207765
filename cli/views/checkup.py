"""What `doctor` saw: one paragraph for each thing looked at, a sign for each observation, and what to do under it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from cli.views.text import GREEN, RED, YELLOW, count, one_line

SIGNS = {"good": ("✓", GREEN), "doubtful": ("!", YELLOW), "bad": ("✗", RED)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One thing seen. `verdict`: good, doubtful or bad; `remedy`: what to do about what is not good."""

    verdict: str
    subject: str
    text: str
    remedy: str = ""

    def document(self) -> dict[str, str]:
        """As JSON has it."""
        return {"verdict": self.verdict, "subject": self.subject, "text": self.text, "remedy": self.remedy}


def checkup_view(about: str, notes: Sequence[Note]) -> RenderableType:
    """One paragraph."""
    return Group(*_lines(about, notes))


def _lines(about: str, notes: Sequence[Note]) -> Iterator[RenderableType]:
    yield Text(one_line(about), style="bold")
    for note in notes:
        sign, style = SIGNS.get(note.verdict, ("?", YELLOW))
        text = Text.assemble(
            (f"{sign} ", style), (f"{one_line(note.subject)}: ", "bold"), one_line(note.text)
        )
        yield Padding(text, (0, 0, 0, 2), expand=False)
        if note.remedy:
            yield Padding(Text(f"→ {one_line(note.remedy)}", style=style), (0, 0, 0, 4), expand=False)
    yield Text("")


def verdict_sentence(notes: Sequence[Note]) -> tuple[str, str]:
    """The last line and its colour."""
    bad = sum(note.verdict == "bad" for note in notes)
    doubtful = sum(note.verdict == "doubtful" for note in notes)
    if bad:
        return f"{count(bad, 'thing')} to mend before changes can run.", RED
    if doubtful:
        return f"Ready. {count(doubtful, 'remark')} worth a look.", YELLOW
    return "Ready: nothing to mend.", GREEN
