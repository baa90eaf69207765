"""When values count as the same."""

import datetime
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from decimal import Decimal, InvalidOperation

NOW = "about now"
_DAY = datetime.timedelta(days=1)


def without_now(rows: Sequence[tuple[object, ...]]) -> list[tuple[object, ...]]:
    """With one word for all moments of today: a CURRENT_TIMESTAMP of two servers is not the same."""
    now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)

    def told(value: object) -> object:
        return NOW if isinstance(value, datetime.datetime) and abs(value - now) < _DAY else value

    return sorted((tuple(map(told, row)) for row in rows), key=repr)


def alike(before: Iterable[object], after: Iterable[object]) -> bool:
    """Whether they are the same values, in whatever order; one that only another type tells otherwise is the same."""
    return Counter(map(_plain, before)) == Counter(map(_plain, after))


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        value = value.lstrip(b"\0").decode("latin-1")  # of a longer BIT
    if isinstance(value, datetime.datetime):
        value = value.isoformat(" ")
    text = re.sub(r" 00:00:00(\.0*)?$", "", str(value))
    try:
        return round(Decimal(text), 10) if text.strip() == text else text
    except InvalidOperation:
        return text
