"""How rows are found and walked by their key: SQL conditions over literals that the server itself wrote.

No value of a row is understood here. The server tells a key as literals which compare, on the server, exactly as the column
does; they go back as they came.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv6Address
from typing import NamedTuple, TypeVar

from engine.errors import Refused
from engine.mysql.quoting import introducer, quote_name
from engine.mysql.shown import letters
from engine.mysql.tables import Column, Index, Table

Literals = tuple[str, ...]
"""One key: a literal for each of its columns."""

SHOWN = 120
"""Characters of a key's value that people are shown."""
_NUMBERS = frozenset({"whole", "decimal", "year"})
_BYTES = frozenset({"binary", "varbinary"})
_CHARACTERS = frozenset({"char", "varchar"})
_LITERAL = re.compile(r"^(?:_\w+ x|DATE|TIMESTAMP|TIME)?'")
_QUOTED = frozenset({"date", "time", "moment", "uuid", "inet4", "inet6"})
_MIDNIGHT = re.compile(r" 00:00:00(?:\.0+)?$")
_WIDE_SPACES = {"ucs2": "0020", "utf16": "0020", "utf16le": "2000", "utf32": "00000020"}
"""In hexadecimal, of the character sets in which a space is more than a byte."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RowKey:
    """A key of a table, with the index that serves it."""

    columns: tuple[Column, ...]
    descending: tuple[bool, ...]
    index: str
    exact: bool = False
    """Whether texts are one key only to the letter: the other table of a copy compares them otherwise."""
    cut: tuple[str, ...] = ()
    """Columns whose texts lose the spaces at their end in the other table of a copy; both tables find them without."""

    @property
    def names(self) -> tuple[str, ...]:
        """The columns' names, in the order of literals."""
        return tuple(column.name for column in self.columns)

    @property
    def hint(self) -> str:
        """Makes the server walk this index, whatever its statistics say."""
        return f"FORCE INDEX ({quote_name(self.index)})"

    @property
    def whole(self) -> bool:
        """One ascending column of whole numbers: ranges can be had by counting."""
        return len(self.columns) == 1 and self.columns[0].kind == "whole" and not self.descending[0]

    @property
    def select_list(self) -> str:
        """What to SELECT to have the key as literals."""
        return ", ".join(self.select_expressions(self.names))

    def select_list_for(self, other: "RowKey") -> str:
        """The same in the character sets of *other*, the key of the other table of a copy, whose index serves them so."""
        pairs = zip(self.columns, other.columns, strict=True)
        return ", ".join(_selected(column, column.name, its.charset) for column, its in pairs)

    def select_expressions(self, names: Sequence[str]) -> list[str]:
        """The same of columns of these *names*, which are of the same types."""
        return [_selected(column, name) for column, name in zip(self.columns, names, strict=True)]

    @property
    def order(self) -> str:
        """What follows ORDER BY, along the index."""
        return self._order(backwards=False)

    @property
    def order_back(self) -> str:
        """What follows ORDER BY, against the index."""
        return self._order(backwards=True)

    def after(self, low: Literals | None) -> str:
        """The condition for keys behind *low* in the index; None: all keys."""
        return "TRUE" if low is None else f"({self._beyond(low, backwards=False, inclusive=False)})"

    def upto(self, high: Literals) -> str:
        """The condition for *high* and the keys before it."""
        return f"({self._beyond(high, backwards=True, inclusive=True)})"

    def between(self, low: Literals | None, high: Literals) -> str:
        """The condition for the keys behind *low* up to and with *high*."""
        return f"{self.after(low)} AND {self.upto(high)}"

    def stretches(self, low: Literals | None, high: Literals | None) -> Iterator["Stretch"]:
        """`between` in parts that follow each other along the index; None: as far as it goes.

        Of an ENUM or SET in front each value by itself: for a list of them MySQL may begin at the first row of the table.
        """
        if self.columns[0].kind != "members":
            yield Stretch(" AND ".join([self.after(low), *([] if high is None else [self.upto(high)])]), self)
            return
        for code in self._codes(low, high):
            here = f"{self._names()[0]} = {code}"
            behind = low[1:] if low is not None and low[0] == code else None
            before = high[1:] if high is not None and high[0] == code else None
            if behind or before:
                yield from (
                    Stretch(f"{here} AND {where}", key) for where, key in self._rest.stretches(behind, before)
                )
            elif behind is None:
                yield Stretch(here, self._rest if self.columns[1:] else self)

    def _codes(self, low: Literals | None, high: Literals | None) -> list[str]:
        """Those of the first column from *low* to *high*, both with them."""
        codes = [str(code) for code in self.columns[0].codes]
        if self.descending[0]:
            codes.reverse()
        begin = 0 if low is None else codes.index(low[0])
        return codes[begin : len(codes) if high is None else codes.index(high[0]) + 1]

    @property
    def _rest(self) -> "RowKey":
        """The key behind its first column."""
        return replace(self, columns=self.columns[1:], descending=self.descending[1:])

    def among(self, keys: Iterable[Literals]) -> str:
        """The condition for these keys."""
        if len(self.columns) == 1:
            return self._one_of([value for (value,) in keys])
        # A list of rows after IN is not a range for every server, and MySQL finds no ENUM by its number in one.
        return " OR ".join(f"({self._is(key)})" for key in keys)

    def _one_of(self, values: Sequence[str]) -> str:
        (name,) = self._names()
        found = f"{name} IN ({', '.join(values)})"
        return f"{found} AND {letters(name)} IN ({', '.join(map(letters, values))})" if self._texts else found

    def _is(self, key: Literals) -> str:
        terms = [f"{name} = {value}" for name, value in zip(self._names(), key, strict=True)]
        terms += [f"{letters(self._names()[at])} = {letters(key[at])}" for at in self._texts]
        return " AND ".join(terms)

    @property
    def _texts(self) -> list[int]:
        """The places of columns that are compared by their letters, too: the index finds more than is meant."""
        return [
            at for at, column in enumerate(self.columns) if self.exact and column.data_type in _CHARACTERS
        ]

    def spelled(self, key: Literals) -> Literals:
        """*key* in a spelling that is the same whether the server told it, its log, or the other table of a copy, which has more
        digits, or moments for days.
        """
        texts = (_spelled(column, value) for column, value in zip(self.columns, key, strict=True))
        return tuple(
            _without_spaces(text, column.charset or "") if column.name in self.cut else text
            for column, text in zip(self.columns, texts, strict=True)
        )

    def size(self, key: Literals) -> int:
        """About how many bytes `among` needs for it; not less."""
        return len(self._is(key).encode()) + 10

    def shown(self, key: Literals) -> str:
        """A key for people; of a long one the begin."""
        return ", ".join(
            f"{column.name} = {value if len(value) <= SHOWN else value[:SHOWN] + '…'}"
            for column, value in zip(self.columns, key, strict=True)
        )

    def _names(self) -> list[str]:
        return [quote_name(column.name) for column in self.columns]

    def _order(self, *, backwards: bool) -> str:
        terms = zip(self._names(), self.descending, strict=True)
        return ", ".join(f"{name} DESC" if down is not backwards else name for name, down in terms)

    def _beyond(self, bound: Literals, *, backwards: bool, inclusive: bool) -> str:
        """a > x OR (a = x AND (b > y OR …)), with a >= x in front, which the server turns into one range."""
        condition = ""
        terms = list(zip(self.columns, bound, self.descending, strict=True))
        for place, (column, value, down) in reversed(list(enumerate(terms))):
            sign = "<" if down is not backwards else ">"
            if not condition:
                condition = _on_the_side(column, sign, value, inclusive=inclusive)
            else:
                further = _on_the_side(column, sign, value, inclusive=False)
                condition = f"({further} OR ({quote_name(column.name)} = {value} AND {condition}))"
                if place == 0 and column.kind != "members":
                    condition = f"{_on_the_side(column, sign, value, inclusive=True)} AND {condition}"
        return condition


class Stretch(NamedTuple):
    """Keys that follow each other in the index."""

    where: str
    key: RowKey
    """What they differ in; the server sorts by an ENUM or SET even where it has one value, rather than go along the index."""


T = TypeVar("T")


def lots(items: Sequence[T], size: Callable[[T], int], most: int) -> Iterator[Sequence[T]]:
    """*items* in lots of at most *most* bytes each, *size* telling those of one; at least one item in each."""
    begin = filled = 0
    for at, item in enumerate(items):
        taken = size(item)
        if at > begin and filled + taken > most:
            yield items[begin:at]
            begin, filled = at, 0
        filled += taken
    if begin < len(items):
        yield items[begin:]


def row_key(table: Table, names: Sequence[str]) -> RowKey:
    """The key of *table* made of the columns *names*, in the order of its index.

    Refused when no unique index has just these columns, whole and none of them NULL, or one is of too many members.
    """
    index = _index_over(table, names)
    columns = tuple(column for name in index.columns if (column := table.column(name)) is not None)
    for column in columns:
        _selected(column, column.name)
    return RowKey(
        columns=columns, descending=tuple(part.descending for part in index.parts), index=index.name
    )


def matching_key(table: Table, key: RowKey, new_names: Mapping[str, str]) -> RowKey:
    """*key* as the shadow *table* has it: the same order, the names that *new_names* tells by lower-case name."""
    names = [new_names[name.lower()] for name in key.names]
    columns = tuple(column for name in names if (column := table.column(name)) is not None)
    return RowKey(columns=columns, descending=key.descending, index=_index_over(table, names).name)


def compared_alike(key: RowKey, other: RowKey) -> bool:
    """Whether the two find and sort the same values alike, so that a range of the one is a range of the other."""
    return all(
        one.kind == "members" or (one.charset, one.collation) == (two.charset, two.collation)
        for one, two in zip(key.columns, other.columns, strict=True)
    )


def _index_over(table: Table, names: Sequence[str]) -> Index:
    index = table.unique_over(names)
    if index is None:
        raise Refused(
            f"{table.name}: no unique index over just {', '.join(names)}, by which the rows of a copy could be found"
        )
    return index


def _spelled(column: Column, literal: str) -> str:
    """The log tells bytes in lower case, moments with their type in front, and no zeros of ZEROFILL; a copy may tell zeros behind
    the point, and midnight.
    """
    text = _LITERAL.sub("", literal).rstrip("'").lower()
    if column.data_type == "inet6":
        return IPv6Address(text).exploded
    if column.data_type == "date":
        return _MIDNIGHT.sub("", text)
    if column.kind not in _NUMBERS:
        return text
    return (text.rstrip("0").rstrip(".") if "." in text else text).lstrip("0")


def _without_spaces(digits: str, charset: str) -> str:
    """The hexadecimal *digits* of a text without spaces at its end."""
    space = _WIDE_SPACES.get(charset, "20")
    while digits.endswith(space):
        digits = digits[: -len(space)]
    return digits


def _on_the_side(column: Column, sign: str, value: str, *, inclusive: bool) -> str:
    """The condition for what lies on one side of *value*. No server looks for an ENUM or SET in its index but by equality."""
    name = quote_name(column.name)
    if column.kind != "members":
        return f"{name} {sign}{'=' if inclusive else ''} {value}"
    at = int(value)
    codes = column.codes[at + (not inclusive) :] if sign == ">" else column.codes[: at + inclusive]
    return f"{name} IN ({', '.join(map(str, codes))})" if codes else "FALSE"


def _selected(column: Column, called: str, charset: str | None = None) -> str:
    name = quote_name(called)
    if column.kind in _NUMBERS:
        return f"CAST({name} AS CHAR)"
    if column.kind == "members":
        return f"CAST({name} + 0 AS CHAR)"
    if column.data_type in _CHARACTERS:
        text = name if charset in (None, column.charset) else f"CONVERT({name} USING {charset})"
        return f"CONCAT('{introducer(charset or column.charset or '')}''', HEX({text}), '''')"
    if column.data_type in _BYTES:
        return f"CONCAT('_binary x''', HEX({name}), '''')"
    if column.kind in _QUOTED:
        return f"CONCAT('''', {name}, '''')"
    raise Refused(f"{column.name}: rows cannot be found by a key of {column.column_type}")
