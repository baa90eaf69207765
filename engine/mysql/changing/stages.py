"""How far the server is with a long statement, as far as it tells."""

from dataclasses import dataclass

from engine.mysql.flavour import Flavour
from engine.mysql.link import Link
from engine.mysql.trouble import NO_PRIVILEGE, Tolerated


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What a statement is at."""

    name: str  # as the server calls it; "" where it does not tell
    share: float  # of the work that is done, 0 to 1


_MARIADB = """
    SELECT COALESCE(state, ''), GREATEST(stage - 1, 0), GREATEST(max_stage, 1), progress
      FROM information_schema.processlist WHERE id = %s
"""
_MYSQL = """
    SELECT e.event_name, e.work_completed, e.work_estimated
      FROM performance_schema.events_stages_current AS e
      JOIN performance_schema.threads AS t ON t.thread_id = e.thread_id
     WHERE t.processlist_id = %s
"""


def stage_of(link: Link, flavour: Flavour, connection: int) -> Stage:
    """What the connection is at. MySQL tells only where its operator had stages recorded (setup_consumers)."""
    with Tolerated(*NO_PRIVILEGE):
        return _mariadb(link, connection) if flavour.mariadb else _mysql(link, connection)
    return Stage(name="", share=0.0)


def _mariadb(link: Link, connection: int) -> Stage:
    row = link.row(_MARIADB, connection)
    if row is None:
        return Stage(name="", share=0.0)
    name, stage, stages, progress = row
    return Stage(name=str(name), share=min(1.0, (float(stage) + float(progress) / 100) / float(stages)))


def _mysql(link: Link, connection: int) -> Stage:
    row = link.row(_MYSQL, connection)
    if row is None:
        return Stage(name="", share=0.0)
    name, done, estimated = row
    share = float(done) / float(estimated) if done and estimated else 0.0
    return Stage(name=str(name).rsplit("/", 1)[-1], share=min(1.0, share))
