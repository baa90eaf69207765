"""Counts which tests ran on which server, for the closing lines of a run.

A test ran on a server when it asked for its fixture, directly or through another fixture, or has it among its
parameters (a store of that kind that several tests share). It ran on SQLite when a connection to SQLite was
opened in this process while it ran; daemons that it started count for nothing, so the figure is a lower bound.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import apsw
import pytest

from tests.servers.flavours import FLAVOURS
from tests.servers.server import Server

_REQUEST = pytest.StashKey[pytest.FixtureRequest]()
_SQLITE = "sqlite"


@dataclass(slots=True)
class Tally:
    """What ran on what in this run, and what did not for want of a server."""

    running: dict[str, Server] = field(default_factory=dict)  # by flavour
    # Flavour -> "MariaDB 10.11.19", also when it is gone.
    versions: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)  # flavour -> why it was not to be had
    ran: Counter[str] = field(default_factory=Counter)
    not_run: Counter[str] = field(default_factory=Counter)
    sqlite_seen: bool = False

    def watch_sqlite(self) -> None:
        """Be told of every connection to SQLite that this process opens."""
        apsw.connection_hooks.append(self._note_sqlite)

    def begin(self, request: pytest.FixtureRequest) -> None:
        """A test begins: its connections to SQLite are still to come."""
        request.node.stash[_REQUEST] = request
        self.sqlite_seen = False

    def add(self, server: Server) -> None:
        """Tests can run on this server from now on."""
        self.running[server.flavour] = server
        self.versions[server.flavour] = f"{server.title} {server.version}"

    def remove(self, server: Server) -> None:
        """They can not any more."""
        del self.running[server.flavour]

    def note(self, item: pytest.Item, report: pytest.TestReport) -> None:
        """Count a test that ran, well or not, and one that a missing server kept from running."""
        if report.when == "call" and not report.skipped:
            self.ran.update(self._used(item))
        elif report.when == "setup" and not report.passed:
            told = str(report.longrepr)
            self.not_run.update(name for name, reason in self.missing.items() if reason in told)

    def told(self) -> dict[str, dict[str, Any]]:
        """What was counted, as plain data: of one process of several that share the tests."""
        return {
            "versions": self.versions,
            "missing": self.missing,
            "ran": dict(self.ran),
            "not_run": dict(self.not_run),
        }

    def take(self, told: dict[str, dict[str, Any]]) -> None:
        """Add what another process counted."""
        self.versions |= told["versions"]
        self.missing |= told["missing"]
        self.ran.update(told["ran"])
        self.not_run.update(told["not_run"])

    def lines(self) -> list[str]:
        """What to say at the end, nothing when no test ran."""
        versions = {_SQLITE: f"SQLite {apsw.sqlite_lib_version()}", **self.versions}
        least = {_SQLITE: "at least "}  # daemons use it unseen
        told = [
            f"{version}: {least.get(name, '')}{self.ran[name]}"
            for name, version in versions.items()
            if self.ran[name]
        ]
        lines = [f"ran on: {', '.join(told)}"] if told else []
        return lines + [
            f"NOT RUN on {FLAVOURS[name].title}: {count} ({self.missing[name]})"
            for name, count in sorted(self.not_run.items())
        ]

    def _used(self, item: pytest.Item) -> set[str]:
        names = asked_for(item)
        if (request := item.stash.get(_REQUEST, None)) is not None:
            names.update(request.fixturenames)  # with those that other fixtures have asked for by name
        if self.sqlite_seen:
            names.add(_SQLITE)
        return names & {_SQLITE, *self.versions}

    def _note_sqlite(self, _connection: apsw.Connection) -> None:
        self.sqlite_seen = True


def asked_for(item: pytest.Item) -> set[str]:
    """The names of the fixtures that the test declares, and its parameters that are text."""
    values = getattr(getattr(item, "callspec", None), "params", {}).values()
    return {*getattr(item, "fixturenames", ()), *(value for value in values if isinstance(value, str))}
