"""What several tests of the execution look at."""

from collections.abc import Iterator

import pytest

from tests.engine.striking import struck


@pytest.fixture
def begun() -> Iterator[list[str]]:
    """One entry for each time that a statement was begun."""
    found: list[str] = []
    with struck(lambda point: found.append(point) if point == "before_statement" else None):
        yield found
