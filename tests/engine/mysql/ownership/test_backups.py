"""Backups that keep everybody from changing definitions, while all may write: who has tables here needs to make none."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from engine.base import Job
from engine.errors import HeldUp
from engine.mysql.link import DDL_SETTINGS, Link
from engine.mysql.ownership.hold import Hold
from tests.engine.mysql.planning.places import address_of
from tests.servers.server import Server


@contextmanager
def backup(server: Server) -> Iterator[None]:
    begin = "BACKUP STAGE START; BACKUP STAGE FLUSH; BACKUP STAGE BLOCK_DDL"
    with Link(address_of(server, "")) as link:
        for statement in begin.split("; ") if server.flavour == "mariadb" else ["LOCK INSTANCE FOR BACKUP"]:
            link.run(statement)
        yield


def hold(server: Server, fence: int, *schemas: str) -> Hold:
    job = Job(apply_uid="apply_a", fence=fence, owner=f"host:1:test:{fence}", namespaces=schemas)
    return Hold(address_of(server, ""), job, settings=DDL_SETTINGS)


def test_a_copy_that_is_parked_is_taken_up_again_beside_a_backup(server: Server) -> None:
    schemas = sorted(server.fresh_database() for _ in range(2))
    before = hold(server, 1, *schemas)
    before.take()
    before.close()
    successor = hold(server, 2, *schemas)
    with backup(server):
        successor.take()
        assert successor.taken
    assert successor.release()
    successor.close()


def test_who_has_no_tables_here_waits_for_a_backup(server: Server) -> None:
    comer = hold(server, 1, server.fresh_database())
    with backup(server), pytest.raises(HeldUp, match=r"a lock of (all definitions|the whole server).*backup"):
        comer.take()
    comer.take()
    assert comer.release()
    comer.close()
