"""Find the step for each difference between the live and the desired schema, in an order that leaves nothing broken."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import apsw

from engine.base import Strategy
from engine.errors import Refused
from engine.sqlite.catalog import Catalog, Relation, read_catalog
from engine.sqlite.planning.desired import Desired
from engine.sqlite.planning.drafts import Draft
from engine.sqlite.planning.foreign_keys import foreign_key_mismatches
from engine.sqlite.planning.native import Native, native_change
from engine.sqlite.planning.rebuild_sql import after_swap, make_rebuild, no_column_stays, stable_keys
from engine.sqlite.planning.renames import Renames
from engine.sqlite.planning.row_numbers import found_by_number
from engine.sqlite.planning.scratch import Mentions, Scratch, broken
from engine.sqlite.quoting import quote_name
from engine.sqlite.replacing import unseen_index
from engine.sqlite.sizes import DIRECT_BYTES, DROP_BYTES, DROP_ROWS, is_wide, rows_up_to
from engine.sqlite.spec import Step

_WORDS = {"table": "TABLE", "virtual": "TABLE", "view": "VIEW"}
Broken = dict[tuple[str, str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Unit:
    """A difference to remove: asked again whenever its turn comes, for what went before may have removed it."""

    name: str
    draft: Callable[[str], Draft | None]


class Drafting:
    """The drafts of one plan. *scratch* holds the live schema and is changed step by step into the desired one."""

    def __init__(
        self,
        target: apsw.Connection,
        live: Catalog,
        desired: Desired,
        renames: Renames,
        scratch: Scratch,
        direct_rows: int,
    ) -> None:
        self._target = target
        self._live = live
        self._desired = desired
        self._wanted = desired.catalog
        self._renames = renames
        self._scratch = scratch
        self._direct_rows = direct_rows
        self._mentions = (Mentions(live), Mentions(desired.catalog))
        self._children = _children([*live, *desired.catalog])
        self._broken: Broken = broken(scratch.connection, live)

    def drafts(self) -> list[Draft]:
        """The drafts in the order they run. Refused when a difference remains or cannot be removed."""
        found: list[Draft] = []
        pending = list(self._units())
        while pending:
            unit, draft = self._next(pending)
            pending.remove(unit)
            if draft is not None:
                self._scratch.run(draft.step)
                self._settle(draft)
                found.append(draft)
        self._verify()
        return found

    # -- order ---------------------------------------------------------------------------------------------------

    def _units(self) -> Iterator[_Unit]:
        """All differences: views that go, views that change, new tables, changed tables (renamed first), new views,
        tables that go (children before parents).
        """
        old, new = self._live.relations, self._wanted.relations
        sources = {name.lower() for name in self._renames.tables.values()}
        views = {name for name, relation in new.items() if relation.kind == "view"}
        gone = [name for name in sorted(old) if name not in new and name not in sources]
        changed = [
            name for name in sorted(new) if name in old and old[name].fingerprint != new[name].fingerprint
        ]
        fresh = [name for name in sorted(new) if name not in old and name not in self._renames.tables]
        yield from (_Unit(name=name, draft=self._drop) for name in gone if old[name].kind == "view")
        yield from (_Unit(name=name, draft=self._replace) for name in changed if name in views)
        yield from (_Unit(name=name, draft=self._create) for name in fresh if name not in views)
        yield from (_Unit(name=name, draft=self._alter) for name in sorted(self._renames.tables))
        yield from (_Unit(name=name, draft=self._alter) for name in changed if name not in views)
        yield from (_Unit(name=name, draft=self._create) for name in fresh if name in views)
        tables = [old[name] for name in gone if old[name].kind != "view"]
        yield from (
            _Unit(name=relation.name.lower(), draft=self._drop) for relation in _children_first(tables)
        )

    def _next(self, pending: list[_Unit]) -> tuple[_Unit, Draft | None]:
        """The first unit that leaves all views and triggers working; the very first when there is none such."""
        first: tuple[_Unit, Draft | None] | None = None
        refusal: Refused | None = None
        for unit in pending:
            try:
                draft = unit.draft(unit.name)
            except Refused as refused:  # perhaps another unit must free a name first
                refusal = refusal or refused
                continue
            if draft is None or not self._breaks(draft):
                return unit, draft
            first = first or (unit, draft)
        if first is None:
            assert refusal is not None
            raise refusal
        return first

    def _breaks(self, draft: Draft) -> Broken:
        """Views and triggers that work now and would not after the draft."""
        if not self._affected(draft):
            return {}
        with self._scratch.trial():
            self._scratch.run(draft.step)
            after = self._broken_among(draft)
        return {key: reason for key, reason in after.items() if key not in self._broken}

    def _affected(self, draft: Draft) -> set[str]:
        """Lower-case names of what may feel the draft: views, tables with triggers, tables with foreign keys to it."""
        names = {draft.step.source.lower(), draft.name.lower()}
        reached = set[str]().union(*(mentions.of(names) for mentions in self._mentions))
        reached |= {child for name in names for child in self._children.get(name, ())}
        return reached | {
            name
            for name in names
            if (new := self._wanted.get(name)) and (new.kind == "view" or new.triggers or new.foreign_keys)
        }

    def _broken_among(self, draft: Draft) -> Broken:
        """Of those, the ones that do not work now. A key that lacks its parent counts: the engine would refuse its rows."""
        now = read_catalog(self._scratch.connection, self._affected(draft))
        mismatches = foreign_key_mismatches(self._scratch.connection, now)
        keys = {("foreign key", name): reason for name, reason in mismatches.items()}
        return broken(self._scratch.connection, now) | keys

    def _settle(self, draft: Draft) -> None:
        if self._broken:
            everything = self._scratch.catalog()
            mismatches = foreign_key_mismatches(self._scratch.connection, everything)
            self._broken = broken(self._scratch.connection, everything)
            self._broken |= {("foreign key", name): reason for name, reason in mismatches.items()}
        elif self._affected(draft):
            self._broken = self._broken_among(draft)

    # -- drafts --------------------------------------------------------------------------------------------------

    def _rows(self, relation: Relation) -> int:
        """Rows of the live table (a view or virtual table counts as empty: no row of it is touched)."""
        return rows_up_to(self._target, relation.name, self._direct_rows) if relation.kind == "table" else 0

    def _step(self, source: str, table: str, statements: Iterable[str], *, small: bool = False) -> Step:
        step = Step(before=self._scratch.fingerprint(source), after=None, source=source, table=table,
                    statements=tuple(statements), small=small)  # fmt: skip
        return self._finished(step)

    def _finished(self, step: Step) -> Step:
        """The step with the fingerprint it leads to, read where it was tried."""
        with self._scratch.trial():
            try:
                self._scratch.run(step)
            except apsw.Error as error:
                raise Refused(f"{step.table}: the planned statements do not work: {error}") from error
            return replace(step, after=self._scratch.fingerprint(step.table))

    def _drop(self, name: str) -> Draft | None:
        relation = self._scratch.get(name)
        if relation is None:
            return None
        rows = self._rows(relation)
        # The engine only takes a large one out of sight, and removes the rows later.
        wide = relation.kind == "table" and is_wide(self._target, relation.name, DROP_BYTES)
        aside = rows > DROP_ROWS or wide
        strategy = Strategy.INSTANT if aside else self._removal(relation, rows)
        step = self._step(relation.name, relation.name, [_drop_text(relation)])
        return Draft(
            change_type="drop",
            step=step,
            strategy=strategy,
            rows=rows,
            counted_to=self._direct_rows,
            aside=aside,
        )

    def _removal(self, relation: Relation, rows: int) -> Strategy:
        """How a table of so many rows is removed at once."""
        much = rows > DROP_ROWS or (
            relation.kind == "table" and is_wide(self._target, relation.name, DIRECT_BYTES)
        )
        return Strategy.DIRECT if much else Strategy.INSTANT

    def _create(self, name: str) -> Draft | None:
        wanted = self._wanted.relations[name]
        if self._scratch.fingerprint(name) == wanted.fingerprint:
            return None
        step = self._step(wanted.name, wanted.name, create_texts(wanted))
        return Draft(change_type="create", step=step, strategy=Strategy.INSTANT)

    def _replace(self, name: str) -> Draft | None:
        """Drop and create: a view, another kind of thing, or a table of which nothing stays."""
        wanted, now = self._wanted.relations[name], self._scratch.get(self._renames.source(name))
        if now is None or now.fingerprint == wanted.fingerprint:
            return None
        rows = self._rows(now)
        strategy = self._removal(now, rows)
        small = strategy is Strategy.INSTANT and now.kind == "table"
        step = self._step(now.name, wanted.name, [_drop_text(now), *create_texts(wanted)], small=small)
        return Draft(
            change_type="alter", step=step, strategy=strategy, rows=rows, counted_to=self._direct_rows
        )

    def _alter(self, name: str) -> Draft | None:
        wanted = self._wanted.relations[name]
        source = self._renames.source(name)
        now = self._scratch.get(source)
        if now is None or (now.fingerprint == wanted.fingerprint and now.name == wanted.name):
            return None
        if now.kind == wanted.kind == "virtual":
            return self._alter_virtual(now, wanted)
        if now.kind != wanted.kind or no_column_stays(now, wanted, self._renames.of(name)):
            return self._replace(name)
        live = self._live.get(source)
        assert live is not None
        draft = self._alter_table(live, now, wanted)
        if draft.step.after != wanted.fingerprint:
            raise Refused(_unequal(wanted, draft, self._scratch))
        return draft

    def _alter_virtual(self, now: Relation, wanted: Relation) -> Draft:
        if now.form != wanted.form or now.name != wanted.name:
            file, line = self._desired.line(wanted.name)
            raise Refused(
                f"{file}:{line}: the virtual table {wanted.name} would change, which SQLite cannot do: "
                "make it under a new name, fill it, and drop the old one"
            )
        drops = [f"DROP TRIGGER {quote_name(trigger.name)}" for trigger in now.triggers.values()]
        step = self._step(
            now.name, wanted.name, [*drops, *(trigger.sql for trigger in wanted.triggers.values())]
        )
        return Draft(change_type="alter", step=step, strategy=Strategy.INSTANT)

    def _alter_table(self, live: Relation, now: Relation, wanted: Relation) -> Draft:
        rows = self._rows(live)
        many = rows > self._direct_rows
        large = many or is_wide(self._target, live.name, DIRECT_BYTES)
        native = self._native(now, wanted)
        if native is not None and not (native.scans and many) and not (native.rewrites and large):
            small = not large and (native.scans or native.frees)
            step = self._step(now.name, wanted.name, native.statements, small=small)
            instant = not native.scans and not (native.frees and large)
            strategy = Strategy.INSTANT if instant else Strategy.DIRECT
            return Draft(
                change_type="alter", step=step, strategy=strategy, rows=rows, counted_to=self._direct_rows
            )
        step = self._rebuild(live, now, wanted, large=large)
        if native is not None and not step.online:
            step = self._step(now.name, wanted.name, native.statements)
        strategy = Strategy.ONLINE if step.online else Strategy.DIRECT
        unseen = unseen_index(self._target, live.name) if large else ""
        keyless = large and not step.online and not unseen
        return Draft(
            change_type="alter", step=step, strategy=strategy, rows=rows, keyless=keyless, unseen=unseen
        )

    def _native(self, now: Relation, wanted: Relation) -> Native | None:
        """SQLite's own ALTER; failing that, the same with the changing views out of its way."""
        renamed = self._renames.of(wanted.name)
        native = native_change(self._scratch, now, wanted, renamed)
        views = self._views_in_the_way(now)
        if native is not None or not views:
            return native
        return native_change(self._scratch, now, wanted, renamed, *self._around(views))

    def _views_in_the_way(self, now: Relation) -> list[Relation]:
        """Views that feel the table and will be another text anyway, as they are now."""
        reached = set[str]().union(*(mentions.of([now.name]) for mentions in self._mentions))
        views = (self._scratch.get(name) for name in sorted(reached))
        return [
            view
            for view in views
            if view is not None
            and view.kind == "view"
            and view.fingerprint != self._wanted.fingerprint(view.name)
        ]

    def _around(self, views: list[Relation]) -> tuple[list[str], list[str]]:
        wanted = [
            new for view in views if (new := self._wanted.get(view.name)) is not None and new.kind == "view"
        ]
        return [_drop_text(view) for view in views], [text for view in wanted for text in create_texts(view)]

    def _rebuild(self, live: Relation, now: Relation, wanted: Relation, *, large: bool) -> Step:
        keys = stable_keys(self._target, live)
        new_keys = stable_keys(self._desired.scratch.connection, wanted)
        rebuild = make_rebuild(now, wanted, self._renames.of(wanted.name), keys, new_keys)
        rebuild = replace(rebuild, keep_rowids=found_by_number(live, self._live))
        step = Step(
            before=self._scratch.fingerprint(now.name),
            after=None,
            source=now.name,
            table=wanted.name,
            statements=after_swap(now, wanted),
            rebuild=rebuild,
            online=large and bool(rebuild.new_key) and not unseen_index(self._target, live.name),
            small=not large,
        )
        views = self._views_in_the_way(now)
        drops, creates = self._around(views)
        try:
            step = self._finished(step)
        except Refused:
            if not views:
                raise
            # A rename after the swap is refused while a view still asks for what is gone.
            return self._finished(replace(step, statements=(*drops, *step.statements, *creates)))
        draft = Draft(change_type="alter", step=step, strategy=Strategy.DIRECT)
        if views and self._breaks(draft):
            aside = self._finished(replace(step, statements=(*step.statements, *drops, *creates)))
            if not self._breaks(replace(draft, step=aside)):
                return aside
        return step

    # -- proof ---------------------------------------------------------------------------------------------------

    def _verify(self) -> None:
        """After all steps the scratch must be the desired schema, object by object."""
        reached = self._scratch.catalog()
        for name in sorted({*reached.relations, *self._wanted.relations}):
            have, want = reached.get(name), self._wanted.get(name)
            if have is None or want is None or have.fingerprint != want.fingerprint:
                raise Refused(
                    f"{name}: no way was found that leads to the desired schema.\nWanted:\n{_text(want)}\nReached:\n{_text(have)}"
                )


def create_texts(relation: Relation) -> list[str]:
    """The statements that make a table or view with all that belongs to it."""
    parts = [*sorted(relation.indexes.items()), *sorted(relation.triggers.items())]
    return [relation.sql, *(part.sql for _, part in parts)]


def _drop_text(relation: Relation) -> str:
    return f"DROP {_WORDS[relation.kind]} {quote_name(relation.name)}"


def _text(relation: Relation | None) -> str:
    return ";\n".join(create_texts(relation)) + ";" if relation else "(nothing)"


def _unequal(wanted: Relation, draft: Draft, scratch: Scratch) -> str:
    with scratch.trial():
        scratch.run(draft.step)
        reached = scratch.get(wanted.name)
    return (
        f"{wanted.name}: the planned statements do not lead to the desired table.\n"
        f"Wanted:\n{_text(wanted)}\nReached:\n{_text(reached)}"
    )


def _children(relations: Iterable[Relation]) -> dict[str, set[str]]:
    """Parent → the tables with a foreign key to it (itself, too), lower case."""
    found: dict[str, set[str]] = {}
    for relation in relations:
        for key in relation.foreign_keys:
            found.setdefault(key.table.lower(), set()).update((relation.name.lower(), key.table.lower()))
    return found


def _children_first(tables: list[Relation]) -> list[Relation]:
    """*tables* so that none goes before one that refers to it; rings are broken by name."""
    left = {table.name.lower(): table for table in tables}
    ordered = []
    while left:
        parents = {
            key.table.lower()
            for name, t in left.items()
            for key in t.foreign_keys
            if key.table.lower() != name
        }
        free = sorted(name for name in left if name not in parents) or sorted(left)[:1]
        ordered += [left.pop(name) for name in free]
    return ordered
