"""A lock that the application may have to wait for does not outlive our silence.

A process can be stopped at any moment (SIGSTOP, a paused machine): its connections stay, and their locks with them. So the server
itself ends a session that holds such a lock once it has heard nothing of it for a moment, and undoes what was not committed.
A statement that is under way is no silence, however long it takes.
"""

from contextlib import AbstractContextManager

from engine.mysql.link import SETTINGS, Link

TABLE_SECONDS = 1
"""With tables locked: about as long as the application may have to wait anyway. Servers count in whole seconds."""
AWAKE_SECONDS = 0.25
"""So often a connection with locked tables is heard of, if we have to wait for something else."""
ROW_SECONDS = 2
"""Inside a transaction that locks rows: more, as a busy machine may let a process wait, too."""
IN_TRANSACTION = "idle_transaction_timeout"
"""MariaDB's variable for that, which holds inside transactions only."""
_AS_EVER = {"wait_timeout": SETTINGS["wait_timeout"]}


def ended_when_silent(link: Link, seconds: int) -> AbstractContextManager[None]:
    """Inside, the server ends *link* after so many seconds without a statement: the next one raises Lost."""
    return link.having({"wait_timeout": seconds}, _AS_EVER)


def let_be_silent(link: Link) -> None:
    """It holds no such lock any more."""
    link.set(_AS_EVER)


def show_life(link: Link) -> None:
    """Lost when the server has ended it."""
    link.run("DO 0")
