"""Which engine serves which kind of target: one line per engine."""

from collections.abc import Callable

from engine.base import Engine, Target
from engine.errors import Refused


def _sqlite(target: Target) -> Engine:
    from engine.sqlite.engine import SqliteEngine

    return SqliteEngine(target)


def _mysql(target: Target) -> Engine:
    from engine.mysql.engine import MysqlEngine

    return MysqlEngine(target)


def _remote(target: Target) -> Engine:
    from engine.remote.engine import RemoteEngine

    return RemoteEngine(target)


ENGINES: dict[str, Callable[[Target], Engine]] = {"sqlite": _sqlite, "mysql": _mysql, "remote": _remote}


def open_engine(target: Target) -> Engine:
    """The engine for *target*; Refused for a kind this build cannot change."""
    try:
        make = ENGINES[target.kind]
    except KeyError:
        known = ", ".join(sorted(ENGINES))
        raise Refused(f"no engine for databases of type {target.kind!r} (this build has: {known})") from None
    return make(target)
