"""One browser for all tests of the page; a fresh tab and a fresh API for each."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from server.config import Config
from tests.server.http.api import DATABASES, Api, running
from tests.server.page.chromium import browsing

SHOTS = os.environ.get("SCHEMABOT_TEST_SCREENSHOTS", "")
"""A folder that keeps the pictures, for people to look at."""


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with browsing() as found:
        yield found


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    with running(tmp_path, Config(databases=DATABASES)) as made:
        yield made


Open = Callable[..., Page]


@pytest.fixture
def visit(browser: Browser, api: Api) -> Iterator[Open]:
    """Open a view of the page; whatever the browser complains about fails the test."""
    contexts: list[Any] = []
    complaints: list[str] = []

    def go(view: str = "", *, expect: tuple[str, ...] = (), **settings: Any) -> Page:
        context = browser.new_context(reduced_motion="reduce", **settings)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.goto(f"http://{api.server.address[0]}:{api.server.address[1]}/{view}")
        complaints.extend(f"allowed: {text}" for text in expect)
        return page

    yield go
    allowed = [text.removeprefix("allowed: ") for text in complaints if text.startswith("allowed: ")]
    for context in contexts:
        context.close()
    left = [
        text
        for text in complaints
        if not text.startswith("allowed: ") and not any(part in text for part in allowed)
    ]
    assert left == []


@pytest.fixture
def shot(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Page, str], Path]:
    """Keep a picture of the whole page."""

    def take(page: Page, name: str) -> Path:
        folder = Path(SHOTS) if SHOTS else tmp_path
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}.png"
        page.screenshot(path=str(path), full_page=True)
        return path

    return take
