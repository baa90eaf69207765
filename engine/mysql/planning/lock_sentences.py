"""What a change locks and for how long, in a sentence that a DBA can hold against the server's manual."""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.base import Strategy
from engine.mysql.planning.partitions import drops_rows, named_partitions, reorganises
from engine.mysql.planning.trial import Trial
from engine.mysql.quoting import quote_names
from engine.mysql.sizes import shown_bytes
from engine.mysql.spec import Algorithm

# Of two vCPUs with a cold-ish cache; real servers are faster. Only the order of magnitude is said.
_COPIED_PER_SECOND = (25_000_000, 120_000)  # bytes, rows of ALGORITHM=COPY
_BUILT_PER_SECOND = (80_000_000, 400_000)  # of a rebuild or an index build in place
_RENAMED_PER_SECOND = 60
"""Partitions, on two busy cores: 50 took up to 1.0 s, 200 up to 2.8 s."""
MOST_PARTITIONS = 60
"""The names of more are not exchanged within a second."""
_SHORTLY = "an exclusive metadata lock for milliseconds"


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """The live table as the server estimates it, or some of its partitions."""

    rows: int
    bytes_: int  # with its indexes
    partitions: tuple[str, ...] = ()  # their names; empty: it is all of the table
    pieces: int = 1  # partitions that the table has

    def __str__(self) -> str:
        return f"about {self.rows:,} row{'' if self.rows == 1 else 's'} ({shown_bytes(self.bytes_)})"

    def seconds(self, per_second: tuple[int, int]) -> str:
        """How long it may take, rounded to what one would say."""
        least = max(self.bytes_ / per_second[0], self.rows / per_second[1])
        if least < 1:
            return "less than a second"
        if least < 100:
            return f"{least:.0f} s"
        return f"{least / 60:.0f} min" if least < 6000 else f"{least / 3600:.0f} h"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tied:
    """The tables that foreign keys tie to one: what the servers lock of them was measured beside a second connection."""

    mariadb: bool
    all: Sequence[str] = ()
    referred: Sequence[str] = ()  # by keys that it has
    newly: Sequence[str] = ()  # by keys that it gets

    def at_once(self) -> str:
        """What any change of it waits for; begins with a space."""
        if not self.all:
            return ""
        who = "transactions that wrote there" if self.mariadb else "transactions there"
        return f" Foreign keys tie it to {_listed(self.all)}: it waits for {who} to end, too, and others there wait behind it."

    def while_copied(self) -> str:
        """Who waits as long as the server copies it, with the foreign keys looked at; begins with a space."""
        said = f" Writers of {_listed(self.newly)} wait as long." if self.newly else ""
        rest = [name for name in self.referred if name not in self.newly]
        if rest and not self.mariadb:
            said += f" Whoever changes a row of {_listed(rest)} that it refers to waits as long."
        return said


def made_anew(tied: Tied) -> str:
    """Of a new table. MariaDB does not wait for what it refers to."""
    return (
        "A new, empty table: nothing waits for it."
        if tied.mariadb or not tied.all
        else f"A new, empty table.{tied.at_once()}"
    )


def dropped(size: Size, tied: Tied) -> str:
    """Of a table that goes."""
    return f"Removes {size} at once; it waits for transactions that use the table to end.{tied.at_once()}"


def lock_sentence(
    strategy: Strategy,
    trials: Sequence[Trial],
    size: Size,
    tied: Tied,
    *,
    going: Size | None,
    obstacle: str,
    held_up: str,
) -> tuple[str, str]:
    """The sentence, and a warning ("" for most changes).

    *going*: the partitions that are dropped. *obstacle*: why a table that ought to be copied online can not be. *held_up*: the
    followers of the server.
    """
    said, warning = _how(strategy, trials, size, tied, obstacle=obstacle, held_up=held_up)
    removed = f"Removes {_named(going.partitions)} with {going} at once. " if going else ""
    return removed + said + tied.at_once(), warning


def _how(
    strategy: Strategy, trials: Sequence[Trial], size: Size, tied: Tied, *, obstacle: str, held_up: str
) -> tuple[str, str]:
    if strategy is Strategy.INSTANT:
        return f"Instant: only the catalogue is written, under {_SHORTLY}, whatever the number of rows.", ""
    if strategy is Strategy.ONLINE:
        return _online(trials, size, held_up), _long_swap(size)
    if strategy is Strategy.IN_PLACE:
        return _in_place(trials, size, obstacle, held_up)
    return _direct(trials, size, tied, obstacle)


def _online(trials: Sequence[Trial], size: Size, held_up: str) -> str:
    why = _why_no_better(trials)
    if all(t.builds_index or not t.moves_rows for t in trials):
        why = f"Built in place the index would hold up others ({held_up})"
    return (
        f"{why}: {size} are copied into a shadow table in short chunks while readers and writers go on; "
        f"{_long_swap(size) or 'the swap at the end holds the table for some tens of milliseconds, at most a second a try'}."
    )


def _long_swap(size: Size) -> str:
    """What the swap does for longer than a second, and for how long; empty: it does not take so long."""
    if size.pieces <= MOST_PARTITIONS:
        return ""
    return (
        f"the swap at the end renames {size.pieces} partitions one after the other, "
        f"and nobody gets at the table for about {size.pieces / _RENAMED_PER_SECOND:.0f} s"
    )


def _why_no_better(trials: Sequence[Trial]) -> str:
    copied = next((t for t in trials if t.moves_rows), None)
    if copied is None:
        return "The server would read all rows"
    if reorganises(copied.clauses):
        return f"The server can only move the rows of {_named(named_partitions(copied.clauses))} while writers wait"
    if copied.algorithm in (Algorithm.INPLACE, Algorithm.NOCOPY):
        if copied.unseen:
            return (
                "Without the PROCESS privilege, or while somebody waits to alter or drop a table, it can not be seen whether the "
                "server would rebuild the whole table"
            )
        return "The server would rebuild the whole table in one go"
    return "The server can only copy the whole table" + (f" ({copied.reason})" if copied.reason else "")


def _in_place(trials: Sequence[Trial], size: Size, obstacle: str, held_up: str) -> tuple[str, str]:
    moves = any(trial.moves_rows for trial in trials)
    if not moves and not any(trial.builds_index for trial in trials):
        untouched = "only the catalogue is written: the server does not touch the rows"
        if any(drops_rows(trial.clauses) for trial in trials):
            untouched = "no other row is touched"
        return f"In place, {untouched}; {_SHORTLY}.", ""
    what = "Rebuilds the table in place" if moves else "Builds the index in place"
    took = size.seconds(_BUILT_PER_SECOND)
    said = (
        f"{what} (LOCK=NONE): readers and writers go on while the server reads {size}, very roughly {took}; "
        f"{_SHORTLY} at the start and at the end."
    )
    if not obstacle:
        nobody = f"{_begin(held_up)}: held up as long" if held_up else "No replica is connected"
        return f"{said} {nobody}.", ""
    warning = ""
    if held_up:
        warning = f"can not be copied online: {obstacle}; it is rebuilt in place, which holds up others for {took}: {held_up}"
    return f"{said} It can not be copied online: {obstacle}.", warning


def _direct(trials: Sequence[Trial], size: Size, tied: Tied, obstacle: str) -> tuple[str, str]:
    others = tied.while_copied()
    if not obstacle:
        if size.partitions:
            said = f"Moves the rows of {_named(size.partitions)} in one statement: writers of the table wait until it is done"
            return f"{said}; readers go on until the end. It has {size}.", ""
        return (
            f"Copies the table in one statement: writers of it wait until it is done; readers go on. It has {size}.{others}",
            "",
        )
    took = size.seconds(_COPIED_PER_SECOND)
    said = (
        f"{_why_no_better(trials)}, and it can not be copied online: {obstacle}. "
        f"Writers of it wait until {size} are copied, very roughly {took}; readers go on until the end.{others}"
    )
    return (
        said,
        f"can not be copied online: {obstacle}; its writers wait very roughly {took}.{others}".removesuffix(
            "."
        ),
    )


def _listed(names: Sequence[str]) -> str:
    shown = list(names) if len(names) <= 4 else [*names[:3], f"{len(names) - 3} more"]
    return f"{', '.join(shown[:-1])} and {shown[-1]}" if len(shown) > 1 else shown[0]


def _named(partitions: Sequence[str]) -> str:
    return f"PARTITION {quote_names(partitions)}"


def _begin(text: str) -> str:
    return text[:1].upper() + text[1:]
