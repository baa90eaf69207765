"""Schemas of our own on a server, in which tables are made, changed and read back while a plan is made.

Each has an owner: the session that holds the named lock of its name. One whose owner is gone is dropped by the next plan, unless
rows are in it: then somebody uses it for something, and it stays.
"""

import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress

from engine.errors import Refused, TargetUnavailable
from engine.mysql.address import Address
from engine.mysql.blockers import blockers, lock_of_the_server
from engine.mysql.catalog import read_table, read_tables
from engine.mysql.flavour import flavour_of, same_kind
from engine.mysql.link import DDL_SETTINGS, Link
from engine.mysql.planning.insistence import OWN_KEYS, Insistence
from engine.mysql.quoting import quote_name, quote_table
from engine.mysql.rights import rights_of
from engine.mysql.shown import NAME, STRING, unquoted
from engine.mysql.spec import OWN_PREFIX
from engine.mysql.tables import Table
from engine.mysql.trouble import NO_PRIVILEGE, ServerRefused, Trouble, Waited

PREFIX = f"{OWN_PREFIX}scratch_"
_NOT_CREATED = 1005
_MOST_ALTERS = 4  # two do on MySQL 9.7
WAIT_SECONDS = 10
"""For a lock of the whole server, as a backup takes one."""
SQL_MODE = str(DDL_SETTINGS["sql_mode"])
_QUALIFIER = re.compile(rf"{STRING}|({NAME})\.(?=`)")
_SEQUENCES = (
    "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_TYPE = 'SEQUENCE'"
)
_READ_OTHERWISE = {
    "ANSI_QUOTES",
    "PIPES_AS_CONCAT",
    "HIGH_NOT_PRECEDENCE",
    "IGNORE_SPACE",
    "REAL_AS_FLOAT",
    "NO_UNSIGNED_SUBTRACTION",
}


class Scratch:
    """One plan's schemas on one server; a context manager that drops them. `link` is its session."""

    def __init__(self, address: Address, target: Link) -> None:
        """A session at *address*, where SQL is read as on the *target*. Refused for another kind of server, or too few rights."""
        self.link = Link(address, schema="", answer_seconds=120.0)
        self._target = target
        try:
            self.flavour = same_kind(flavour_of(self.link), flavour_of(target))
            self.default_engine = str(target.value("SELECT @@GLOBAL.default_storage_engine"))
            self.link.run("SET default_storage_engine = %s", self.default_engine)
            self.files_mode = _pin(self.link, target)
            self.insistence = Insistence(self.link, target)
            self._token = secrets.token_hex(5)
            self._made: list[str] = []
            self._owned()
            _drop_leftovers(self.link)
        except BaseException:
            self.link.close()
            raise

    def __enter__(self) -> "Scratch":
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(Trouble, ServerRefused):  # what is left, the next plan removes
            for name in self._made:
                self.link.run(f"DROP DATABASE IF EXISTS {quote_name(name)}")
        self.link.close()

    def _owned(self) -> None:
        """Without its lock, another plan would drop these schemas."""
        if self.link.value("SELECT GET_LOCK(%s, 0)", PREFIX + self._token) != 1:
            raise TargetUnavailable(
                "the server gives no named locks (GET_LOCK), by which a plan's scratch schemas are known"
            )

    def schema(self, charset: str, collation: str) -> str:
        """A new, empty schema with the defaults of the one that it stands for."""
        name = f"{PREFIX}{self._token}_{len(self._made)}"
        try:
            self.link.run(
                f"CREATE DATABASE {quote_name(name)} CHARACTER SET {charset} COLLATE {quote_name(collation)}"
            )
        except (ServerRefused, Trouble) as error:
            self._check_server_lock(error)
            if error.code not in NO_PRIVILEGE:
                raise
            remedy = rights_of(self.link, self.flavour).remedy_for_plans()
            raise Refused(
                f"a plan is tried out in scratch schemas, which this user may not make: {remedy}"
            ) from error
        self._made.append(name)
        return name

    def _check_server_lock(self, error: Exception) -> None:
        """A schema that nobody knows of has no lock to wait for but that of the server."""
        if isinstance(error, Waited) and (who := lock_of_the_server(blockers(self.link, (), {self.link.id}))):
            raise TargetUnavailable(
                f"a plan is tried out in scratch schemas, and nobody can make any while there is {who}; plan again when it is "
                "given back, or name a workspace server"
            ) from error

    def make_sequences(self, real: str, place: str) -> None:
        """Have MariaDB's sequences of *real* in *place* too: defaults name them."""
        for (name,) in self._target.rows(_SEQUENCES, real):
            self.link.run(f"CREATE SEQUENCE {quote_table(place, name)}")

    def for_good(self) -> AbstractContextManager[None]:
        """With foreign keys looked at, and all that the target insists on; without is how a scratch session starts."""
        return self.link.having(
            {"foreign_key_checks": 1, **self.insistence.lifted},
            {"foreign_key_checks": 0, **dict.fromkeys(self.insistence.lifted, 0)},
        )

    def own_key(self, table: Table) -> AbstractContextManager[object]:
        """With the primary key that the server made by itself, if *table* has it."""
        lifted = OWN_KEYS in self.insistence.lifted
        return self.link.having({OWN_KEYS: 1}, {OWN_KEYS: 0}) if table.own_key and lifted else nullcontext()

    def reading_files(self) -> AbstractContextManager[None]:
        """With the sql_mode in which people write files for that server."""
        return self.link.having({"sql_mode": self.files_mode}, {"sql_mode": SQL_MODE})


class Stage:
    """The scratch schemas that stand for the schemas of a plan. All texts and statements here name the real ones."""

    def __init__(self, scratch: Scratch, defaults: Mapping[str, tuple[str, str]]) -> None:
        """*defaults*: character set and collation of each real schema."""
        self._scratch = scratch
        self._link = scratch.link
        self._schemas = {real: scratch.schema(*of) for real, of in sorted(defaults.items())}
        for real, place in self._schemas.items():
            scratch.make_sequences(real, place)
        self._meant = {scratch: real for real, scratch in self._schemas.items()}

    def select(self, schema: str) -> None:
        """Have bare names be in the schema that stands for *schema*."""
        self._link.run(f"USE {quote_name(self._schemas[schema])}")

    def scratch_name(self, schema: str) -> str:
        """The quoted name of what stands for *schema*; nothing does for one that is not in the plan.

        No scratch table may be tied to a live one: a write there would look here.
        """
        if schema not in self._schemas:
            self._schemas[schema] = f"{PREFIX}absent_{schema}"[:64]
            self._meant[self._schemas[schema]] = schema
        return quote_name(self._schemas[schema])

    def make(self, table: Table) -> None:
        """Make *table* anew as its text says, whatever it was."""
        schema = self._schemas[table.schema]
        self._link.run(f"DROP TABLE IF EXISTS {quote_table(schema, table.name)}")
        with self._scratch.own_key(table):
            self._link.run(self.placed(created(table.schema, table.text)))

    def settled(self, table: Table) -> Iterator[Table]:
        """Make *table*: as it reads then, and after each ALTER from which on it reads otherwise. ServerRefused."""
        self.make(table)
        yield from self.settling(table.schema, table.name)

    def settling(self, schema: str, name: str) -> Iterator[Table]:
        """The same of a table that is here."""
        before: Table | None = None
        for _ in range(_MOST_ALTERS):
            now = self.read(schema, name)
            if now is None or (before is not None and now.text == before.text):
                return
            yield now
            before = now
            comment = now.options.get("COMMENT", "''")  # the least that the server takes for a change
            self._link.run(f"ALTER TABLE {quote_table(self._schemas[schema], name)} COMMENT={comment}")

    def drop(self, schema: str, name: str) -> None:
        """Have no such table."""
        self._link.run(f"DROP TABLE IF EXISTS {quote_table(self._schemas[schema], name)}")

    def run(self, sql: str) -> None:
        """Run a statement about tables of the real schemas as it will run for good."""
        with self._scratch.for_good():
            try:
                self._link.run(self.placed(sql))
            except ServerRefused as refused:
                raise explained(self._link, refused) from refused

    def surely_takes(self, table: Table) -> bool:
        """Whether the target takes a new table that a scratch session has taken; foreign keys aside."""
        return table.index("PRIMARY") is not None or not self._scratch.insistence.on_a_key

    def read(self, schema: str, name: str) -> Table | None:
        """A table as it is here, read as if it were in the real schema."""
        return read_table(self._link, self._schemas[schema], name, stands_for=self._meant)

    def read_all(self, schema: str) -> dict[str, Table]:
        """All tables that stand for those of *schema*."""
        return read_tables(self._link, self._schemas[schema], stands_for=self._meant)

    def placed(self, sql: str) -> str:
        """*sql* with the real schemas' names, where they qualify a table, replaced by those of the scratch ones."""
        return _QUALIFIER.sub(lambda m: f"{self.scratch_name(unquoted(m[1]))}." if m[1] else m[0], sql)

    def meant(self, sql: str) -> str:
        """*sql* that `placed` gave, with the real names again."""
        for scratch, real in self._meant.items():
            sql = sql.replace(f"{quote_name(scratch)}.", f"{quote_name(real)}.")
        return sql

    def said(self, refused: ServerRefused) -> str:
        """What the server said, without where, in the names of the real schemas."""
        text = refused.said
        for scratch, real in self._meant.items():
            text = text.replace(scratch, real)
        return text


def created(schema: str, text: str) -> str:
    """A canonical CREATE TABLE text with the table's schema in front of its name."""
    return f"CREATE TABLE {quote_name(schema)}.{text.removeprefix('CREATE TABLE ')}"


def explained(link: Link, refused: ServerRefused) -> ServerRefused:
    """*refused* with what MariaDB tells only in a warning beside it: what is wrong with a foreign key (errno 150)."""
    if refused.code != _NOT_CREATED:
        return refused
    reasons = [
        " ".join(text.split()).rstrip(".") for _, code, text in link.rows("SHOW WARNINGS") if code == 150
    ]
    return ServerRefused(": ".join([refused.said, *reasons]), refused.code, refused.where)


def _pin(link: Link, target: Link) -> str:
    """Set the session to what a plan must not depend on; returns the sql_mode for files, which is the target's as far as it
    decides how SQL is read.
    """
    link.run("SET sql_mode = %s, foreign_key_checks = 0, lock_wait_timeout = %s", SQL_MODE, WAIT_SECONDS)
    for setting in ("explicit_defaults_for_timestamp = 1", "sql_log_bin = 0"):
        # Read-only before MariaDB 10.8, or a right that is nice to have.
        with suppress(ServerRefused, Trouble):
            link.run(f"SET SESSION {setting}")
    modes = set(str(target.value("SELECT @@GLOBAL.sql_mode")).split(","))
    return ",".join([SQL_MODE, *sorted(modes & _READ_OTHERWISE)])


def _drop_leftovers(link: Link) -> None:
    """Schemas of plans whose session is gone. Those with rows stay."""
    for (name,) in link.rows("SHOW DATABASES LIKE %s", PREFIX.replace("_", r"\_") + "%"):
        owner = re.fullmatch(rf"({PREFIX}[0-9a-f]+)_\d+", name)
        if owner is None or not link.value("SELECT IS_FREE_LOCK(%s)", owner[1]):
            continue
        with suppress(ServerRefused, Trouble):  # another plan may be at it
            if not _has_rows(link, name):
                link.run(f"DROP DATABASE IF EXISTS {quote_name(name)}")


def _has_rows(link: Link, schema: str) -> bool:
    names: Sequence[tuple[str, ...]] = link.rows(
        "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = %s AND TABLE_TYPE = 'BASE TABLE'",
        schema,
    )
    return any(link.row(f"SELECT 1 FROM {quote_table(schema, name)} LIMIT 1") for (name,) in names)  # noqa: S608
