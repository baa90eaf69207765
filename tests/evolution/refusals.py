"""The reasons for which a plan may be refused, as docs/mysql-limits.md tells them."""

import re

KNOWN = {
    "names that make way or swap take two plans": r"cannot be renamed from .*: (the database has both|.* in the files|another)",
    "values become computed, or the other way round": r"one of them holds values, the other computes them",
    "the server does not take the change": r"the server does not take (the change|it)\b",
    "partitions go in a plan of their own": r"drop the partitions in a plan of its own, first",
}


def kind_of(text: str) -> str:
    """Which of the known ones it is, with the server's number for it; empty: none of them."""
    kind = next((kind for kind, pattern in KNOWN.items() if re.search(pattern, text)), "")
    code = re.search(r"\((\d{4})\)", text)
    return f"{kind} ({code[1]})" if kind and code else kind
