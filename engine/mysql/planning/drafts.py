"""One change on its way into the plan: its step, how it runs, what it locks, and the SQL people review."""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.base import Change, Strategy
from engine.mysql.planning.order import Unit
from engine.mysql.spec import Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A change before its findings are known. `units`: the tables that differ and that it brings to what is desired."""

    namespace: str
    units: tuple[Unit, ...]
    step: Step
    ddl: tuple[str, ...]  # the statements as people review them: without schema and ;
    strategy: Strategy
    lock: str
    warnings: tuple[str, ...] = ()
    blocking: tuple[str, ...] = ()  # why writers of a big table would wait
    parts: tuple[str, ...] = ()  # of all its ALTERs
    rebuilds: bool = False  # rows are written anew, and with them all indexes

    @property
    def name(self) -> str:
        """The table by whose name it goes."""
        return self.units[0].key[1]

    @property
    def live_name(self) -> str:
        """The name that its table has now; of a new one, the one it gets."""
        now = self.units[0].now
        return now.name if now else self.name

    @property
    def copies(self) -> bool:
        """Whether all rows go through the server's hands one by one, into a new table."""
        return self.strategy in (Strategy.DIRECT, Strategy.ONLINE)

    @property
    def change_type(self) -> str:
        """create | alter | drop | other."""
        kinds = {"alter" if unit.kind == "rename" else unit.kind for unit in self.units}
        return kinds.pop() if len(kinds) == 1 else "other"

    def change(self, unsafe: Sequence[str]) -> Change:
        """The change as the contract has it."""
        return Change(
            namespace=self.namespace,
            table=self.name,
            change_type=self.change_type,
            ddl="\n".join(f"{statement};" for statement in self.ddl),
            strategy=self.strategy,
            lock=self.lock,
            unsafe=tuple(unsafe),
            spec=self.step.to_json(),
        )
