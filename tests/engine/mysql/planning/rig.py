"""Plan on a real server, carry the plan out the plain way, and look whether the server then has what the files say."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from engine.base import Change, PlanResult
from engine.mysql.address import Address
from engine.mysql.catalog import fingerprints
from engine.mysql.link import DDL_SETTINGS, Link
from engine.mysql.planning.desired import TableCache
from engine.mysql.planning.planner import plan_mysql
from engine.mysql.quoting import quote_names, quote_table
from engine.mysql.spec import OLD_SUFFIX, SHADOW_SUFFIX, Step
from tests.engine.mysql.planning.places import address_of, run_all
from tests.servers.numbers import numbers
from tests.servers.server import Server

Files = str | Mapping[str, str]


@dataclass(slots=True)
class Ground:
    """A schema on a server that plans are made for."""

    link: Link
    schema: str
    address: Address
    mariadb: bool
    cached: TableCache = field(default_factory=TableCache)

    def run(self, *statements: str) -> None:
        """Run SQL there, foreign keys unchecked."""
        run_all(self.link, statements)

    def plan(self, files: Files) -> PlanResult:
        """The plan to the one namespace that *files* are."""
        texts = {"shop.sql": files} if isinstance(files, str) else files
        return plan_mysql(self.address, {"shop": texts}, cached=self.cached)

    def carry_out(self, plan: PlanResult) -> None:
        """Do what the changes say, and hold every step to the fingerprints that it names."""
        for change in plan.changes:
            self._carry_out(change)

    def settle(self, files: Files) -> PlanResult:
        """Plan, carry out, and see that a second plan is empty. The first plan."""
        plan = self.plan(files)
        self.carry_out(plan)
        assert self.plan(files).changes == ()
        return plan

    def _carry_out(self, change: Change) -> None:
        step = Step.from_json(change.spec)
        self._holds(step.schema, dict(step.before))
        known = dict(step.before)
        for statement in step.statements:
            after = known | dict(statement.after)
            assert after != known, f"nothing shows whether it has run: {statement.sql}"
            known = after
            self.link.run(statement.sql + statement.algorithm.clause)
            self._holds(step.schema, dict(statement.after))
        if step.copy is not None:
            self._copy(step)
        self._holds(step.schema, dict(step.after))

    def _copy(self, step: Step) -> None:
        """An online copy without what makes it online."""
        copy = step.copy
        assert copy is not None
        source, shadow = (
            quote_table(step.schema, copy.source),
            quote_table(step.schema, copy.source + SHADOW_SUFFIX),
        )
        self.link.run(f"CREATE TABLE {shadow} LIKE {source}")
        for clauses in copy.clauses:
            self.link.run(f"ALTER TABLE {shadow} {clauses}")
        new, old = ([pair[at] for pair in copy.columns] for at in (0, 1))
        # Where a new column tells no value, ALTER TABLE has one all the same, and so has the engine.
        self.link.run("SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES'")
        self.link.run(f"INSERT INTO {shadow} ({quote_names(new)}) SELECT {quote_names(old)} FROM {source}")
        self.link.run("SET sql_mode = %s", DDL_SETTINGS["sql_mode"])
        target, aside = (
            quote_table(step.schema, copy.table),
            quote_table(step.schema, copy.source + OLD_SUFFIX),
        )
        self.link.run(f"RENAME TABLE {source} TO {aside}, {shadow} TO {target}")
        self.link.run(f"DROP TABLE {aside}")

    def _holds(self, schema: str, expected: Mapping[str, str | None]) -> None:
        assert fingerprints(self.link, schema, expected) == dict(expected)


@contextmanager
def ground(server: Server, *statements: str) -> Iterator[Ground]:
    """A new schema in which *statements* ran."""
    schema = server.fresh_database()
    address = address_of(server, schema)
    try:
        with Link(address, settings={**DDL_SETTINGS, "lock_wait_timeout": 30}) as link:
            made = Ground(link, schema, address, server.flavour == "mariadb")
            made.run(*statements)
            yield made
    finally:
        server.drop_database(schema)


def ddl(plan: PlanResult) -> list[str]:
    """The statements of a plan, as they are reviewed."""
    return [line for change in plan.changes for line in change.ddl.removesuffix(";").split(";\n")]


def big(server: Server, definition: str, wanted: str) -> tuple[PlanResult, int]:
    """The plan for a table of 30,000 rows, carried out; the rows afterwards."""
    with ground(server, definition) as here:
        here.run(f"INSERT INTO t (id, a) SELECT i, i FROM {numbers(30_000)}")
        plan = here.settle(wanted)
        return plan, int(here.link.value("SELECT COUNT(*) FROM t WHERE id = a"))
