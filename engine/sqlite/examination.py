"""What an operator should know about a SQLite file before it is changed: access, journal mode, room on the disk."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import apsw

from engine.base import Finding, Observation, Severity, bad, doubtful, good
from engine.sqlite.target import READ_ONLY, on_read_only

MEBIBYTE = 1024 * 1024
LEAST_FREE_BYTES = 64 * MEBIBYTE
"""Room for the journal and small changes, whatever the size of the file."""


def examine_file(connection: apsw.Connection, path: Path) -> tuple[Observation, ...]:
    """Every observation about the open database at *path*; a file that does not exist yet is one, too."""
    return tuple(_observations(connection, path))


def new_file(path: Path) -> tuple[Finding, ...]:
    """What a plan says of a database that is not there: a new one, or a slip in its path."""
    message = f"{path} does not exist yet: this is the plan of a new database"
    return () if path.exists() else (Finding(severity=Severity.WARNING, linter="new_file", message=message),)


def _observations(connection: apsw.Connection, path: Path) -> Iterator[Observation]:
    exists = path.exists()
    yield _access(path) if exists else _missing(path)
    yield _folder(path)
    if exists:
        yield _journal(connection)
    yield _room(path)


def _missing(path: Path) -> Observation:
    return doubtful(
        "file",
        f"{path} does not exist: it counts as an empty database",
        "the first apply makes it; if it should be there, correct the path or mount its disk",
    )


def _access(path: Path) -> Observation:
    if os.access(path, os.R_OK | os.W_OK):
        return good("file", f"{path} can be read and written")
    remedy = READ_ONLY if on_read_only(path) else f"run: chmod u+rw {path}, or change its owner"
    return bad("file", f"{path} cannot be written by this user", remedy)


def _folder(path: Path) -> Observation:
    folder = path.parent
    if os.access(folder, os.W_OK | os.X_OK):
        return good("folder", f"{folder} takes the journal beside the file")
    return bad(
        "folder",
        f"{folder} cannot be written by this user: SQLite keeps its journal there",
        READ_ONLY if on_read_only(path) else f"run: chmod u+wx {folder}, or change its owner",
    )


def _journal(connection: apsw.Connection) -> Observation:
    mode = str(connection.execute("PRAGMA journal_mode").get)
    if mode == "wal":
        return good("journal mode", "WAL: readers and the writer do not wait for each other")
    return doubtful(
        "journal mode",
        f"{mode.upper()}: every commit of a copy makes readers wait, and copies are slower",
        "run once, at a quiet moment: PRAGMA journal_mode = WAL",
    )


def _room(path: Path) -> Observation:
    size = path.stat().st_size if path.exists() else 0
    free = shutil.disk_usage(path.parent).free
    said = f"{free // MEBIBYTE:,} MiB free beside a file of {max(1, size // MEBIBYTE):,} MiB"
    if free >= size + LEAST_FREE_BYTES:
        return good("disk", said)
    if free < LEAST_FREE_BYTES:
        return bad("disk", f"{said}: too little for any change", f"make room on the disk of {path.parent}")
    return doubtful(
        "disk",
        f"{said}: a copy of its largest table may not fit",
        f"make room on the disk of {path.parent} before a large table is copied",
    )
