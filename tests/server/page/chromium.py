"""A headless Chromium out of the Debian archive, driven by Playwright."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.servers.fixtures import in_ci

QUIET = (
    # Chromium would otherwise look for its maker's servers at every start.
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-quic",
    "--no-first-run",
)
INSTALL_SECONDS = 400


def find_chromium() -> str:
    """Its path; installed when this is root's Debian and it is not there. Skips, in CI fails, where none is to be had."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        _install()
        found = shutil.which("chromium")
    if found is None:
        missing = "chromium is needed for the tests of the page: apt-get install chromium"
        if in_ci():
            pytest.fail(missing, pytrace=False)
        pytest.skip(missing)
    return found


def _install() -> None:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "chromium"]):
        subprocess.run(
            ["apt-get", *words], env=environment, capture_output=True, timeout=INSTALL_SECONDS, check=False
        )


@contextmanager
def browsing() -> Iterator[Browser]:
    """A browser for several tests."""
    path = find_chromium()
    with sync_playwright() as playwright:
        sandbox = [] if os.geteuid() else ["--no-sandbox"]  # root has no sandbox of its own
        browser = playwright.chromium.launch(executable_path=path, args=[*QUIET, *sandbox])
        try:
            yield browser
        finally:
            browser.close()
