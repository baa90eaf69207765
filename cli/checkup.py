"""What can be seen of a server from outside: that it answers, is ready, lets us in, and has a back end for each database."""

from collections.abc import Iterator

from cli.api import Api
from cli.client import segment
from cli.errors import ApiError, CliError
from cli.replies import rows
from cli.views.checkup import Note


def examine_server(api: Api) -> Iterator[tuple[str, list[Note]]]:
    """What is looked at, and what was seen there; ends early when nobody answers or lets us in."""
    endpoint = api.client.endpoint
    notes = list(_server(api))
    yield f"server {endpoint}", notes
    if any(note.verdict == "bad" for note in notes):
        return
    for database in api.databases():
        name = str(database.get("name"))
        for environment in rows(database, "environments"):
            place = str(environment.get("environment"))
            yield f"{name}/{place}", [_back_end(api, name, place)]


def _server(api: Api) -> Iterator[Note]:
    for subject, path, good in (
        ("answer", "/livez", "it answers"),
        ("readiness", "/health", "its store can be read and written"),
        ("access", "/api/databases", "it lets us in"),
    ):
        try:
            api.client.get(path)
        except ApiError as error:
            # The original's server has neither of these two routes.
            if error.status == 404 and path != "/health":
                continue
            yield _bad(subject, error)
            return
        except CliError as error:
            yield _bad(subject, error)
            return
        yield Note(verdict="good", subject=subject, text=good)


def _back_end(api: Api, database: str, environment: str) -> Note:
    try:
        api.client.get(f"/tern-health/{segment(database)}/{segment(environment)}")
    except CliError as error:
        return _bad("back end", error)
    return Note(
        verdict="good",
        subject="back end",
        text="configured; `schemabot doctor -c FILE` on the server's machine looks at the database itself",
    )


def _bad(subject: str, error: CliError) -> Note:
    return Note(verdict="bad", subject=subject, text=str(error), remedy=error.hint)
