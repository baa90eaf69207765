"""Open a SQLite target, and say what went wrong there in the engine's errors."""

import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import apsw

from engine.errors import EngineError, Refused, TargetUnavailable, Unreachable

BUSY_SECONDS = 5.0
READ_ONLY = "its file system is read-only: mount it for writing, or name its folder in ReadWritePaths of the systemd unit"


def connect(
    dsn: str, *, read_only: bool = False, may_make: bool = True, busy_seconds: float = BUSY_SECONDS
) -> apsw.Connection:
    """A connection to the database *dsn* names: a path, or a `file:` address.

    A file that does not exist is an empty database: read-only it is not made (an empty one in memory stands for it), else
    it is, unless *may_make* is off: then there was one, and it is away. Foreign keys are off. A lock of someone else is
    waited for up to *busy_seconds*. TargetUnavailable, Refused.
    """
    path = file_of(dsn)
    if not path.parent.is_dir():
        raise Unreachable(
            f"{path}: the folder {path.parent} does not exist; create it, mount it or correct the dsn"
        )
    if path.is_dir():
        raise Refused(f"{path} is a folder, not a database file")
    if read_only and not path.exists():
        return apsw.Connection(":memory:")
    if not read_only and not may_make and not _size(path):
        # Who opens a file that is away leaves an empty one there, as SQLite does for everybody.
        raise Unreachable(
            f"{path} does not exist, or is empty, but there was a database; put the file back or correct the dsn"
        )
    needed = os.R_OK if read_only else os.R_OK | os.W_OK
    if path.exists() and not os.access(path, needed):
        advice = READ_ONLY if on_read_only(path) else "see its owner and mode"
        raise TargetUnavailable(f"{path}: no permission to {'read' if read_only else 'write'} it; {advice}")
    with translated(str(path)):
        try:
            return _open(dsn, path, read_only, busy_seconds)
        except (apsw.CantOpenError, apsw.ReadOnlyError) as error:
            if on_read_only(path):
                raise TargetUnavailable(f"{path}: {error} ({READ_ONLY})") from error
            if not read_only or isinstance(error, apsw.CantOpenError):
                raise
        # An application was killed in a transaction: its journal is rolled back by the first who may write.
        _open(dsn, path, False, busy_seconds).close()
        return _open(dsn, path, read_only, busy_seconds)


def on_read_only(path: Path) -> bool:
    """Whether the folder of *path* is on a file system that is mounted read-only, for this process at least."""
    try:
        return bool(os.statvfs(path.resolve().parent).f_flag & os.ST_RDONLY)
    except OSError:  # a link to a folder that is gone
        return False


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _open(dsn: str, path: Path, read_only: bool, busy_seconds: float) -> apsw.Connection:
    mode = apsw.SQLITE_OPEN_READONLY if read_only else apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE
    name = dsn if dsn.startswith("file:") else str(path)
    connection = apsw.Connection(name, flags=mode | apsw.SQLITE_OPEN_URI)
    try:
        connection.set_busy_handler(_busy_handler(busy_seconds))
        connection.execute("PRAGMA foreign_keys = OFF")
        # Opens the file: it may be no database.
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
    except BaseException:
        connection.close()
        raise
    return connection


def file_of(dsn: str) -> Path:
    """The file that *dsn* names; Refused for a database in memory."""
    if dsn.startswith("file:"):
        parts = urlsplit(dsn)
        path = unquote(parts.path)
        if dict(parse_qsl(parts.query)).get("mode") == "memory":
            path = ""
    else:
        path = dsn
    if path in ("", ":memory:"):
        raise Refused("the dsn names no file; give the path of the database file")
    return Path(path).absolute()


class OpenFile:
    """The file that a connection was just opened on. SQLite keeps to it, whatever is put in its place."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._identity = self._at_path()

    def check(self) -> None:
        """It still is the one at its path. Unreachable: nothing is; TargetUnavailable: another file is."""
        found = self._at_path()
        if found is None:
            raise Unreachable(f"{self._path} was removed while it was open; put the file back")
        if found != self._identity:
            raise TargetUnavailable(
                f"{self._path} was replaced by another file while it was open; what is there now is looked at anew"
            )

    def _at_path(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino


def _busy_handler(seconds: float) -> Callable[[int], bool]:
    """A busy handler: random short sleeps, so that two waiters do not march in step, up to a total."""
    began = 0.0

    def wait(calls: int) -> bool:
        nonlocal began
        now = time.monotonic()
        if calls == 0:
            began = now
        if now - began >= seconds:
            return False
        time.sleep(random.uniform(0.001, 0.010))  # noqa: S311 -- not a secret
        return True

    return wait


_ADVICE: tuple[tuple[tuple[type[apsw.Error], ...], str], ...] = (
    (
        (apsw.BusyError, apsw.LockedError),
        "another process holds a lock on it; end or wait for that transaction",
    ),
    (
        (apsw.FullError,),
        (
            "the disk or the file's size limit is full; make room, also for SQLite's temporary files, in the folder that "
            "SQLITE_TMPDIR names, else TMPDIR, else in /var/tmp"
        ),
    ),
    ((apsw.CantOpenError,), "it cannot be opened; see that it exists and that its owner and mode let us in"),
    (
        (apsw.ReadOnlyError,),
        "it cannot be written; see the mode of the file, of its folder and of the file system",
    ),
    ((apsw.IOError,), "reading or writing failed; see the disk and the system's log"),
    ((apsw.NoMemError,), "no memory is left"),
    ((apsw.ProtocolError, apsw.SchemaChangeError), "others are changing it at this moment"),
)


def engine_error(error: apsw.Error, where: str = "") -> EngineError:
    """What *error* means for the caller: TargetUnavailable (try again) or Refused (permanent)."""
    at = f"{where}: " if where else ""
    for kinds, advice in _ADVICE:
        if isinstance(error, kinds):
            return TargetUnavailable(f"{at}{error} ({advice})")
    if isinstance(error, apsw.CorruptError | apsw.NotADBError):
        return Refused(f"{at}{error} (not a database file, encrypted or damaged; try PRAGMA integrity_check)")
    return Refused(f"{at}{error}")


@contextmanager
def translated(where: str = "") -> Iterator[None]:
    """Turn what SQLite raises inside into the engine's errors."""
    try:
        yield
    except apsw.Error as error:
        raise engine_error(error, where) from error
