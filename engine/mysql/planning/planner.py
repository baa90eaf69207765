"""The plan for a MySQL or MariaDB target: what it takes from the live schemas to the desired ones, proved in scratch schemas.

The target's schemas are only read.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache

from engine.base import Finding, PlanResult, SchemaFiles, Severity, Strategy
from engine.errors import BadFiles, Refused
from engine.mysql.address import Address
from engine.mysql.capture_sources import CaptureSources, capture_sources_of
from engine.mysql.catalog import read_table
from engine.mysql.children import children_elsewhere
from engine.mysql.flavour import Flavour, flavour_of
from engine.mysql.link import Link
from engine.mysql.planning.altering import Altering, TiedDown
from engine.mysql.planning.dependents import Anywhere, dependents, look_anywhere
from engine.mysql.planning.desired import Desired, TableCache, load_desired
from engine.mysql.planning.drafting import Drafting
from engine.mysql.planning.drafts import Draft
from engine.mysql.planning.files import Group, parse_groups
from engine.mysql.planning.hindrances import check_log, hindered
from engine.mysql.planning.lint import gone_and_new, judge
from engine.mysql.planning.linters.case import Case
from engine.mysql.planning.naming import Naming
from engine.mysql.planning.order import Key, Schemas, Ties, Unit, parent_of
from engine.mysql.planning.pull import with_parents
from engine.mysql.planning.questions import ask_rows
from engine.mysql.planning.rehearsal import Rehearsal
from engine.mysql.planning.renames import read_renames
from engine.mysql.planning.rewriting import with_partitions_of
from engine.mysql.planning.rows.asking import Asking
from engine.mysql.planning.rows.zones import server_zone
from engine.mysql.planning.scratch import Scratch, Stage
from engine.mysql.planning.settled import SettledTables
from engine.mysql.planning.suspended import suspensions
from engine.mysql.planning.targets import Live, read_live, schema_names, without_case
from engine.mysql.planning.unnamed import with_live_names
from engine.mysql.planning.untold import refuse_untold
from engine.mysql.planning.way_back import files_back
from engine.mysql.rights import rights_of
from engine.mysql.sizes import size_of
from engine.mysql.tables import Table
from engine.mysql.trouble import ServerRefused

_SEVERITIES = list(Severity)


def plan_mysql(
    address: Address,
    files: SchemaFiles,
    *,
    workspace: Address | None = None,
    cached: TableCache | None = None,
) -> PlanResult:
    """What it takes to make the schemas at *address* those of *files*. The same input gives the same plan.

    *workspace*: another server on which to try things out. *cached*: what earlier plans found out.
    BadFiles: the files are not understood. Refused: no verified way, or too few rights. TargetUnavailable.
    """
    schemas = schema_names(address, files)
    with Link(address, schema="") as link:
        flavour = flavour_of(link)
        schemas = without_case(schemas) if flavour.any_case else schemas
        groups = _groups(flavour, files, schemas)
        live = {schema: read_live(link, flavour, namespace, schema) for namespace, schema in schemas.items()}
        _check_names(flavour, groups, live)
        with Scratch(workspace or address, link) as scratch:
            places = {schema: one.place for schema, one in live.items()}
            tables = {schema: one.tables for schema, one in live.items()}
            cached = cached or TableCache()
            desired = load_desired(scratch, places, groups, tables, cached)
            settled = SettledTables(scratch, cached)
            return _Planning(link, scratch, live, desired, settled, address.database).result()


def _groups(flavour: Flavour, files: SchemaFiles, schemas: Mapping[str, str]) -> dict[str, list[Group]]:
    found: dict[str, list[Group]] = {}
    problems: list[str] = []
    for namespace, schema in schemas.items():
        label = f"{namespace}/" if len(schemas) > 1 else ""
        try:
            found[schema] = parse_groups(
                files[namespace],
                namespace=namespace,
                own_names=[schema],
                flavour=flavour,
                label=label,
            )
        except BadFiles as bad:
            problems += bad.problems
    if problems:
        raise BadFiles(problems)
    return found


def _check_names(flavour: Flavour, groups: Mapping[str, Sequence[Group]], live: Mapping[str, Live]) -> None:
    """Refused: something else has the name of a table of the files."""
    taken = [
        f"{group.table.where()}: there is a {kind} {name} on the server, which is not managed here: drop or rename it there, "
        "or take the table out of the files"
        for schema, one in live.items()
        for name, kind in one.others.items()
        for group in groups[schema]
        if name == flavour.folded(group.table.name)
    ]
    if taken:
        raise Refused("\n".join(taken))


class _Planning:
    """One plan in the making: live and desired tables are known."""

    def __init__(
        self,
        link: Link,
        scratch: Scratch,
        live: Mapping[str, Live],
        desired: Mapping[str, Desired],
        settled: SettledTables,
        home: str,
    ) -> None:
        self._link = link
        self._home = home
        self._scratch = scratch
        self._live = live
        self._desired = desired
        self._renames = {schema: read_renames(desired[schema], one.tables) for schema, one in live.items()}
        self._zone = server_zone(link)
        self._settled = settled
        self._schemas = Schemas(
            live={schema: dict(one.tables) for schema, one in live.items()},
            wanted={schema: self._wanted(schema) for schema in live},
            tables={schema: renames.tables for schema, renames in self._renames.items()},
            columns={schema: renames.columns for schema, renames in self._renames.items()},
        )

    def result(self) -> PlanResult:
        """The plan."""
        units = self._schemas.units()
        drafts, hindering = self._hindered(units) if units else ([], [])
        findings = self._findings(drafts) if drafts else {}
        return PlanResult(
            changes=tuple(draft.change(_unsafe(draft, findings[draft.step.schema])) for draft in drafts),
            findings=tuple(
                sorted((*hindering, *(one for some in findings.values() for one in some)), key=_order)
            ),
            fingerprints=self._fingerprints(),
            original={
                one.place.namespace: files_back(
                    with_parents(self._managed(one), one.tables),
                    self._schemas.wanted[schema],
                    self._renames[schema],
                )
                for schema, one in self._live.items()
            },
            unmanaged=self._unmanaged(),
        )

    def _hindered(self, units: dict[Key, Unit]) -> tuple[list[Draft], list[Finding]]:
        """The drafts, and what would stop their apply; its own tables are in the first schema of it, if the dsn names none."""
        flavour = self._scratch.flavour
        rights = rights_of(self._link, flavour)
        home = self._home or min(schema for schema, _ in units)
        capture = capture_sources_of(self._link, flavour, rights, home)
        drafts = self._drafts(units, capture)
        check_log(self._link)
        self._check_told(drafts)
        return hindered(self._link, flavour, rights, capture, drafts, self._home)

    def _check_told(self, drafts: Sequence[Draft]) -> None:
        """Refused: what the server does not tell of a live table would be lost."""
        for draft in drafts:
            for unit in draft.units:
                refuse_untold(self._link, self._scratch, unit, draft.parts)

    def _wanted(self, schema: str) -> dict[str, Table]:
        """The desired tables, with what the files leave to the live ones."""
        return {
            name: table if now is None else self._completed(schema, table, now)
            for name, table in self._desired[schema].tables.items()
            for now in [self._live[schema].tables.get(self._renames[schema].source(name))]
        }

    def _completed(self, schema: str, table: Table, now: Table) -> Table:
        """With the partitions that it has where somebody else looks after them, and names of what the files do not name."""
        files, renamed = self._desired[schema], self._renames[schema].of(table.name)
        if files.partitions_elsewhere(table.name):
            table = with_partitions_of(table, now, renamed)
            table = self._as_told(table) if renamed else table
        table = self._settled.as_live(table, now)
        table = with_live_names(table, now, files.text(table.name), self._scratch.flavour)
        return replace(table, absorbed=files.partitions_split_off(table.name))

    def _as_told(self, table: Table) -> Table:
        """As the server writes it: of the columns that partitions go by it quotes those that it has to."""
        place = self._live[table.schema].place
        stage = Stage(self._scratch, {table.schema: (place.charset, place.collation)})
        with suppress(ServerRefused):  # the change will be, too, and is told with a remedy
            stage.make(table)
        return stage.read(table.schema, table.name) or table

    def _drafts(self, units: dict[Key, Unit], capture: CaptureSources) -> list[Draft]:
        defaults = {schema: (one.place.charset, one.place.collation) for schema, one in self._live.items()}
        live = self._with_relatives_elsewhere(units.values())
        defaults = {schema: defaults.get(schema, next(iter(defaults.values()))) for schema in live}
        clones = self._scratch.schema(*next(iter(defaults.values())))
        sizes = self._sizes()
        forced: set[Key] = set()
        naming = Naming(self._scratch.flavour)
        while True:
            stage = Stage(self._scratch, defaults)
            rehearsal = Rehearsal(stage, live, naming)
            altering = Altering(
                self._link, self._scratch, stage, rehearsal, clones, sizes, capture, self._settled
            )
            ties = Ties(self._schemas, units, forced, naming)
            namespaces = {schema: one.place.namespace for schema, one in self._live.items()}
            try:
                return Drafting(stage, rehearsal, ties, altering, namespaces).drafts()
            except TiedDown as tied:
                if tied.key in forced:
                    raise Refused(
                        f"{tied.key[1]}: the server does not take the change: {tied}{tied.remedy}"
                    ) from tied
                forced.add(tied.key)
                units |= self._schemas.children(tied.key, units)

    def _with_relatives_elsewhere(self, units: Iterable[Unit]) -> dict[str, dict[str, Table]]:
        """The live tables, and their parents and children by foreign keys in schemas that are not in the plan."""
        found = dict(self._schemas.live)
        for tables in (*self._schemas.live.values(), *self._schemas.wanted.values()):
            for foreign in (key for table in tables.values() for key in table.foreign_keys):
                schema, name = parent_of(foreign)
                if schema in self._live or name in found.get(schema, {}):
                    continue
                parent = read_table(self._link, schema, name)
                if parent is None:
                    raise Refused(
                        f"foreign key {foreign.name} refers to {schema}.{name}, which is not on the server"
                    )
                found[schema] = {**found.get(schema, {}), name: parent}
        changing = [(unit.key[0], unit.now.name) for unit in units if unit.now]
        for schema, name in children_elsewhere(self._link, changing):
            child = read_table(self._link, schema, name)
            if child is not None:
                found[schema] = {**found.get(schema, {}), name: child}
        return found

    def _sizes(self) -> Callable[[Key, tuple[str, ...]], tuple[int, int]]:
        @cache
        def sizes(key: Key, partitions: tuple[str, ...]) -> tuple[int, int]:
            return size_of(self._link, key[0], self._renames[key[0]].source(key[1]), partitions)

        return sizes

    # -- findings ------------------------------------------------------------------------------------------------

    def _findings(self, drafts: Sequence[Draft]) -> dict[str, list[Finding]]:
        """By schema: two may have tables of one name."""
        asking = Asking(link=self._link, flavour=self._scratch.flavour)
        anywhere = look_anywhere(asking, [unit for draft in drafts for unit in draft.units])
        return {
            schema: list(self._findings_in(schema, mine, asking, anywhere))
            for schema in self._live
            for mine in ([draft for draft in drafts if draft.step.schema == schema],)
        }

    def _findings_in(
        self, schema: str, drafts: Sequence[Draft], asking: Asking, anywhere: Anywhere
    ) -> Iterator[Finding]:
        yield from self._renames[schema].findings
        cases = [case for draft in drafts for case in self._cases(draft)]
        for case in cases:
            yield from judge(case)
        yield from gone_and_new(cases)
        for case in cases:
            yield from ask_rows(asking, case, self._case)
        yield from dependents(
            self._link, schema, [unit for draft in drafts for unit in draft.units], anywhere
        )
        yield from suspensions(drafts)
        for draft in drafts:
            for warning in draft.warnings:
                yield Finding(severity=Severity.WARNING, linter="online", message=warning, table=draft.name)
            for reason in draft.blocking:
                yield Finding(severity=Severity.ERROR, linter="online", message=reason, table=draft.name)

    def _cases(self, draft: Draft) -> Iterator[Case]:
        for unit in draft.units:
            yield replace(
                self._case_of(unit.key, unit.now, unit.wanted),
                parts=draft.parts, copied=draft.copies, rebuilt=draft.copies or draft.rebuilds,
                online=draft.strategy is Strategy.ONLINE,
            )  # fmt: skip

    def _case(self, schema: str, name: str) -> Case | None:
        """A table that goes on to exist or comes, whether it differs or not."""
        wanted = self._schemas.wanted.get(schema, {}).get(name)
        if wanted is None:
            return None
        return self._case_of((schema, name), self._schemas.source(schema, name), wanted)

    def _case_of(self, key: Key, now: Table | None, wanted: Table | None) -> Case:
        schema, name = key
        locate, renamed = self._desired[schema].locate, self._renames[schema].of(name)
        return Case(
            now=now, wanted=wanted, locate=locate, renamed=renamed, zone=self._zone,
            last_timestamp=self._scratch.flavour.last_timestamp,
        )  # fmt: skip

    def _fingerprints(self) -> dict[str, str]:
        """Of every live table that is managed; with its schema in front where the plan has several."""
        several = len(self._live) > 1
        return {
            f"{schema}.{name}" if several else name: table.fingerprint
            for schema, one in self._live.items()
            for name, table in self._managed(one).items()
        }

    def _managed(self, one: Live) -> dict[str, Table]:
        alone = self._schemas.left_alone(one.place.schema)
        return {name: table for name, table in one.tables.items() if name not in alone}

    def _unmanaged(self) -> tuple[str, ...]:
        several = len(self._live) > 1
        return tuple(
            f"{kind} {schema}.{name}" if several else f"{kind} {name}"
            for schema, one in self._live.items()
            for kind, name in sorted(
                (*one.unmanaged, *(("table", name) for name in self._schemas.left_alone(schema)))
            )
        )


def _unsafe(draft: Draft, findings: Sequence[Finding]) -> list[str]:
    names = {unit.key[1] for unit in draft.units}
    return [f.message for f in findings if f.table in names and f.severity is Severity.ERROR]


def _order(finding: Finding) -> tuple[str, int, str, str, str]:
    return (
        finding.table.lower(), _SEVERITIES.index(finding.severity), finding.linter, finding.column, finding.message
    )  # fmt: skip
