"""Which values an online copy stores as ALTER TABLE does: INSERT … SELECT converts some otherwise.

A number from 2^63 on counts as such where it becomes a BIGINT UNSIGNED: a copy keeps it, ALTER TABLE refuses or cuts some.
"""

from engine.mysql.tables import Column

_NUMBERS = frozenset({"whole", "decimal", "real"})
_STRINGS = frozenset({"text", "binary"})
_ALIKE = {
    "whole": {*_NUMBERS, *_STRINGS, "year", "bit", "time", "members", "json"},
    "decimal": {*_NUMBERS, *_STRINGS, "year", "bit", "time", "json"},
    "real": {*_NUMBERS, *_STRINGS, "bit", "json"},
    "year": {*_NUMBERS, *_STRINGS, "bit", "time", "json"},
    "bit": {"whole", "decimal", *_STRINGS, "year", "time", "members"},
    "date": {"decimal", "real", *_STRINGS, "moment", "time"},
    "moment": {*_NUMBERS, *_STRINGS, "date", "time"},
    "time": {*_NUMBERS, *_STRINGS},
    "text": {"whole", "decimal", "real", *_STRINGS, "year", "date", "moment", "time", "members", "json"},
    "binary": {"whole", "decimal", "real", *_STRINGS, "year", "time", "members"},
    "members": {*_NUMBERS, *_STRINGS, "year", "bit", "time", "json"},
    "json": {*_STRINGS, "members"},
}
"""Kinds of columns that values of a kind come into as in an ALTER TABLE, on both servers."""
_ADDRESSES = frozenset({"uuid", "inet6", "inet4"})
_ON_MYSQL = dict.fromkeys(("decimal", "real", "year"), frozenset({"members"}))
_ON_MARIADB = {
    "date": frozenset({"whole"}),  # a copy by MySQL 8.4 puts the hour behind it: 20240203000000
    **dict.fromkeys(_ADDRESSES, _STRINGS),
    **dict.fromkeys(_STRINGS, _ADDRESSES),
}
"""The same of one server alone."""


def copied_alike(old: Column, new: Column, *, mariadb: bool) -> bool:
    """Whether a copy is known to store whatever value of *old* in *new* as ALTER TABLE does, or not to take it."""
    before, after = old.kind, new.kind
    of_server = _ON_MARIADB if mariadb else _ON_MYSQL
    return before == after or after in _ALIKE.get(before, ()) or after in of_server.get(before, ())
