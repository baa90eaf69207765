"""The copy under writers of every kind: row by row equal in the end, with nothing mended, and no operation lost."""

from tests.engine.mysql.copying.application import TABLE, Application, fill
from tests.engine.mysql.copying.rig import Watcher, make_rig, prepare
from tests.servers.server import Server

ROWS = 8_000


def test_nothing_is_lost_under_writers_of_every_kind(server: Server) -> None:
    rig = make_rig(
        server,
        f"{TABLE};;{fill(ROWS)}",
        ["MODIFY pad VARCHAR(80) NOT NULL, ADD extra INT NOT NULL DEFAULT 7"],
    )
    before = rig.value("SELECT SUM(ops) FROM t")
    with rig.copying(rig.step()) as copy, Application(rig, writers=3, rows=ROWS) as application:
        prepare(copy, Watcher(volume=5))
        with rig.locked(copy) as link:
            rig.assert_same(link)
            assert copy.checkpoint.repairs == 0
        application.halt()
    assert application.transactions > 200
    assert rig.value("SELECT SUM(ops) FROM t") == before + application.sum
