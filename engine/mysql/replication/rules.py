"""What the replicas of a server leave out of what it sends, or call otherwise, and what cannot be done because of that."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Self

from engine.errors import Refused
from engine.mysql.link import Link
from engine.mysql.names import names_of
from engine.mysql.replication.filters import ReplicaFilters
from engine.mysql.replication.followers import Unseen
from engine.mysql.replication.replicas import Answer, Replica, Replicas, Unasked


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaRules:
    """Those of all replicas."""

    filters: tuple[tuple[str, ReplicaFilters], ...]
    """With who it is; of each channel that has any."""
    unknown: tuple[str, ...]
    """Who does not tell, and why."""

    @classmethod
    def of(cls, answers: Mapping[Replica, Answer]) -> Self:
        """Those that the replicas tell."""
        return cls(
            filters=tuple(
                (str(one), channel.filters)
                for one, answer in answers.items()
                if not isinstance(answer, Unasked)
                for channel in answer
                if channel.filters != ReplicaFilters()
            ),
            unknown=tuple(
                f"{one}: {answer}" for one, answer in answers.items() if isinstance(answer, Unasked)
            ),
        )

    def against_change(self, home: str, schemas: Collection[str]) -> Iterator[str]:
        """Of each replica that is against any change of *schemas*: why.

        One that has a schema under another name would stop at our first statement, as ours name it; one that has only some of the
        schemas takes statements by the schema that our sessions select, *home*.
        """
        for replica, filters in self.filters:
            if what := filters.renamed(schemas):
                yield f"the replica {replica} {what}: it would stop at our first statement"
            elif what := filters.split(home, schemas):
                yield f"the replica {replica} {what}: change them by applies of their own"

    def against_copy(self, tables: Collection[tuple[str, str]]) -> Iterator[str]:
        """Of each replica that would stop at the cutover of one of *tables*, schema and name: why it is not copied online.

        It keeps the table and not its copy, or the other way round.
        """
        for replica, filters in self.filters:
            if what := next(filter(None, (_parted(filters, *one) for one in tables)), ""):
                yield f"the replica {replica} {what} and would stop"


def read_rules(source: Link, replicas: Replicas) -> ReplicaRules:
    """Ask them. Where the account may not see who replicates, nobody is known to leave anything out."""
    try:
        answers = replicas.answers(source)
    except Unseen:
        answers = {}
    return ReplicaRules.of(answers)


def _parted(filters: ReplicaFilters, schema: str, table: str) -> str:
    try:
        names = names_of(table)
    except Refused:
        return ""  # it is not copied online
    return filters.parted(schema, (table, names.shadow, names.old))
