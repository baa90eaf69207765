"""For every test: the database servers, and closing lines that say what the tests ran on."""

from collections.abc import Generator
from typing import Any

import pytest

from tests.servers.fixtures import TALLY, counted, mariadb, mysql, own_server, prepare_servers, server
from tests.servers.tally import Tally

__all__ = ["counted", "mariadb", "mysql", "own_server", "server"]


def pytest_configure(config: pytest.Config) -> None:
    """Begin to count."""
    config.stash[TALLY] = Tally()
    config.stash[TALLY].watch_sqlite()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Fetch the servers that are needed."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if not session.config.option.collectonly:
        prepare_servers(
            session.items, session.config.stash[TALLY], reporter.write_line if reporter else print
        )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Count each test by what became of it."""
    report = yield
    item.config.stash[TALLY].note(item, report)
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """One of several processes that share the tests tells the first one what it counted."""
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["tally"] = session.config.stash[TALLY].told()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Add what one of several processes counted; one that died counted nothing."""
    told = getattr(node, "workeroutput", {}).get("tally")
    if told is not None:
        node.config.stash[TALLY].take(told)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what the tests ran on, and loudly what they did not run on."""
    for line in config.stash[TALLY].lines():
        loud = line.startswith("NOT RUN")
        terminalreporter.write_line(line, yellow=loud, bold=loud)
