"""Changes for the tests of the execution; what they make of a table is found by running them on an empty copy of it."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from typing import Any

from engine.base import Change, Job, Strategy
from engine.mysql.catalog import fingerprints
from engine.mysql.changing.session import MysqlSession
from engine.mysql.link import DDL_SETTINGS, Link
from engine.mysql.quoting import quote_name, quote_table
from engine.mysql.spec import Algorithm, Statement, Step
from tests.engine.mysql.planning.places import account, address_of
from tests.engine.mysql.steps import copy_step
from tests.servers.server import Server

OURS = ("_schemabot_", "__osc_")


class Shop:
    """A database of a server, for one test."""

    def __init__(self, server: Server, *statements: str, prefix: str = "t_") -> None:
        self.server = server
        self.database = server.fresh_database(prefix)
        self.address = address_of(server, self.database)
        with self.link() as link:
            for statement in statements:
                link.run(statement)

    def link(self, **options: Any) -> Link:
        """A connection of the application's."""
        return Link(self.address, **options)

    def run(self, *statements: str) -> None:
        """Run them on a connection of their own."""
        with self.link() as link:
            for statement in statements:
                link.run(statement)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        with self.link() as link:
            return link.rows(sql)

    @contextmanager
    def of_user(self, *grants: str) -> Iterator["Shop"]:
        """The same database for a user of its own who has *grants*."""
        with account(self.server, *grants, schema=self.database) as address:
            found = copy(self)
            found.address = address
            yield found

    def session(self, fence: int = 1, apply_uid: str = "apply_a") -> MysqlSession:
        """A session on it."""
        return MysqlSession(self.address, Job(apply_uid=apply_uid, fence=fence, owner=f"host:1:test:{fence}"))

    def left_behind(self) -> list[str]:
        """Names of everything of ours (I8 wants none), and of our locks."""
        names = self.rows("SHOW TABLES") + self.rows(
            "SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = DATABASE()"
        )
        return sorted(str(name) for (name,) in names if any(mark in str(name) for mark in OURS))

    def statements(self, table: str, *statements: tuple[str, Algorithm], kind: str = "alter") -> Change:
        """A change by statements, in which {t} stands for the table."""
        name = quote_table(self.database, table)
        with self._scratch(table) as (link, scratch):
            before = fingerprints(link, scratch, [table])
            found, known = [], before
            for sql, algorithm in statements:
                link.run(sql.format(t=quote_table(scratch, table)))
                known = fingerprints(link, scratch, [table])
                found.append(
                    Statement(sql=sql.format(t=name), algorithm=algorithm, after=tuple(known.items()))
                )
        step = Step(
            schema=self.database,
            before=tuple(before.items()),
            after=tuple(known.items()),
            statements=tuple(found),
        )
        return self._change(table, step, kind, Strategy.INSTANT)

    def copy(
        self, table: str, *clauses: str, columns: Sequence[tuple[str, str]], key: Sequence[str] = ("id",)
    ) -> Change:
        """A change by an online copy."""
        step = copy_step(self.server, self.database, table, clauses, columns, key)
        return self._change(table, step, "alter", Strategy.ONLINE)

    def _change(self, table: str, step: Step, kind: str, strategy: Strategy) -> Change:
        return Change(
            namespace=self.database,
            table=table,
            change_type=kind,
            ddl="-- as in the test;",
            strategy=strategy,
            lock="none",
            spec=step.to_json(),
        )

    @contextmanager
    def _scratch(self, table: str) -> Iterator[tuple[Link, str]]:
        """A schema with an empty copy of the table, if there is one."""
        scratch = self.server.fresh_database()
        try:
            with self.link(settings=DDL_SETTINGS) as link:
                if link.row("SHOW TABLES LIKE %s", table):
                    text = link.row(f"SHOW CREATE TABLE {quote_name(table)}")
                    assert text is not None
                    link.run(f"USE {quote_name(scratch)}")
                    link.run(str(text[1]))
                yield link, scratch
        finally:
            self.server.drop_database(scratch)
