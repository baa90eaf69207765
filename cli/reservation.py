"""The lock on a database while a person applies to it: looked at, taken, given back."""

import getpass
import os
import socket

from cli.errors import ApiError, CliError, Refused
from cli.output import Output
from cli.place import Place
from cli.replies import ENDED, Lock, Progress
from cli.views.text import moment, state_word


def owner() -> str:
    """Who we are to locks and logs: `cli:user@host`."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):
        user = f"uid{os.getuid()}"
    return f"cli:{user}@{socket.gethostname()}"


class Reservation:
    """The lock of one database, which has no environment. With *enabled* false nothing is done."""

    def __init__(
        self, place: Place, output: Output, database: str, database_type: str, *, enabled: bool, force: bool
    ) -> None:
        self._place = place
        self._output = output
        self._database = database
        self._type = database_type
        self._enabled = enabled
        self._force = force
        self._had = False

    def check(self) -> None:
        """Refused when somebody else holds it, unless forced; asked before a person reads and answers."""
        if not self._enabled or self._force:
            return
        held = self._place.api.lock(self._database, self._type)
        if held is not None and held.owner != owner():
            raise self._conflict(held)

    def take(self) -> None:
        """Get it; Refused when somebody else was faster."""
        if not self._enabled:
            return
        api = self._place.api
        held = api.lock(self._database, self._type)
        self._had = held is not None and held.owner == owner()
        if self._force and held is not None and not self._had:
            api.release_lock(self._database, self._type, owner(), force=True)
            self._output.say(f"Took the lock on {self._database} from {held.owner}", "yellow")
        try:
            api.acquire_lock(self._database, self._type, owner())
        except ApiError as error:
            if error.status != 409:
                raise
            found = error.body.get("current_lock")
            raise self._conflict(Lock.read(found if isinstance(found, dict) else {})) from error
        self._output.hint(f"Lock acquired: {self._database} by {owner()}")

    def give_up(self) -> None:
        """Nothing was begun: leave the lock as it was found."""
        if self._enabled and not self._had:
            self.release()

    def release(self) -> None:
        """Give it back, whatever goes on; one that is gone or somebody else's is left as it is."""
        if self._enabled:
            _release(self._place, self._output, self._database, self._type)

    def finish(self) -> None:
        """The apply has ended: give it back, unless another one of ours needs it still."""
        if self._enabled:
            _finish(self._place, self._output, self._database, self._type)

    def kept(self, apply_id: str) -> None:
        """Say that it stays held: nobody but a command that sees the end of the apply gives it back."""
        if self._enabled:
            unlock = self._place.command("unlock", *_naming(self._place, self._database))
            self._output.hint(
                f"The lock on {self._database} stays yours, also when the apply has ended, until you watch its end "
                f"({self._place.command('progress', apply_id)}) or release it: {unlock}"
            )

    def _conflict(self, held: Lock) -> Refused:
        since = f" since {moment(held.created_at)}" if held.created_at else ""
        unlock = self._place.command("unlock", *_naming(self._place, self._database), "--force")
        return Refused(
            f"database is locked: {self._database} is held by {held.owner or 'somebody else'}{since}",
            f"ask them, or take it: add --force (or {unlock})",
        )


def release_mine(place: Place, output: Output, progress: Progress) -> None:
    """After the end of an apply that we began: give back the lock we still hold for it. Never an error by itself."""
    if progress.caller != owner():
        return
    try:
        for lock in place.api.locks()[1]:
            if lock.database == progress.database and lock.owner == owner():
                _finish(place, output, lock.database, lock.database_type)
    except CliError as error:
        output.say(f"The lock on {progress.database} could not be released: {error}", "yellow")


def _finish(place: Place, output: Output, database: str, database_type: str) -> None:
    """The lock has no environment: it may be that of an apply of ours in another one."""
    _, applies = place.api.history(database, "")
    live = next((one for one in applies if one.caller == owner() and one.state not in ENDED), None)
    if live is None:
        _release(place, output, database, database_type)
        return
    unlock = place.command("unlock", *_naming(place, database))
    output.hint(
        f"The lock on {database} stays yours: {live.apply_id} ({live.environment}) is {state_word(live.state)}; "
        f"release it: {unlock}"
    )


def _release(place: Place, output: Output, database: str, database_type: str) -> None:
    try:
        if place.api.release_lock(database, database_type, owner()):
            output.hint(f"Lock released: {database}")
    except ApiError as error:
        if error.status != 403:
            raise


def _naming(place: Place, database: str) -> tuple[str, ...]:
    return () if place.file else ("-d", database)
