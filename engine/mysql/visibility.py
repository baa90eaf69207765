"""Whether the binary log may tell of changes that a plain read does not see yet: then only a lock waits for them.

They are those of a prepared transaction, or of any where the server does not commit in the order of the log. One that is just
being prepared may be in the log before XA RECOVER tells of it; on a replica it is not seen either.
"""

from engine.mysql.flavour import Flavour
from engine.mysql.link import Link
from engine.mysql.problems import Problem
from engine.mysql.process_list import process_list
from engine.mysql.rights import Rights, rights_of
from engine.mysql.trouble import NO_PRIVILEGE, Tolerated

_NOT_TOLD = NO_PRIVILEGE | {1401}
"""MySQL says XAER_RMERR where XA_RECOVER_ADMIN is missing."""


def visibility_gaps(link: Link, flavour: Flavour) -> list[Problem]:
    """The reasons; none: a plain read sees all that the log told of before. Privileges that are missing are reasons, too."""
    rights = rights_of(link, flavour)
    if rights.missing(("PROCESS",)):
        return [_unknown(rights, "PROCESS")]
    found: list[Problem] = []
    # In this order: what is prepared by now was being prepared then.
    preparing = any(_prepares(one.statement) for one in process_list(link, whole=True))
    if _tells(link, "XA RECOVER", found, _unknown(rights, "XA_RECOVER_ADMIN")) or preparing:
        found.append(Problem(what="there are prepared transactions (XA RECOVER)"))
    grant = "SLAVE MONITOR" if flavour.mariadb else "REPLICATION CLIENT"
    if _tells(link, flavour.replica_status, found, _unknown(rights, grant)):
        found.append(Problem(what="it is a replica, where they cannot be seen"))
    if not flavour.mariadb and not link.value("SELECT @@GLOBAL.binlog_order_commits"):
        found.append(
            Problem(what="binlog_order_commits is OFF", remedy="SET GLOBAL binlog_order_commits = ON")
        )
    return found


def _prepares(statement: str) -> bool:
    """Whether it may be an XA PREPARE, with whatever comments; a backtracking pattern would take hours for one of megabytes."""
    words = statement.upper()
    begin = words.find("XA")
    return begin >= 0 and words.find("PREPARE", begin) >= 0


def _tells(link: Link, statement: str, found: list[Problem], unknown: Problem) -> bool:
    """Whether *statement* gives rows; *unknown* is found when the server does not say."""
    with Tolerated(*_NOT_TOLD):
        # Names of transactions are bytes, and an error quotes any statement.
        return bool(link.raw_rows(statement))
    found.append(unknown)
    return False


def _unknown(rights: Rights, privilege: str) -> Problem:
    return Problem(
        what=f"the server does not tell this user of all ({privilege} is missing)",
        remedy=f"GRANT {privilege} ON *.* TO {rights.user}",
    )
