"""SQL scripts as the clients of MySQL and MariaDB take them: cut at their delimiter, run one statement after the other."""

import gzip
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pymysql.connections import Connection

_TOKEN = re.compile(
    r"""
      (?P<delimiter>(?:(?<=\n)|\A)[ \t]*DELIMITER[ \t]+(?P<new>\S+)[^\n]*)
    | (?P<comment>--(?=\s)[^\n]*|\#[^\n]*|/\*(?!!).*?\*/)
    | (?P<quoted>'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"|`(?:[^`]|``)*`)
    | (?P<other>[^'"`\#/\-Dd;$]+|.)
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)


def text_of(file: Path) -> str:
    """The script, unpacked."""
    return gzip.decompress(file.read_bytes()).decode() if file.suffix == ".gz" else file.read_text()


def statements(script: str) -> Iterator[str]:
    """The statements, without comments."""
    delimiter, at = ";", 0
    parts: list[str] = []
    while at < len(script):
        if script.startswith(delimiter, at):
            at += len(delimiter)
            yield "".join(parts).strip()
            parts = []
            continue
        found = _TOKEN.match(script, at)
        assert found is not None
        if found["delimiter"]:
            delimiter = found["new"]
        elif found["comment"]:
            parts.append(" ")
        elif found["other"] and delimiter[0] not in ";$" and delimiter[0] in found["other"][1:]:
            cut = found["other"].index(delimiter[0], 1)
            parts.append(found["other"][:cut])
            at += cut
            continue
        else:
            parts.append(found[0])
        at = found.end()
    yield "".join(parts).strip()


def run(connection: "Connection[Any]", script: Iterable[str]) -> None:
    """Run the statements; what they answer is nobody's concern."""
    with connection.cursor() as cursor:
        for statement in script:
            if statement:
                cursor.execute(statement)
                while cursor.nextset():
                    pass
    connection.commit()
