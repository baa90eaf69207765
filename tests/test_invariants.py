"""docs/invariants.md names tests; they exist."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RULES = (
    "ST-1 ST-2 ST-3 ST-4 ST-5 OW-1 OW-2 OW-3 OW-4 OW-5 OW-6 RC-1 RC-2 RC-3 RC-4 RC-5 CO-1 CO-2 CO-3 CO-4 CO-5 \
AV-1 AV-2 AV-3 AV-4 AV-5 AV-6 AV-7 HT-1 HT-2 HT-3 HT-4 HT-5 HT-6 I1 I2 I3 I4 I5 I6 I7 I8"
)


def test_every_rule_is_held_by_tests_that_exist() -> None:
    text = (ROOT / "docs/invariants.md").read_text()
    written = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)
    }
    rows = {line.split("|")[1].strip(): line for line in text.splitlines() if line.startswith("| ")}
    for rule in RULES.split():
        named = set(re.findall(r"`(test_\w+)`", rows[rule]))
        assert named, f"{rule} is held by no test"
        assert named <= written, f"{rule} names tests that do not exist: {sorted(named - written)}"
