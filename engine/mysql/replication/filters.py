"""What a replica leaves out of what its source sends, and what it calls otherwise, by its own options (replicate_…).

A copy reaches a replica as definitions and rows of several tables, of which one takes another's place. A replica that
has only some of them stops there; so does one that has the schema under another name, as statements of ours name it.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

_REWRITTEN = re.compile(r"(?:^|,)\(?([^,()]+?)(?:->|,)[^,()]+\)?")
"""The first name of each pair: `a->b,c->d` of MariaDB, `(a,b),(c,d)` of MySQL."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplicaFilters:
    """Those of one channel; names are in lower case, as replicas compare them so, tables `schema.table`."""

    do_db: tuple[str, ...] = ()
    ignore_db: tuple[str, ...] = ()
    do_table: tuple[str, ...] = ()
    ignore_table: tuple[str, ...] = ()
    wild_do: tuple[str, ...] = ()  # regular expressions
    wild_ignore: tuple[str, ...] = ()
    rewritten: tuple[str, ...] = ()
    """The schemas that have other names there."""

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Self:
        """Those that a row of the replica's status tells, its columns in lower case."""

        def told(rule: str) -> tuple[str, ...]:
            text = str(row.get(f"replicate_{rule}") or "").lower()
            return tuple(name.strip() for name in text.split(",") if name.strip())

        return cls(
            do_db=told("do_db"),
            ignore_db=told("ignore_db"),
            do_table=told("do_table"),
            ignore_table=told("ignore_table"),
            wild_do=tuple(map(_expression, told("wild_do_table"))),
            wild_ignore=tuple(map(_expression, told("wild_ignore_table"))),
            rewritten=tuple(_REWRITTEN.findall(str(row.get("replicate_rewrite_db") or "").lower())),
        )

    def keeps_schema(self, schema: str) -> bool:
        """Whether a statement is run there whose session has that schema selected."""
        schema = schema.lower()
        return schema in self.do_db if self.do_db else schema not in self.ignore_db

    def keeps_table(self, schema: str, table: str) -> bool:
        """Whether rows and definitions of that table come through the rules for tables."""
        name = f"{schema}.{table}".lower()
        if name in self.do_table:
            return True
        if name in self.ignore_table:
            return False
        if _matches(self.wild_do, name):
            return True
        return not (_matches(self.wild_ignore, name) or self.do_table or self.wild_do)

    def keeps(self, schema: str, table: str) -> bool:
        """Whether rows of that table get there."""
        return self.keeps_schema(schema) and self.keeps_table(schema, table)

    def renamed(self, schemas: Collection[str]) -> str:
        """Which of *schemas* has another name there, as a phrase; empty: none."""
        found = sorted(schema for schema in schemas if schema.lower() in self.rewritten)
        return f"has {found[0]} under another name (replicate_rewrite_db)" if found else ""

    def split(self, home: str, schemas: Collection[str]) -> str:
        """Which of *schemas* does not get there as *home* does, the schema that our sessions select, as a phrase; empty: none."""
        for schema in sorted(schemas):
            if self.keeps_schema(schema) != self.keeps_schema(home):
                return f"keeps only one of {home} and {schema} (replicate_do_db, replicate_ignore_db)"
        return ""

    def parted(self, schema: str, tables: Sequence[str]) -> str:
        """Why *tables* of *schema* do not all get there, or all not, as a phrase; empty: they do."""
        kept = {table: self.keeps_table(schema, table) for table in tables}
        if len(set(kept.values())) < 2:
            return ""
        has, lacks = (next(table for table in tables if kept[table] is one) for one in (True, False))
        return f"keeps {has} and leaves {lacks} out (replicate_do_table, replicate_ignore_table, or their wild ones)"


def _expression(pattern: str) -> str:
    r"""Of a pattern as LIKE has them: % and _, as themselves behind a \."""
    parts = re.findall(r"\\.|.", pattern, re.DOTALL)
    return "".join({"%": ".*", "_": "."}.get(part) or re.escape(part[-1]) for part in parts)


def _matches(expressions: Sequence[str], name: str) -> bool:
    return any(re.fullmatch(one, name, re.DOTALL) for one in expressions)
