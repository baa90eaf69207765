"""A live schema whose rows are asked before a change, and the schema that the change is to make."""

from collections.abc import Sequence
from dataclasses import dataclass

from engine.base import Finding
from engine.mysql.catalog import read_tables
from engine.mysql.flavour import flavour_of
from engine.mysql.link import Link
from engine.mysql.planning.linters.case import Case
from engine.mysql.planning.questions import ask_rows
from engine.mysql.planning.rows.asking import Asking
from engine.mysql.planning.rows.zones import server_zone
from engine.mysql.tables import Table
from engine.mysql.trouble import ServerRefused

ROWS = "INSERT INTO t VALUES (1, 'a', 1), (2, NULL, NULL), (3, 'A', NULL)"
T = "CREATE TABLE t (id BIGINT NOT NULL PRIMARY KEY, v VARCHAR(20) COLLATE utf8mb4_bin, n INT) CHARSET utf8mb4"


@dataclass
class Desk:
    """A live schema, and the same after some statements that nobody has run yet."""

    link: Link
    live: str
    after: Link
    after_schema: str

    @property
    def mariadb(self) -> bool:
        return flavour_of(self.link).mariadb

    def prepare(self, *statements: str) -> None:
        for link in (self.link, self.after):
            link.run("SET foreign_key_checks = 0")
            for (name,) in link.rows(
                "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE()"
            ):
                link.run(f"DROP TABLE `{name}`")
            for statement in statements:
                if link is self.link or statement.startswith("CREATE"):
                    link.run(statement)
            link.run("SET foreign_key_checks = 1")

    def case(
        self,
        name: str,
        *,
        renamed: dict[str, str] | None = None,
        parts: Sequence[str] = (),
        copied: bool = False,
        rebuilt: bool = False,
    ) -> Case | None:
        now, wanted = read_tables(self.link, self.live), self.wanted()
        if name not in wanted:
            return None
        return Case(
            now=now.get(name), wanted=wanted.get(name), renamed=renamed or {}, parts=parts, copied=copied,
            rebuilt=copied or rebuilt,            locate=lambda table, name: (f"{table}.sql", 7), zone=server_zone(self.link),
        )  # fmt: skip

    def wanted(self) -> dict[str, Table]:
        return read_tables(self.after, self.after_schema)

    def ask(
        self,
        *alters: str,
        asking: Asking | None = None,
        renamed: dict[str, str] | None = None,
        copied: bool = False,
        rebuilt: bool = False,
    ) -> list[Finding]:
        """The findings about what the rows of `t` would meet if it were altered so."""
        for alter in alters:
            self.after.run(alter if alter.startswith("CREATE") else f"ALTER TABLE t {alter}")
        case = self.case("t", renamed=renamed, parts=alters, copied=copied, rebuilt=rebuilt)
        assert case is not None
        return ask_rows(
            asking or Asking(link=self.link, flavour=flavour_of(self.link)), case, lambda _schema, name: self.case(name)
        )  # fmt: skip

    def said(
        self, *alters: str, renamed: dict[str, str] | None = None, copied: bool = False, rebuilt: bool = False
    ) -> list[tuple[str, str, str]]:
        found = self.ask(*alters, renamed=renamed, copied=copied, rebuilt=rebuilt)
        return [(f.severity.value, f.linter, f.message) for f in found]

    def fails(self, alter: str) -> bool:
        """Whether the live table really refuses it."""
        try:
            self.link.run(f"ALTER TABLE t {alter}")
        except ServerRefused:
            return True
        return False
