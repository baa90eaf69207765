"""What the daemon's parts share: the store, the targets, the wake signal, the metrics."""

from collections.abc import Callable
from dataclasses import dataclass

from server.config import Config
from server.metrics import Metrics
from server.targets import Targets
from storage.base import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """Handed to every HTTP handler and worker; everything in it is safe to share between threads."""

    config: Config
    store: Store
    targets: Targets
    metrics: Metrics
    wake: Callable[[], None]  # something became due: look now instead of at the next poll
