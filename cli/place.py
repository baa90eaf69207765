"""Where a command does its work: a server or a SQLite file, which database and environment, and how to name that again."""

import os
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cli.api import Api
from cli.client import Client
from cli.errors import ApiError, CliError, Refused, WrongUsage
from cli.profile import find_endpoint
from cli.project import Project, load_project
from cli.replies import Progress

if TYPE_CHECKING:
    from cli.local import LocalServer

APPLY_ID = re.compile(r"apply[-_][0-9a-f]+|apply-[\w-]+")
"""What is meant as one: those that there are, and those that were mistyped."""
NO_ENDPOINT = "no endpoint configured"
HOW_TO_SAY_WHERE = (
    "name a SQLite file (schemabot plan shop.db -s schema/), a server (--endpoint URL or SCHEMABOT_ENDPOINT), "
    "or write a profile into ~/.schemabot/config.yaml"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a command line says about the place."""

    endpoint: str = ""
    profile: str = ""
    file: Path | None = None
    database: str = ""
    environment: str = ""
    apply_id: str = ""
    project: Project | None = None


@dataclass(slots=True, kw_only=True)
class Place:
    """An open connection to where the work is done."""

    api: Api
    wanted: Wanted
    local: "LocalServer | None" = None
    file: Path | None = None
    endpoint_given: bool = False

    @property
    def in_process(self) -> bool:
        """Whether the work happens in this very process, and rests when the command ends."""
        return self.local is not None and self.local.ours

    @property
    def database(self) -> str:
        """The database that is meant, or "" when only an apply's id is known."""
        if self.local is not None:
            from cli.local import database_name

            return database_name(self.local.file)
        return self.wanted.database or (self.wanted.project.database if self.wanted.project else "")

    def command(self, verb: str, *words: str) -> str:
        """A command line that does *verb* in this place."""
        parts = ["schemabot", verb, *([str(self.file)] if self.file else []), *words]
        if self.endpoint_given:
            parts += ["--endpoint", self.api.client.endpoint]
        if self.wanted.profile:
            parts += ["--profile", self.wanted.profile]
        return shlex.join(parts)

    def reconnect(self) -> None:
        """After a lost connection: find whoever owns the store now, or take it over. A server is asked again as it was."""
        if self.local is not None:
            self.api.client.endpoint = self.local.open()

    def environment(self) -> str:
        """The environment that is meant: the one given, or the only one there is."""
        if self.local is not None:
            return self._local_environment()
        if self.wanted.environment:
            return self.wanted.environment
        found = self.environments()
        if len(found) != 1:
            raise WrongUsage(
                f"{self.database} has several environments: {', '.join(found) or 'none'}",
                "choose one with -e NAME",
            )
        return found[0]

    def environments(self) -> list[str]:
        """The environment given, or every environment of the database."""
        if self.local is not None:
            return [self._local_environment()]
        if self.wanted.environment:
            return [self.wanted.environment]
        return self._known_environments()

    def _known_environments(self) -> list[str]:
        deployment = self.wanted.project.deployment if self.wanted.project else ""
        return self.api.environments(self.named_database(), deployment)

    def better_hint(self, error: ApiError) -> str:
        """What to do about *error*: where it came of an environment that the database has not, which ones it has."""
        if "unknown deployment" not in str(error) or not self.wanted.environment:
            return error.hint
        try:
            known = self._known_environments()
        except CliError:
            return error.hint
        if self.wanted.environment in known:
            return error.hint
        return f"{self.database} has no environment {self.wanted.environment}; choose by -e one that it has: {', '.join(known)}"

    def check_known(self) -> None:
        """Refused, also by the server: it knows no such database, or no such environment of it."""
        if self.local is not None:
            return
        known = self._known_environments()
        if self.wanted.environment and self.wanted.environment not in known:
            raise Refused(
                f"{self.database} has no environment {self.wanted.environment}",
                f"choose by -e one that it has: {', '.join(known)}",
            )

    def named_database(self) -> str:
        """The database, or WrongUsage saying how to name one."""
        if not self.database:
            raise WrongUsage(
                "which database?",
                f"name it with -d NAME or in schemabot.yaml; {self.command('databases')} lists them",
            )
        return self.database

    def database_type(self) -> str:
        """The database's type: as the server has it, else as the project says. WrongUsage: they differ."""
        if self.local is not None:
            return "sqlite"
        known = {
            str(entry.get("name")): str(entry["type"]) for entry in self.api.databases() if entry.get("type")
        }
        project = self.wanted.project
        if project is not None and project.database == self.database:
            elsewhere = project.deployment not in ("", self.database)
            configured = project.type if elsewhere else known.get(self.database, project.type)
            if project.type_said and project.type != configured:
                raise WrongUsage(
                    f"{project.file}: type is {project.type}, but the server has {self.database} as {configured}",
                    f"write type: {configured}, or name another database or server",
                )
            return configured
        if self.database not in known:
            raise Refused(
                f"the server knows no database {self.database!r}",
                f"it names: {', '.join(sorted(known)) or 'none'}; for one it does not name, say its type in a schemabot.yaml",
            )
        return known[self.database]

    def apply(self) -> Progress:
        """The apply that is meant: the one named, else the database's active or latest one. Refused when there is none."""
        if self.wanted.apply_id:
            return self._named_apply(self.wanted.apply_id)
        database, environment = self.named_database(), self.environment()
        found = self.api.database_progress(database, environment)
        if not found.state or not found.apply_id:
            raise Refused(
                f"no schema change has run on {database} ({environment}) yet",
                f"begin one: {self.command('apply')}",
            )
        return self.api.progress(found.apply_id)

    def _named_apply(self, apply_id: str) -> Progress:
        try:
            return self.api.progress(apply_id)
        except ApiError as error:
            if error.status == 404:
                hint = f"the latest ones: {self.command('status')}"
                raise Refused(str(error), hint) from error
            raise

    def _local_environment(self) -> str:
        from cli.local import ENVIRONMENT

        given = self.wanted.environment
        if given and given != ENVIRONMENT and self.wanted.project is None:
            raise WrongUsage(
                f"a SQLite file has one environment, {ENVIRONMENT!r}, not {given!r}",
                "leave -e away, or name a server",
            )
        return ENVIRONMENT


@contextmanager
def open_place(wanted: Wanted, *, drive: bool) -> Iterator[Place]:
    """The place *wanted* means, open. *drive*: a SQLite file's unfinished apply is gone on with meanwhile.

    Order: a file on the command line, a server (flag, environment, profile), the SQLite file of schemabot.yaml.
    """
    if wanted.file is not None and wanted.endpoint:
        raise WrongUsage(
            f"{wanted.file} and --endpoint name two places",
            "leave --endpoint away, or name the server's database by -d",
        )
    endpoint = "" if wanted.file is not None else find_endpoint(wanted.endpoint, wanted.profile)
    if endpoint:
        client = Client(endpoint)
        try:
            place = Place(api=Api(client), wanted=wanted, endpoint_given=bool(wanted.endpoint))
            try:
                yield place
            except ApiError as error:
                error.hint = place.better_hint(error)
                raise
        finally:
            client.close()
        return
    file = wanted.file or (wanted.project.sqlite_file(wanted.environment) if wanted.project else None)
    if file is None:
        raise WrongUsage(NO_ENDPOINT, HOW_TO_SAY_WHERE)
    with _local_place(wanted, _short(file), drive=drive) as place:
        yield place


@contextmanager
def _local_place(wanted: Wanted, file: Path, *, drive: bool) -> Iterator[Place]:
    from cli.local import LocalServer

    if not file.parent.is_dir():
        raise CliError(f"no such folder: {file.parent}", f"make it first, or correct the path {file}")
    with LocalServer(file, drive=drive) as local:
        client = Client(local.open(), recover=local.open)
        try:
            yield Place(api=Api(client), wanted=wanted, local=local, file=file)
        except ApiError as error:
            if local.ours and "internal error" in str(error):
                error.hint = "the daemon ran in this process: `schemabot -v …` shows its log"
            raise
        finally:
            client.close()


def _short(file: Path) -> Path:
    """The path as a person here would type it."""
    shorter = os.path.relpath(file)
    return Path(shorter if len(shorter) < len(str(file)) else file)


def read_words(words: tuple[str, ...], *, endpoint: str = "") -> Wanted:
    """What up to two words name: an apply's id, a SQLite file, or a database of the server, in any order."""
    apply_id = database = ""
    file: Path | None = None
    for word in words:
        if APPLY_ID.fullmatch(word) and not apply_id:
            apply_id = word
        elif Path(word).is_file() and file is None and not endpoint:
            file = Path(word)
        elif looks_like_file(word):
            raise WrongUsage(
                f"no such database file: {word}", "check the path; it must exist for this command"
            )
        elif not database and file is None:
            database = word
        else:
            raise WrongUsage(
                f"cannot tell what {word!r} means beside the rest", "name one database and one apply"
            )
    if file is not None and database:
        raise WrongUsage(f"{file} and {database} name two databases", "name one of them")
    return Wanted(apply_id=apply_id, file=file, database=database)


def looks_like_file(word: str) -> bool:
    """Whether a person who typed *word* meant a path."""
    return "/" in word or word.endswith((".db", ".sqlite", ".sqlite3", ".db3"))


def project_here(directory: str = ".") -> Project | None:
    """The project in *directory*, or None."""
    return load_project(Path(directory))
