"""What an operator should know about a target server before it is changed: version, privileges, log, locks, sizes."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from engine.base import Observation, bad, doubtful, good
from engine.errors import EngineError
from engine.mysql.address import Address
from engine.mysql.capture_sources import CaptureSources, capture_sources_of
from engine.mysql.flavour import Flavour, flavour_of, same_kind
from engine.mysql.link import Link
from engine.mysql.problems import remedies, whats
from engine.mysql.quoting import quote_name
from engine.mysql.receiving import NO_COPY_IN_GALERA, in_galera_cluster
from engine.mysql.replication.followers import Unseen
from engine.mysql.replication.lag import LagStatus, lag_status, unseen_status
from engine.mysql.replication.replicas import Replicas
from engine.mysql.replication.rules import ReplicaRules
from engine.mysql.rights import ON_TABLES, REFERENCES, SEEN, Rights, rights_of
from engine.mysql.sizes import shown_bytes
from engine.mysql.spec import OWN_PREFIX, SYSTEM_SCHEMAS
from engine.mysql.trouble import ServerRefused
from engine.mysql.visibility import visibility_gaps

_OF_THE_SERVER = ", ".join(f"'{name}'" for name in sorted(SYSTEM_SCHEMAS))
_LARGEST = f"""
    SELECT table_schema, table_name, data_length + index_length FROM information_schema.tables
     WHERE table_type = 'BASE TABLE' AND (table_schema = %s OR %s = '') AND table_schema NOT IN ({_OF_THE_SERVER})
     ORDER BY 3 DESC LIMIT 1
"""  # noqa: S608
_TABLES = f"""
    SELECT table_schema, table_name FROM information_schema.tables
     WHERE table_type = 'BASE TABLE' AND (table_schema = %s OR %s = '') AND table_schema NOT IN ({_OF_THE_SERVER})
     ORDER BY 1, 2
"""  # noqa: S608
_SCHEMAS = f"""
    SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN ({_OF_THE_SERVER}) ORDER BY 1
"""  # noqa: S608


def examine_server(
    address: Address, link: Link, flavour: Flavour, *, workspace: Address | None = None
) -> Iterator[Observation]:
    """One observation for each thing looked at. *workspace*: the server where plans are tried out, if it is another one."""
    yield good("server", str(flavour))
    rights = rights_of(link, flavour)
    schemas = _schemas(address, link)
    sources = capture_sources_of(link, flavour, rights, address.database)
    yield _writing(link, flavour, rights)
    yield _tables(flavour, rights, sources, schemas)
    yield _scratch(rights) if workspace is None else _workspace(workspace, flavour)
    yield _log(sources, schemas)
    yield _locks(link, flavour, rights.user)
    yield _others(rights)
    yield from _cluster(link)
    yield from _replicas(address, link, flavour, rights, schemas)
    yield _prepared(link, flavour)
    yield _largest(address, link)


def _writing(link: Link, flavour: Flavour, rights: Rights) -> Observation:
    names = ["read_only"] if flavour.mariadb else ["super_read_only", "read_only"]
    locked = [name for name in names if str(link.value(f"SELECT @@GLOBAL.{name}")) not in ("0", "OFF")]
    exempt = "READ_ONLY ADMIN" if flavour.mariadb else "CONNECTION_ADMIN"
    passes = locked == ["read_only"] and any(not rights.missing([one]) for one in ("SUPER", exempt))
    if not locked or passes:
        return good("writing", "the server takes changes")
    return bad(
        "writing",
        f"the server is read-only ({locked[0]} = ON), a replica perhaps",
        f"have the dsn lead to the primary, or SET GLOBAL {locked[0]} = OFF",
    )


def _workspace(workspace: Address, target: Flavour) -> Observation:
    """As a plan uses it."""
    subject = "workspace"
    try:
        with Link(workspace, schema="") as link:
            flavour = same_kind(flavour_of(link), target)
            found = _scratch(rights_of(link, flavour))
    except EngineError as error:
        remedy = (
            "see that the workspace server is up, of the target's kind and release, and lets this user in"
        )
        return bad(subject, str(error), remedy)
    return replace(found, subject=subject)


def _schemas(address: Address, link: Link) -> list[str]:
    """Of a target without a database of its own, every one that can be seen: any may be one of its namespaces."""
    seen = [address.database] if address.database else [str(name) for (name,) in link.rows(_SCHEMAS)]
    return [name for name in seen if not name.startswith(OWN_PREFIX)]


def _tables(flavour: Flavour, rights: Rights, sources: CaptureSources, schemas: Sequence[str]) -> Observation:
    wanted = (*ON_TABLES, *(() if flavour.mariadb else REFERENCES), *SEEN)
    found = {name: rights.missing(wanted, name) for name in schemas} or {"": rights.missing(wanted)}
    lacking = {_where(name): missing for name, missing in found.items() if missing}
    if not lacking:
        return good("privileges", f"all that changes of tables need on {', '.join(map(_where, found))}")
    text = "; ".join(f"missing on {where}: {', '.join(missing)}" for where, missing in lacking.items())
    remedy = "; ".join(_granting(rights, wanted, name) for name, missing in found.items() if missing)
    if all(set(missing) - _spared(sources, name) for name, missing in found.items()):
        return bad("privileges", text, remedy)
    if any("TRIGGER" in missing for missing in found.values()):
        text += " (TRIGGER is used only where the binary log does not tell which rows change)"
    return doubtful("privileges", text, remedy)


def _spared(sources: CaptureSources, schema: str) -> set[str]:
    """What changes of tables in the schema can do without, or most of them."""
    logged = not sources.log_problems([schema] if schema else [])
    return {*SEEN, "TRIGGER"} if logged else {*SEEN}


def _where(schema: str) -> str:
    return f"{quote_name(schema)}.*" if schema else "*.*"


def _granting(rights: Rights, wanted: Iterable[str], schema: str) -> str:
    return rights.grant(wanted, schema) if schema else f"GRANT {', '.join(wanted)} ON *.* TO {rights.user}"


def _scratch(rights: Rights) -> Observation:
    missing = rights.missing_for_plans()
    if not missing:
        return good("scratch schemas", "plans can be tried out on this server")
    return bad(
        "scratch schemas",
        f"plans are tried out in schemas of our own, {OWN_PREFIX}…; missing there: {', '.join(missing)}",
        rights.remedy_for_plans(),
    )


def _log(sources: CaptureSources, schemas: Sequence[str]) -> Observation:
    """The binary log tells which rows change while a table is copied."""
    problems = sources.log_problems(schemas)
    if not problems:
        return good("binary log", "it tells which rows change while a table is copied")
    if (obstacle := sources.no_triggers) is None:
        outcome = "changes are captured by triggers, which is slower for writers"
    else:
        outcome = f"changes cannot be captured by triggers either ({obstacle.what})"
    everywhere = all(sources.log_problems([name]) for name in schemas)
    say = bad if obstacle and everywhere else doubtful
    return say(
        "binary log",
        f"{whats(problems)}: while a table is copied its {outcome}",
        remedies((*problems, obstacle) if obstacle else problems),
    )


def _locks(link: Link, flavour: Flavour, user: str) -> Observation:
    try:
        enabled = link.value(
            "SELECT enabled FROM performance_schema.setup_instruments WHERE name = 'wait/lock/metadata/sql/mdl'"
        )
    except ServerRefused:
        enabled = None
    if enabled == "YES":
        return good("locks", "the server tells who holds a lock that a change waits for")
    option = "performance_schema = ON, " if flavour.mariadb else ""
    return doubtful(
        "locks",
        "the server does not tell who holds a lock on a table: a waiting change can only name who may",
        f"set {option}performance-schema-instrument = 'wait/lock/metadata/sql/mdl=ON' and let {user} read it",
    )


def _others(rights: Rights) -> Observation:
    if not rights.missing(("PROCESS",)):
        return good("other connections", "their transactions can be seen")
    return doubtful(
        "other connections",
        "this user cannot see other connections: a waiting change cannot say for whom, replicas are taken to be there",
        f"GRANT PROCESS ON *.* TO {rights.user}",
    )


def _cluster(link: Link) -> Iterator[Observation]:
    if in_galera_cluster(link):
        yield bad(
            "cluster",
            f"no table is copied online: {NO_COPY_IN_GALERA}",
            "a plan says how the server itself would change a table: that, too, keeps all nodes from writing meanwhile",
        )


def _replicas(
    address: Address, link: Link, flavour: Flavour, rights: Rights, schemas: Sequence[str]
) -> Iterator[Observation]:
    """How far they are behind, and what they leave out or call otherwise."""
    remedy = (
        "have the replicas set report_host, let us reach them there, and GRANT "
        f"{'SLAVE MONITOR, REPLICATION MASTER ADMIN' if flavour.mariadb else 'REPLICATION SLAVE, REPLICATION CLIENT'} "
        f"ON *.* TO {rights.user}"
    )
    with Replicas(address, flavour) as replicas:
        try:
            answers = replicas.answers(link)
        except Unseen as error:
            yield _lag(unseen_status(error), remedy)
            return
    yield _lag(lag_status(answers.items()), remedy)
    yield from _rules(address, link, ReplicaRules.of(answers), schemas, remedy)


def _lag(found: LagStatus, remedy: str) -> Observation:
    if found == LagStatus():
        return good("replicas", "none that is connected is behind")
    text = f"if a table were copied now: {found.wait or found.doubt}"
    return doubtful("replicas", text, remedy if found.doubt else "")


def _rules(
    address: Address, link: Link, rules: ReplicaRules, schemas: Sequence[str], remedy: str
) -> Iterator[Observation]:
    subject = "replicas' rules"
    if rules.unknown:
        yield doubtful(subject, f"nobody knows what replicas leave out: {'; '.join(rules.unknown)}", remedy)
    for schema in schemas:
        for why in rules.against_change(schema, [schema]):
            yield bad(
                subject, f"{why}, so no change is made", "have the replica keep the schema under its own name"
            )
    if rules.filters:
        tables = [(str(schema), str(table)) for schema, table in link.rows(_TABLES, *[address.database] * 2)]
        for why in rules.against_copy(tables):
            yield bad(
                subject,
                f"{why}, so such a table is not copied online",
                "have the replica keep what a copy makes beside a table (<table>__osc_n, <table>__osc_o), too",
            )


def _prepared(link: Link, flavour: Flavour) -> Observation:
    found = visibility_gaps(link, flavour)
    if not found:
        return good("prepared transactions", "there are none: rows are copied without locks")
    return doubtful(
        "prepared transactions",
        f"if a table were copied now, the application could not change the rows of a chunk while it is copied: {whats(found)}",
        remedies(found),
    )


def _largest(address: Address, link: Link) -> Observation:
    row = link.row(_LARGEST, address.database, address.database)
    if row is None:
        return good("room", "there are no tables yet")
    schema, table, size = row
    return good(
        "room",
        f"the largest table is {schema}.{table} with {shown_bytes(int(size or 0))}: while it is copied, "
        "the server's disk needs as much again, and about as much for its binary log",
    )
