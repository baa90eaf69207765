"""Puts rows into the shadow and takes to heart what the server says about them: no value is lost or dropped without a word."""

import re
from collections.abc import Callable, Sequence

from engine.errors import Refused
from engine.mysql.link import Link
from engine.mysql.shadow.keys import Literals
from engine.mysql.shadow.shape import Shape
from engine.mysql.trouble import ServerRefused, Waited

DUPLICATE = 1062
MOST_WARNINGS = 65_535
"""The most that both servers take for max_error_count."""
HARMLESS = frozenset({1287, 1592, 3719, 3778})
"""Warnings that are not about values: deprecated character sets and collations, statements that differ on replicas."""
_RECORDS = re.compile(r"Records: (\d+)\s+Duplicates: (\d+)\s+Warnings: (\d+)")


class Collision(Exception):
    """Two rows are in each other's way in a unique index that the source does not have; one of them may be stale."""


def fill_range(link: Link, shape: Shape, where: str, *, locked: bool) -> int:
    """Copy the rows of a range, inside the caller's transaction; how many the range has. *locked*: nobody changes them meanwhile.

    Collision: roll back, bring the shadow up to date, try again. Refused: a value does not fit, naming a row.
    """
    link.run(shape.copy_range(where, holding=locked))
    found = _RECORDS.search(link.message)
    rows = int(found[1]) if found else 0
    if link.warnings:
        _judge_range(link, shape, where, rows)
    return rows


def refresh(link: Link, shape: Shape, keys: Sequence[Literals]) -> None:
    """Make the rows of *keys* in the shadow what they are in the source, inside the caller's transaction. As `fill_range`."""
    link.run(shape.take_out(keys))
    try:
        link.run(shape.put_in(keys))
    except ServerRefused as error:
        if error.code == DUPLICATE:
            raise Collision(str(error)) from error
        raise
    if link.warnings:
        for code, said in _warnings(link, len(keys)):
            raise ServerRefused(said, code)


def lossy(shape: Shape, said: str, example: str) -> Refused:
    """What to say of a value that the new definition does not take."""
    said = said.replace(shape.new.name, shape.copy.table)
    return Refused(
        f"{shape.copy.table}: a row does not fit the new definition: {said}{example}; "
        "nothing was changed: correct the row or the definition, then plan again"
    )


def first_unfit(keys: Sequence[Literals], fits: Callable[[Sequence[Literals]], bool]) -> Literals:
    """The first of *keys* that does not fit, *fits* telling whether some of them do."""
    low, high = 0, len(keys) - 1
    while low < high:
        middle = (low + high) // 2
        if fits(keys[low : middle + 1]):
            low = middle + 1
        else:
            high = middle
    return keys[low]


def _judge_range(link: Link, shape: Shape, where: str, rows: int) -> None:
    """A row that is there already is well; all else is not."""
    for code, said in _warnings(link, rows):
        if code != DUPLICATE:
            keys = [
                tuple(map(str, key))
                for key in link.rows(
                    f"SELECT {shape.key.select_list} FROM {shape.source} {shape.key.hint} WHERE {where} "
                    f"ORDER BY {shape.key.order} LIMIT {rows + 1}"
                )
            ]
            link.run("ROLLBACK")
            raise lossy(shape, said, _example(link, shape, where, keys))
        # By the key itself a row is found that was copied before; one that is another row's the comparison will find.
        if any(_found_in(said, index) for index in shape.fresh_uniques if index != shape.new_key.index):
            raise Collision(said)


def _example(link: Link, shape: Shape, where: str, keys: Sequence[Literals]) -> str:
    """*keys* are those of the range, in order."""

    def fits(some: Sequence[Literals]) -> bool:
        """A range, as a list of keys may be too long for a statement; what comes before *some* is known to fit."""
        link.run("START TRANSACTION")
        try:
            link.run(shape.copy_range(f"{where} AND {shape.key.upto(some[-1])}", holding=False))
            return all(code == DUPLICATE for code, _ in _warnings(link, len(keys)))
        finally:
            link.run("ROLLBACK")

    return f" (first in the row with {shape.key.shown(first_unfit(keys, fits))})" if keys else ""


def _warnings(link: Link, rows: int) -> list[tuple[int, str]]:
    """Waited when there are more than the server tells: one of those might be of a lossy value, so take fewer *rows* at a time.

    Refused when they are of one.
    """
    count = link.warnings
    found = [(int(code), str(said)) for _, code, said in link.rows("SHOW WARNINGS")]
    if len(found) < count and rows <= 1:
        raise Refused(
            f"the server tells {len(found)} of the {count} warnings of a row, any of which may be of a value that does not fit: "
            "SET GLOBAL max_error_count = 1024, or GRANT SESSION_VARIABLES_ADMIN ON *.* to the user of this dsn, then plan again"
        )
    if len(found) < count:
        raise Waited(f"only {len(found)} of {count} warnings are told", 0)
    return [(code, said) for code, said in found if code not in HARMLESS]


def _found_in(said: str, index: str) -> bool:
    """Whether a duplicate was found in *index*; MySQL puts the table's name in front, MariaDB does not."""
    return said.endswith((f"for key '{index}'", f".{index}'"))
