"""Why a stream of changed keys cannot go on: permanent for this position; the owner of the copy starts over or gives up.

A broken connection is none of these but `engine.mysql.trouble.Lost`: read on from the last position.
"""

from engine.errors import Refused


class StreamUnusable(Refused):
    """Base: reading on from where the reader stood cannot give every changed key."""


class BeginAnew(StreamUnusable):
    """Base: nothing is wrong with the table or the server as they are now; a copy that begins from the start can be followed."""


class PositionGone(BeginAnew):
    """The binary log no longer reaches back to the position (purged, or reset): copy again from the start."""


class PositionRewound(BeginAnew):
    """The server's history is not the one the position was taken from (restored backup, another server): copy again."""


class PositionLost(BeginAnew):
    """The server cannot read on where we stand: its log was reset and has grown since, or is damaged there. Copy again."""


class TableChanged(StreamUnusable):
    """A watched table was altered, dropped, renamed or truncated, or got a trigger or a foreign key; the statement is quoted."""

    def __init__(self, text: str, table: str = "") -> None:
        """*table*: its name; empty: it is not known which of them."""
        super().__init__(text)
        self.table = table


class StatementLogged(StreamUnusable):
    """Somebody writes with binlog_format STATEMENT or MIXED: what changed is not in the log. The message quotes the statement."""


class KeyMissing(StreamUnusable):
    """A row event lacks a column of the key: binlog_row_image MINIMAL, and it is not of the primary key or got its default."""


class Unreadable(StreamUnusable):
    """The log holds what this reader does not know and what may carry rows, or the server tells of an incident."""
