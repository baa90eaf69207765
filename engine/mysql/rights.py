"""What the account may do on a server: read from its grants, active roles included."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from engine.mysql.flavour import Flavour
from engine.mysql.grants import Grant, Grantee, Precedence, in_force, matches, read_grants
from engine.mysql.link import Link
from engine.mysql.quoting import quote_name
from engine.mysql.spec import OWN_PREFIX

ON_TABLES = ("SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP", "ALTER", "TRIGGER", "LOCK TABLES")
"""What a change may need on the schema it is made in: indexes are made by ALTER TABLE, which needs no INDEX."""
REFERENCES = ("REFERENCES",)
"""What MySQL asks for, on the table that a new foreign key refers to."""
SEEN = ("SHOW VIEW",)
"""What it takes to see what a change would break."""
OWN = ("SELECT", "INSERT", "UPDATE", "DELETE", "CREATE", "DROP")
"""What it takes to have tables of our own there, and to be rid of them."""
COPY = (*OWN, "ALTER", "LOCK TABLES")
"""What an online copy needs to its end."""
TO_READ_LOGS = ("REPLICATION SLAVE", "REPLICATION CLIENT")
"""What it takes to read the binary log."""
SCRATCH = ("SELECT", "INSERT", "CREATE", "DROP", "ALTER", "INDEX", "REFERENCES")
"""What plans need on scratch schemas."""
SCRATCH_SCHEMAS = f"{OWN_PREFIX}%".replace("_", r"\_")
"""As a GRANT names them."""
EVERYTHING = "ALL PRIVILEGES"
_SCRATCH = f"{OWN_PREFIX}scratch_0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rights:
    """What one account may do."""

    user: str  # 'name'@'host', as a GRANT wants it
    grants: tuple[Grant, ...]
    precedence: Precedence
    literal: bool
    """Names of schemas are no patterns (`partial_revokes`)."""
    any_case: bool
    """Names that differ in upper and lower case only are the same."""

    def missing(self, wanted: Iterable[str], schema: str = "", table: str = "") -> tuple[str, ...]:
        """Which of *wanted* the account does not have on the schema (or on that table of it), or, without one, on the server."""
        held: set[str] = set().union(*(one.privileges for one in self.grants if one.pattern == "*"))
        if schema:
            held = held.difference(*(one.privileges for one in self._here(schema) if one.revoked))
            held = held.union(*(self._held_by(grantee, schema) for grantee in Grantee))
        if table:
            held = held.union(
                *(one.privileges for one in self.grants if (one.pattern, one.table) == (schema, table))
            )
        if EVERYTHING in held:
            return ()
        return tuple(one for one in wanted if one not in held)

    def grant(self, wanted: Iterable[str], schema: str) -> str:
        """The statement that gives what is missing of *wanted* on the schema; empty: nothing is.

        Where a pattern is in force it is added there: a grant on the name alone would take that pattern's place.
        """
        missing = self.missing(wanted, schema)
        return self._granting(missing, schema, schema) if missing else ""

    def too_few_to_copy(self, schema: str, table: str) -> str:
        """Why an online copy of a table of the schema could not be brought to its end; empty: it could."""
        grant = self.grant(COPY, schema)
        return (
            f"this user has too few rights for the change of {table}: {grant}, then plan again"
            if grant
            else ""
        )

    def missing_for_plans(self) -> tuple[str, ...]:
        """Which privileges it does not have on scratch schemas."""
        return self.missing(SCRATCH, _SCRATCH)

    def remedy_for_plans(self) -> str:
        """How it gets them."""
        missing = self.missing_for_plans() or SCRATCH
        if self.literal:
            return (
                "partial_revokes is ON, so that no GRANT is for all schemas of a pattern: name a workspace server for the "
                f"target, or GRANT {', '.join(missing)} ON *.* TO {self.user} and REVOKE what it is not to have on the "
                "other schemas"
            )
        return self._granting(missing, _SCRATCH, SCRATCH_SCHEMAS)

    def _granting(self, privileges: Iterable[str], schema: str, place: str) -> str:
        """*place*: what to name where no grant is for the schema yet."""
        places = [one.pattern for one in self._in_force(Grantee.USER, schema)] or [place]
        return "; ".join(
            f"GRANT {', '.join(privileges)} ON {quote_name(one)}.* TO {self.user}" for one in places
        )

    def _held_by(self, grantee: Grantee, schema: str) -> frozenset[str]:
        """By the schema's grants: what is surely held where the server may go by one of several."""
        found = [one.privileges for one in self._in_force(grantee, schema)]
        some = [privileges for privileges in found if EVERYTHING not in privileges]
        return frozenset.intersection(*(some or found)) if found else frozenset()

    def _in_force(self, grantee: Grantee, schema: str) -> list[Grant]:
        here = (one for one in self._here(schema) if one.grantee is grantee and not one.revoked)
        return in_force(here, self.precedence)

    def _here(self, schema: str) -> list[Grant]:
        return [
            one for one in self.grants if one.pattern != "*" and not one.table and self._is_for(one, schema)
        ]

    def _is_for(self, grant: Grant, schema: str) -> bool:
        if self.literal or grant.revoked:
            return grant.pattern.lower() == schema.lower()
        return (
            matches(grant.pattern.lower(), schema.lower())
            if self.any_case
            else matches(grant.pattern, schema)
        )


def rights_of(link: Link, flavour: Flavour) -> Rights:
    """Ask the server."""
    user, _, host = str(link.value("SELECT CURRENT_USER()")).rpartition("@")
    grants, precedence = read_grants(link, flavour)
    return Rights(
        user=f"'{user}'@'{host}'",
        grants=tuple(_with_implied(one, flavour) for one in grants),
        precedence=precedence,
        literal=not flavour.mariadb and bool(link.value("SELECT @@GLOBAL.partial_revokes")),
        any_case=flavour.any_case,
    )


def _with_implied(grant: Grant, flavour: Flavour) -> Grant:
    """SUPER is a REPLICATION CLIENT, too; on MariaDB no more from 11.0 on."""
    if "SUPER" not in grant.privileges or (flavour.mariadb and flavour.version >= (11,)):
        return grant
    return replace(grant, privileges=grant.privileges | {"REPLICATION CLIENT"})
