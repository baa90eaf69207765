"""What a server takes in a definition and does nothing about: it is not in what is told of the table that was made."""

from collections.abc import Iterator, Mapping, Sequence

from engine.files import Statement
from engine.lexer import MYSQL, Kind, Token, significant
from engine.mysql.shown import FILE_PER_TABLE, solid_pieces, unquoted
from engine.mysql.tables import OWN_KEY, Table
from engine.table_text import read_table_text

Words = tuple[str, ...]

_REFERENCES: Words = ("REFERENCES",)
_ANYWHERE: tuple[Words, ...] = (
    _REFERENCES, ("USING", "HASH"), ("MATCH", "FULL"), ("MATCH", "PARTIAL"), ("SET", "DEFAULT"), ("KEY_BLOCK_SIZE",),
    ("REF_SYSTEM_ID",),
)  # fmt: skip
_BEHIND_COLUMNS: Mapping[str, tuple[Words, ...]] = {  # among the columns they may be names
    "table": (("UNION",), ("INSERT_METHOD",), ("PASSWORD",), ("STORAGE",), ("TABLESPACE",), ("DIRECTORY",)),
    "index": (("ALGORITHM",), ("LOCK",), ("WAIT",), ("NOWAIT",)),
}


def unkept(statements: Sequence[Statement], table: Table) -> str:
    """Why the definition cannot be had, with its place: words that the *table* made of it has not. Empty: there are none."""
    if hidden := _hidden(statements[0], table):
        return hidden
    told = [
        unquoted(piece.text).upper() if piece.kind == "name" else piece.word
        for piece in solid_pieces(table.text)
    ]
    said = [_Said(statement) for statement in statements]
    for words in (*_ANYWHERE, *_BEHIND_COLUMNS["table"], *_BEHIND_COLUMNS["index"]):
        places = [place for one in said for place in one.places(words)]
        if len(places) > len(_found(told, words)):
            return f"{places[0]}: {_reason(words, table)}"
    place = next((place for one in said for place in one.prefixes()), "")
    return (
        place and f"{place}: a FULLTEXT index is of whole columns, and the server passes this over: remove it"
    )


def _hidden(statement: Statement, table: Table) -> str:
    """MySQL tells nothing of a primary key that looks like one that it made by itself; nor do we, wherever one is."""
    column = read_table_text(statement.text, MYSQL).column(OWN_KEY)
    if column is None or any(found.name.lower() == OWN_KEY for found in table.columns):
        return ""
    return (
        f"{statement.where(column.start)}: the server takes this for a primary key that it made by itself, and hides it: leave "
        f"{OWN_KEY} and its PRIMARY KEY out (a live one stays), or give the column another name"
    )


class _Said:
    """The words of a statement, which is read once for all that is looked for."""

    def __init__(self, statement: Statement) -> None:
        self._statement = statement
        self._tokens = significant(statement.text, MYSQL)
        self._words = [token.word for token in self._tokens]
        self._end = _end_of_columns(self._tokens)

    def places(self, words: Words) -> Iterator[str]:
        """Where they stand."""
        if words in _ANYWHERE:
            start = 0
        elif words in _BEHIND_COLUMNS[self._statement.kind]:
            start = self._end
        else:
            return
        for at in _found(self._words[start:], words):
            if not self._is_default(start + at):
                yield self._statement.where(self._tokens[start + at].start)

    def _is_default(self, at: int) -> bool:
        """Whether it says what is so anyway, or what the server chooses: CHARACTER SET DEFAULT, a tablespace of its own."""
        before, following = (
            self._words[at - 1],
            [token.name.lower() for token in self._tokens[at + 1 : at + 3]],
        )
        if self._words[at] == "SET":
            return before in ("CHARACTER", "CHAR")
        return self._words[at] == "TABLESPACE" and FILE_PER_TABLE in following

    def prefixes(self) -> Iterator[str]:
        """Where a FULLTEXT index is to be of the first characters only."""
        depth = 0
        for at, token in enumerate(self._tokens):
            if token.word == "FULLTEXT":
                depth = 1
            elif depth and token.text in "()":
                depth += 1 if token.text == "(" else -1
                depth = 0 if depth == 1 else depth
            elif depth == 3 and token.kind is Kind.NUMBER:
                yield self._statement.where(self._tokens[at].start)


def _end_of_columns(tokens: Sequence[Token]) -> int:
    depth = 0
    for at, token in enumerate(tokens):
        depth += (token.text == "(") - (token.text == ")")
        if depth == 0 and token.text == ")":
            return at
    return len(tokens)


def _found(all_words: Sequence[str], words: Words) -> list[int]:
    return [
        at
        for at, word in enumerate(all_words)
        if word == words[0] and tuple(all_words[at : at + len(words)]) == words
    ]


def _reason(words: Words, table: Table) -> str:
    if words == _REFERENCES and (engine := table.options.get("ENGINE", "")).lower() != "innodb":
        return f"the engine {engine} keeps no foreign keys, so that REFERENCES means nothing: remove it, or choose InnoDB"
    if words == _REFERENCES:  # MySQL before 9.0
        return "this server passes over REFERENCES behind a column: write FOREIGN KEY (column) REFERENCES … on a line of its own"
    return f"the server takes {' '.join(words)} here, and does nothing about it: remove it"
