"""What a server may insist on of every table that is made or changed, while those that are there may be older than that: keys
that the files have, or that it makes by itself.
"""

from engine.errors import Refused
from engine.mysql.link import Link
from engine.mysql.quoting import quote_name
from engine.mysql.tables import Table
from engine.mysql.trouble import NO_SUCH_TABLE, ServerRefused, Trouble

OWN_KEYS = "sql_generate_invisible_primary_key"
_OF_SESSIONS = (
    "SHOW GLOBAL VARIABLES WHERE Variable_name IN"
    f" ('sql_require_primary_key', 'restrict_fk_on_non_standard_key', '{OWN_KEYS}')"
)
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
        self.lifted = {name: value for name, value in target.rows(_OF_SESSIONS) if _lift(link, name)}
        """Variables that are off in it, as the target has them."""
        self.on_a_key = insists_on_a_key(target) or self.lifted.get(OWN_KEYS) == "ON"


def insists_on_a_key(link: Link) -> bool:
    """Whether a table must have a primary key."""
    return link.row(_ON_A_KEY) is not None


def remedy(refused: ServerRefused) -> str:
    """What helps where a scratch schema does not take a table, as what to put behind the server's words."""
    if refused.code == _TWICE and "?" not in str(refused):
        return ""
    return f"; {_REMEDIES[refused.code]}" if refused.code in _REMEDIES else ""


def check_own_key(now: Table, wanted: Table) -> None:
    """Refused: a table with a primary key that MySQL made by itself is to have what does not go with it."""
    own = now.own_key
    if own is None:
        return
    key = f"a primary key that the server made by itself, invisible ({own.name})"
    if wanted.index("PRIMARY"):
        raise Refused(
            f"{wanted.name}: it has {key}, and can have no other "
            f"beside it: ALTER TABLE {quote_name(now.name)} DROP COLUMN {own.name}, ADD PRIMARY KEY (…) yourself, then plan again"
        )
    if any(column.name.lower() == own.name for column in wanted.columns):
        raise Refused(f"{wanted.name}: it has {key}: give the column of the files another name")
    if now.options.get("ENGINE") != wanted.options.get("ENGINE"):
        raise Refused(
            f"{wanted.name}: it has {key}, as only InnoDB has: give it one in the files, or leave the engine"
        )


def _lift(link: Link, name: str) -> bool:
    """Whether this user may; if not, what is refused comes with a remedy."""
    try:
        link.run(f"SET SESSION {name} = OFF")
    except (ServerRefused, Trouble):
        return False
    return True
