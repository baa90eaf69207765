"""One round of a thread that the daemon cannot do without: what goes wrong is told, and the next round comes (AV-3)."""

import logging
from collections.abc import Callable
from typing import TypeVar

from server.metrics import Metrics
from storage.errors import StoreError

log = logging.getLogger(__name__)

T = TypeVar("T")


def attempt(call: Callable[[], T], metrics: Metrics, in_vain: str) -> T | None:
    """What *call* gives; None when the store refused, or when it met a bug: *in_vain* says what was not done."""
    try:
        return call()
    except StoreError as error:
        metrics.store_errors.inc()
        log.warning("%s, will try again: %s", in_vain, error)
    except Exception:
        log.exception("%s, will try again: bug", in_vain)
    return None
