"""The plan for a SQLite target: what it takes from the live schema to the desired one, proved in memory before it is shown.

The target is only read. The statements of a plan are meant for a connection with foreign_keys OFF and legacy_alter_table
OFF (renames must repoint what refers to the table); only the swap of a rebuild wants legacy_alter_table ON.
"""

from collections.abc import Sequence
from contextlib import closing

import apsw

from engine.base import Finding, PlanResult, SchemaFiles, Severity
from engine.errors import Refused
from engine.files import only_namespace, parse_files
from engine.misplaced import refuse_misplaced
from engine.sqlite.catalog import Catalog, read_catalog
from engine.sqlite.planning.desired import Desired
from engine.sqlite.planning.drafting import Drafting
from engine.sqlite.planning.drafts import Draft
from engine.sqlite.planning.foreign_keys import unanswered
from engine.sqlite.planning.lint import Linter
from engine.sqlite.planning.name_traps import (
    Stranger,
    in_the_way,
    refuse_lookalikes,
    strangers,
    unmanaged_strangers,
)
from engine.sqlite.planning.questions import QUESTION_SECONDS, Context, ask_rows
from engine.sqlite.planning.renames import read_renames
from engine.sqlite.planning.scratch import Scratch, broken
from engine.sqlite.planning.way_back import files_back
from engine.sqlite.sizes import DIRECT_ROWS
from engine.sqlite.target import translated

_SEVERITIES = list(Severity)


def plan_sqlite(
    connection: apsw.Connection,
    files: SchemaFiles,
    *,
    direct_rows: int = DIRECT_ROWS,
    question_seconds: float = QUESTION_SECONDS,
) -> PlanResult:
    """What it takes to make the schema of *connection* the one of *files*. The same input gives the same plan.

    Tables of up to *direct_rows* rows, and of not too many bytes, are scanned or copied in one transaction, others online. A
    question to the rows that takes longer than *question_seconds* stays open, and the plan says so.

    BadFiles: the files are not understood, or views or triggers would not work. Refused: no verified way.
    TargetUnavailable: the target cannot be read now.
    """
    namespace, texts = only_namespace(files)
    statements = parse_files(texts)
    refuse_misplaced(texts, statements)
    with translated("planning"), connection:  # a savepoint: the schema is read at one moment
        live = read_catalog(connection)
        refuse_lookalikes(connection, live)
        unknown = strangers(connection)
    with translated("planning"), closing(Scratch()) as scratch:
        scratch.load_live(live)
        _same_as_live(live, scratch)
        with closing(Desired(statements, scratch.foreign)) as desired:
            refuse_lookalikes(desired.scratch.connection, desired.catalog)
            renames = read_renames(desired, live)
            drafting = Drafting(connection, live, desired, renames, scratch, direct_rows)
            context = Context(
                target=connection, live=live, desired=desired, renames=renames, seconds=question_seconds
            )
            return _plan(namespace, context, scratch, drafting, unknown)


def _plan(
    namespace: str, context: Context, scratch: Scratch, drafting: Drafting, unknown: Sequence[Stranger]
) -> PlanResult:
    live, desired = context.live, context.desired
    old_sins = desired.refuse_broken(_broken_and_kept(live, desired, scratch))
    mismatches = unanswered(scratch.connection, live)
    drafts = drafting.drafts()
    findings: list[Finding] = []
    if drafts:
        findings += _findings(context, drafts)
        findings += Linter(live, desired, context.renames).mismatches(mismatches)
        findings += in_the_way(unknown, drafts)
        findings += [_still_broken(*sin) for sin in old_sins]
        findings += [_brought_along(missing) for missing in sorted(set(scratch.foreign))]
    findings.sort(key=_order)
    changes = []
    for draft in drafts:
        unsafe = [f for f in findings if f.table == draft.name and f.severity is Severity.ERROR]
        changes.append(draft.change(namespace, unsafe))
    return PlanResult(
        changes=tuple(changes),
        findings=tuple(findings),
        fingerprints=live.fingerprints(),
        original={namespace: files_back(live, context.renames)},
        unmanaged=(*live.unmanaged, *unmanaged_strangers(unknown)),
    )


def _findings(context: Context, drafts: Sequence[Draft]) -> list[Finding]:
    live, desired, renames = context.live, context.desired, context.renames
    linter = Linter(live, desired, renames)
    found = [*renames.findings, *linter.gone_and_new(drafts)]
    for draft in drafts:
        found += linter.judge(draft)
        now, wanted = live.get(renames.source(draft.name)), desired.catalog.get(draft.name)
        if (
            now is not None
            and wanted is not None
            and now.kind == wanted.kind == "table"
            and not draft.replaced
        ):
            found += ask_rows(context, now, wanted)
    return found


def _order(finding: Finding) -> tuple[str, int, str, str, str]:
    return (
        finding.table.lower(), _SEVERITIES.index(finding.severity), finding.linter, finding.column, finding.message
    )  # fmt: skip


def _same_as_live(live: Catalog, scratch: Scratch) -> None:
    """The live schema, made again in memory, must read the same: else every comparison would be worth nothing."""
    again = scratch.catalog().fingerprints()
    for name, fingerprint in live.fingerprints().items():
        if again.get(name) != fingerprint:
            raise Refused(f"{name}: the live definition, made again in memory, does not read the same")


def _broken_and_kept(live: Catalog, desired: Desired, scratch: Scratch) -> dict[tuple[str, str], str]:
    """Views and triggers that do not work now and stand in the files unchanged: no reason to stop other work."""
    now = broken(scratch.connection, live)
    return {key: reason for key, reason in now.items() if _texts(live, *key) == _texts(desired.catalog, *key)}


def _texts(catalog: Catalog, kind: str, name: str) -> list[str]:
    return [
        part.form
        for relation in catalog
        for part in (relation.triggers.values() if kind == "trigger" else (relation,))
        if part.name == name
    ]


def _still_broken(kind: str, name: str, reason: str) -> Finding:
    message = f"{kind} {name} does not work, before the plan as after it: {reason}"
    return Finding(severity=Severity.WARNING, linter="broken", message=message)


def _brought_along(missing: str) -> Finding:
    message = f"the schema uses the {missing}, which only the application has: a change that needs it will be refused"
    return Finding(severity=Severity.WARNING, linter="foreign_code", message=message)
