"""Ask the rows about keys: duplicates under unique ones, orphans under foreign ones."""

from collections.abc import Callable, Iterator, Sequence

from engine.base import Finding, Severity
from engine.mysql.link import Link
from engine.mysql.planning.linters.case import Case
from engine.mysql.planning.mentions import goes_by
from engine.mysql.planning.rows.after import altered_columns, live_rows, rows_after, value_after
from engine.mysql.planning.rows.answers import UNDECIDED, Answers, shown
from engine.mysql.planning.rows.asking import Unanswered
from engine.mysql.quoting import quote_name, quote_table
from engine.mysql.tables import ForeignKey, Index

Parents = Callable[[str, str], Case | None]
"""(schema, table by its new name) → its case, changed or not; None for a table that is not in the plan."""


def unique_keys(answers: Answers) -> Iterator[Finding]:
    """Unique keys that are new, or compare their columns in another way, over duplicates."""
    changed = altered_columns(answers.case)
    for index in answers.wanted.indexes:
        if index.unique and (answers.case.is_new(index) or goes_by(index, changed, changed)):
            yield from _duplicates(answers, index)


def foreign_keys(answers: Answers, parents: Parents) -> Iterator[Finding]:
    """Foreign keys that are new or made again, over orphans: there may be old ones, from a time without checks.

    Some servers mind them also where they only copy the table. (What is in a foreign key nobody copies online.)
    """
    minded = answers.case.copied and answers.wanted.foreign_keys and _copies_mind_orphans(answers.asking.link)
    known = {
        (answers.case.translated(key.columns), key.parent_schema, key.parent, _lower(key.parent_columns))
        for key in answers.now.foreign_keys
    }
    for key in answers.wanted.foreign_keys:
        parent = parents(key.parent_schema, key.parent)
        again = any(
            part.startswith("ADD") and f"{quote_name(key.name)} FOREIGN KEY" in part
            for part in answers.case.parts
        )
        known_as = (_lower(key.columns), key.parent_schema, *_live_end(key, parent))
        if minded or again or known_as not in known:
            yield from _orphans(answers, key, parent)


def _copies_mind_orphans(link: Link) -> bool:
    """MySQL's own check of foreign keys, in place of InnoDB's (9.6 and newer, unless told otherwise), looks at each row again."""
    return [row[1] for row in link.rows("SHOW GLOBAL VARIABLES LIKE 'innodb_native_foreign_keys'")] == ["OFF"]


def _live_end(key: ForeignKey, parent: Case | None) -> tuple[str, tuple[str, ...]]:
    """The table and the columns that a desired key refers to, by the names that they have now."""
    if parent is None or parent.now is None:
        return key.parent, _lower(key.parent_columns)
    columns = [parent.renamed.get(name.lower(), name) for name in key.parent_columns]
    return parent.now.name, _lower(columns)


def _lower(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(name.lower() for name in names)


def _duplicates(answers: Answers, index: Index) -> Iterator[Finding]:
    what = f"UNIQUE ({', '.join(part.column or str(part.expression) for part in index.parts)})"
    terms = [_term(part.column, part.expression, part.prefix) for part in index.parts]
    if not all(map(answers.wanted.column, index.columns)):
        yield answers.unchecked(what, "it goes by a period")
        return
    if _counts(answers, index):
        return
    if any(map(answers.undecided, terms)):
        yield answers.unchecked(what, UNDECIDED)
        return
    given = " AND ".join(f"{term} IS NOT NULL" for term in terms)
    grouped = (
        f"{', '.join(f'{term} AS v{at}' for at, term in enumerate(terms))} "
        f"FROM {rows_after(answers.case)} WHERE {given} GROUP BY {', '.join(terms)} HAVING COUNT(*) > 1"
    )
    try:
        example = answers.asking.rows(f"{grouped} LIMIT 1")
        count = answers.number(f"(SELECT {grouped}) AS groups_") if example else 0
    except Unanswered as reason:
        yield answers.unchecked(what, str(reason))
        return
    if example:
        values = ", ".join(map(shown, example[0]))
        times = f"{count:,} value{'' if count == 1 else 's'}" if count else "some values"
        message = f"{what} would fail: {times} twice or more (for example {values})"
        file, line = answers.case.locate(answers.case.name, index.name)
        yield Finding(
            severity=Severity.BLOCKED, linter="unique", message=message, table=answers.case.name,
            column=index.columns[0] if index.columns else "", file=file, line=line,
        )  # fmt: skip


def _counts(answers: Answers, index: Index) -> bool:
    """Whether a part of the key gets a number of its own in each row."""
    columns = {name.lower() for name in index.columns}
    return any(
        old is None and column.auto_increment and column.name.lower() in columns
        for old, column in answers.case.kept()
    )


def _orphans(answers: Answers, key: ForeignKey, parent: Case | None) -> Iterator[Finding]:
    what = f"FOREIGN KEY ({', '.join(key.columns)}) REFERENCES {key.parent}"
    given = [f"{quote_name(answers.wanted.name)}.{quote_name(column)} IS NOT NULL" for column in key.columns]
    if parent is None or parent.now is not None:
        values = _parent_values(parent, key)
        if values is None:
            why = "what the columns it refers to get is known only when the change runs"
            yield answers.unchecked(what, why, key.columns[0])
            return
        rows = f"{quote_table(key.parent_schema, key.parent)} AS r"
        if parent is not None and parent.now is not None:
            rows = live_rows(parent.now)
        same = " AND ".join(
            f"{there} = {quote_name(answers.wanted.name)}.{quote_name(here)}"
            for there, here in zip(values, key.columns, strict=True)
        )
        given.append(f"NOT EXISTS (SELECT 1 FROM {rows} WHERE {same})")  # noqa: S608
    yield from answers.after(" AND ".join(given), Severity.BLOCKED, "has_foreign_key", what, key.columns[0])


def _parent_values(parent: Case | None, key: ForeignKey) -> Sequence[str] | None:
    """SQL of what the parent's rows will have where *key* refers to; None: of one of the columns that is not known beforehand."""
    if parent is None or parent.wanted is None:
        return [f"r.{quote_name(name)}" for name in key.parent_columns]  # of a schema that is not in the plan
    values = {column.name.lower(): value_after(old, column) for old, column in parent.kept()}
    found = [values.get(name.lower()) for name in key.parent_columns]
    known = [value for value in found if value is not None]
    return known if len(known) == len(found) else None


def _term(column: str | None, expression: str | None, prefix: int | None) -> str:
    if column is None:
        return str(expression)
    return f"LEFT({quote_name(column)}, {prefix})" if prefix else quote_name(column)
