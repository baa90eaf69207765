"""The pages say what the program does."""

import re
from pathlib import Path

from server.metrics import Metrics

ROOT = Path(__file__).resolve().parent.parent


def test_the_monitoring_page_names_every_metric_and_no_other() -> None:
    text = Metrics(dict).exposition().decode()
    real = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE schemabot_")}
    page = (ROOT / "docs/monitoring.md").read_text()
    told = set(re.findall(r"`(schemabot_\w+)`", page.split("## Four alerts")[0]))
    assert told == real


def test_links_between_the_pages_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for link in re.findall(r"\]\((?!http|#)([^)#]+)", page.read_text()):
            assert (page.parent / link).exists(), f"{page.name} → {link}"
