"""The whole lifecycle over a dialect's transactions: what is left to a store is its tables and its connections."""

from storage.base import Store
from storage.lifecycle.commands import Commands
from storage.lifecycle.driving import Driving
from storage.lifecycle.locks import Locks
from storage.lifecycle.queue import Queue
from storage.lifecycle.reading import Reading
from storage.lifecycle.settings import Settings
from storage.lifecycle.statements import Transactions
from storage.lifecycle.sweep import Sweep


class LifecycleStore(Queue, Driving, Commands, Sweep, Reading, Locks, Settings, Store):
    """A store but for `upgrade`, `ping` and `close`."""

    def __init__(self, database: Transactions) -> None:
        self._database = database
