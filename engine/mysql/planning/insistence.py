"""What a server may insist on of every table that is made or changed, while those that are there may be older than that."""

from engine.mysql.link import Link
from engine.mysql.trouble import NO_SUCH_TABLE, ServerRefused, Trouble

_OF_SESSIONS = "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('sql_require_primary_key', 'restrict_fk_on_non_standard_key')"
"""Those that a session may lift, with the right to; MariaDB has neither."""
_ON_A_KEY = (
    "SHOW GLOBAL VARIABLES WHERE Variable_name IN ('sql_require_primary_key', 'innodb_force_primary_key')"
    " AND Value = 'ON'"
)
_GRANT = "GRANT SESSION_VARIABLES_ADMIN ON *.* to the user of this dsn, so that such a table can be tried out"
_ELSEWHERE = (
    "plan on a workspace server that does not insist on a primary key (innodb_force_primary_key = OFF)"
)
_SEQUENCE = "a sequence that a default names has to be there first, in a schema of the plan: CREATE SEQUENCE is left to you"
_TWICE = 1291
_ALIKE = "characters beyond U+FFFF are all told as ?: change such a table by an ALTER TABLE of your own"
_REMEDIES = {3750: _GRANT, 6125: _GRANT, 1173: _ELSEWHERE, NO_SUCH_TABLE: _SEQUENCE, _TWICE: _ALIKE}


class Insistence:
    """Lifted in a scratch session, but for the statements that run as they will for good."""

    def __init__(self, link: Link, target: Link) -> None:
        """*link* is the scratch session."""
        self.on_a_key = insists_on_a_key(target)
        self.lifted = {name: value for name, value in target.rows(_OF_SESSIONS) if _lift(link, name)}
        """Variables that are off in it, as the target has them."""


def insists_on_a_key(link: Link) -> bool:
    """Whether a table must have a primary key."""
    return link.row(_ON_A_KEY) is not None


def remedy(refused: ServerRefused) -> str:
    """What helps where a scratch schema does not take a table, as what to put behind the server's words."""
    if refused.code == _TWICE and "?" not in str(refused):
        return ""
    return f"; {_REMEDIES[refused.code]}" if refused.code in _REMEDIES else ""


def _lift(link: Link, name: str) -> bool:
    """Whether this user may; if not, what is refused comes with a remedy."""
    try:
        link.run(f"SET SESSION {name} = OFF")
    except (ServerRefused, Trouble):
        return False
    return True
