"""Two schemas, and rows of the first: all that a journey needs, as SQL. Kept in a file, it can be run again."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

Kept = tuple[tuple[str, str], tuple[str, str]]
"""Table and column before and after, of one that stays."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """From *before*, with *rows*, to *desired*."""

    before: tuple[str, ...]
    rows: tuple[str, ...]  # some of which a server may not take
    desired: tuple[str, ...]
    kept: tuple[Kept, ...]
    online: bool  # no table is taken for a small one

    @property
    def file(self) -> str:
        """The desired schema as people write it."""
        return "".join(f"{statement};\n" for statement in self.desired)

    def save(self, path: Path) -> None:
        """For `load`."""
        path.write_text(json.dumps(asdict(self), ensure_ascii=False, indent=1))

    @classmethod
    def load(cls, path: Path) -> Self:
        """What was saved."""
        read = json.loads(path.read_text())
        return cls(
            before=tuple(read["before"]),
            rows=tuple(read["rows"]),
            desired=tuple(read["desired"]),
            kept=tuple((tuple(old), tuple(new)) for old, new in read["kept"]),
            online=read["online"],
        )

    def __str__(self) -> str:
        """To read, and to paste into a client."""
        lines = [f"{statement};" for statement in (*self.before, *self.rows)]
        small = "no table is small" if self.online else "small tables"
        return "\n".join(["-- before", *lines, f"-- desired ({small})", self.file])
