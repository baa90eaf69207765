"""Locks of a whole server, as backups take them: nobody writes until they are given back, and nobody is to blame for waiting."""

from collections.abc import Collection

from engine.mysql.blockers import blockers, lock_of_the_server
from engine.mysql.link import Link
from engine.mysql.ownership.records import Records


def server_lock(link: Link, records: Records, ours: Collection[int]) -> str:
    """Who has one, in words; empty: nobody. Where the server does not tell, a write that changes nothing shows it."""
    found = blockers(link, (), ours)
    return "" if not found.sure and records.writable(link) else lock_of_the_server(found)
