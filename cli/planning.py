"""What to plan: the schema files and the project they belong to, and the plans of every environment meant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cli.errors import WrongUsage
from cli.output import Output
from cli.place import Place, Wanted
from cli.project import CONFIG_NAME, Project, load_project, read_schema_files
from cli.replies import Plan

MOST_NAMED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The desired schema as read from disk."""

    directory: str
    files: Mapping[str, Mapping[str, str]]
    project: Project | None
    passed_over: Sequence[Path] = ()
    repository: str = ""
    pull_request: int | None = None


def read_source(directory: str, repository: str = "", pull_request: int | None = None) -> Source:
    """Read the schema directory. WrongUsage says what is wrong with it."""
    folder = read_schema_files(directory)
    return Source(
        directory=directory,
        files=folder.files,
        project=load_project(Path(directory)),
        passed_over=folder.passed_over,
        repository=repository,
        pull_request=pull_request,
    )


def wanted_for(wanted: Wanted, source: Source) -> Wanted:
    """*wanted* with the source's project; WrongUsage when nothing names a database."""
    if wanted.file is None and not wanted.database and source.project is None:
        raise WrongUsage(
            f"{CONFIG_NAME} not found in {Path(source.directory).resolve()}",
            f"name a SQLite file (schemabot plan shop.db -s {source.directory}), a server's database (-d NAME), "
            f"or write {CONFIG_NAME} with: database: NAME",
        )
    return replace(wanted, project=None if wanted.file else source.project)


def make_plans(place: Place, source: Source, environments: Sequence[str]) -> list[Plan]:
    """One plan for each environment, in that order."""
    kind = place.database_type()
    return [place.api.plan(_request(place, source, kind, environment)) for environment in environments]


def _request(place: Place, source: Source, kind: str, environment: str) -> dict[str, Any]:
    body: dict[str, Any] = {
        "database": place.named_database(),
        "environment": environment,
        "type": kind,
        "schema_files": {name: {"files": dict(files)} for name, files in source.files.items()},
    }
    if source.repository:
        body["repository"] = source.repository
    if source.pull_request is not None:
        body["pull_request"] = source.pull_request
    return body | remote_names(place, environment)


def remote_names(place: Place, environment: str) -> dict[str, str]:
    """The deployment and the target that the project names; nothing for a SQLite file, which is both."""
    project = place.wanted.project
    if place.local is not None or project is None:
        return {}
    names = {"target": project.target_for(environment)} if project.database == place.database else {}
    return names | ({"deployment": project.deployment} if project.deployment else {})


def say_passed_over(source: Source, output: Output) -> None:
    """Name what lies beside the schema files and is not read: a table of it would be one to drop."""
    named = [str(path) for path in source.passed_over[:MOST_NAMED]]
    if named:
        more = len(source.passed_over) - len(named)
        output.hint(
            f"Not read, only *.sql and vschema.json are: {', '.join(named)}"
            + (f" and {more} more" if more else "")
        )


def groups(plans: Sequence[Plan]) -> list[list[Plan]]:
    """Plans that read the same, together, in the order of their first."""
    found: dict[tuple[object, ...], list[Plan]] = {}
    for plan in plans:
        key = (plan.changes, plan.violations, plan.errors, plan.unmanaged, plan.vschema_changed)
        found.setdefault(key, []).append(plan)
    return list(found.values())
