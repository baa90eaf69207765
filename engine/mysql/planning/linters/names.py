"""Linters of names and of the table as such: case, reserved words, storage engine."""

from collections.abc import Iterator

from engine.base import Finding, Severity
from engine.mysql.names import CHECK_MARK, KEY_MARK, carried
from engine.mysql.planning.linters.case import Case
from engine.mysql.planning.linters.reserved import RESERVED
from engine.mysql.quoting import quote_name


def name_case(case: Case) -> Iterator[Finding]:
    """A name that is another table's on a server that does not tell case apart."""
    if case.wanted is not None and case.name != case.name.lower():
        yield case.finding(Severity.WARNING, "name_case", f'table name "{case.name}" is not lowercase')


def reserved_words(case: Case) -> Iterator[Finding]:
    """Names that have to be quoted wherever they are written."""
    if case.wanted is None:
        return
    if case.name.upper() in RESERVED:
        message = f'Table name "{case.name}" is a MySQL reserved word'
        yield case.finding(Severity.WARNING, "reserved_words", message)
    for column in case.wanted.columns:
        if column.name.upper() in RESERVED:
            message = f'Column name "{column.name}" is a MySQL reserved word'
            yield case.finding(Severity.WARNING, "reserved_words", message, column=column.name)


def allow_engine(case: Case) -> Iterator[Finding]:
    """Anything but InnoDB: no transactions, no row locks, no online copy."""
    engine = case.wanted.options.get("ENGINE", "InnoDB") if case.wanted else "InnoDB"
    if engine.lower() != "innodb":
        message = f'Table "{case.name}" uses an unsupported engine "{engine.lower()}"'
        yield case.finding(Severity.WARNING, "allow_engine", message)


def rename_table(case: Case) -> Iterator[Finding]:
    """A table that gets another name."""
    if case.now is not None and case.wanted is not None and case.now.name != case.wanted.name:
        message = f'Table rename detected: "{case.now.name}" becomes "{case.wanted.name}"'
        yield case.finding(Severity.WARNING, "rename_table", message)


def carried_names(case: Case) -> Iterator[Finding]:
    """Constraints that are named after the table: they follow its new name, while the files tell the old one."""
    if case.now is None or case.wanted is None or case.now.name == case.wanted.name:
        return
    parts = {part.lower() for part in case.parts}
    keys, checks = ([one.name for one in some] for some in (case.wanted.foreign_keys, case.wanted.checks))
    for kind, mark, names in (("FOREIGN KEY", KEY_MARK, keys), ("CHECK", CHECK_MARK, checks)):
        for name in names:
            after = carried(name, case.now.name, case.wanted.name, mark)
            if after != name and f"DROP {kind} {quote_name(after)}".lower() in parts:
                message = (
                    f'{kind} "{name}" is named after the table: it becomes "{after}" with it, and has to be made again to be '
                    f'named "{name}": leave the name out, or write "{after}"'
                )
                yield case.finding(Severity.WARNING, "rename_table", message, at=name)
