"""Locks of a whole server, as backups take them: nobody writes until they are given back, and nobody is to blame for waiting."""

from collections.abc import Collection

from engine.mysql.blockers import blockers
from engine.mysql.link import Link
from engine.mysql.ownership.records import Records


def server_lock(link: Link, records: Records, ours: Collection[int]) -> str:
    """Who has one, in words; empty: nobody. Where the server does not tell, a write that changes nothing shows it."""
    found = blockers(link, (), ours)
    if found.sure:
        told = str(found)
    elif records.writable(link):
        return ""
    else:
        told = "the server does not tell who holds it (performance_schema, PROCESS)"
    return f"a lock of the whole server (FLUSH TABLES WITH READ LOCK, a backup): {told}" if told else ""
