"""docs/reliability.md names tests; they exist, and every case of the fault list has a line."""

import re

from tests.faults.world import ROOT

CASES = 31


def test_the_page_of_reliability_names_tests_that_exist() -> None:
    text = (ROOT / "docs/reliability.md").read_text()
    written = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)
    }
    rows = re.findall(r"^\| ([0-9]+) \|(.*)\|$", text, re.MULTILINE)
    assert [int(number) for number, _ in rows] == list(range(1, CASES + 1))
    assert set(re.findall(r"`(test_\w+)`", text)) - written == set()
    assert [path for path in re.findall(r"`(tests/[\w/]+\.py)`", text) if not (ROOT / path).exists()] == []
