"""Ends what a connection is at, or the connection; but none that is writing its commit into the server's log.

On a full disk such a commit waits for room. MySQL takes a KILL there for a failure of its log and ends itself
(binlog_error_action); MariaDB may be left with a piece of a transaction in its log. Elsewhere a commit is over in a moment, and
is waited for.
"""

import time
from typing import Literal

from engine.errors import TargetUnavailable
from engine.mysql.link import Link
from engine.mysql.process_list import process_list
from engine.mysql.trouble import Tolerated

COMMITTING = frozenset({"waiting for handler commit", "Waiting for someone to free space"})
LOOKS, LOOK_SECONDS = 20, 0.25
STUCK_SECONDS = 4
NO_SUCH_CONNECTION = 1094


def end(link: Link, what: Literal["QUERY", "CONNECTION"], connection_id: int) -> None:
    """KILL it, if it is still there. TargetUnavailable: it commits and does not come to an end; ServerRefused: it is not ours."""
    for look in range(LOOKS):
        if not _commits(link, connection_id):
            break
        if look == LOOKS - 1:
            raise TargetUnavailable(
                f"connection {connection_id} does not come to the end of its commit, and must not be ended there: "
                "is the server's disk full?"
            )
        time.sleep(LOOK_SECONDS)
    with Tolerated(NO_SUCH_CONNECTION):
        link.run(f"KILL {what} {connection_id}")


def stuck(link: Link) -> bool:
    """Whether a commit has waited for seconds, of whomever we may see: the server looks for room and answers no writer."""
    return any(one.state in COMMITTING and one.seconds >= STUCK_SECONDS for one in process_list(link))


def _commits(link: Link, connection_id: int) -> bool:
    return any(one.id == connection_id and one.state in COMMITTING for one in process_list(link))
