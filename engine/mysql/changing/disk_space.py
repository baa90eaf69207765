"""What to say when the target has no room left: how much the change takes, and what becomes of it."""

from collections.abc import Sequence

from engine.errors import EngineError
from engine.mysql.address import Address
from engine.mysql.link import Link
from engine.mysql.ownership.ending import stuck
from engine.mysql.sizes import estimate, shown_bytes
from engine.mysql.trouble import NO_ROOM, TABLE_FULL, Trouble

PROBE_SECONDS = 5.0
_SAYS_SO = ("No space left", "errno 28", "errno: 28", "Errcode: 28", "error 28")


class DiskSpace:
    """Of one session. The server tells how large tables are, but not how much room its disk has."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._bytes: dict[tuple[str, str], int] = {}

    def note(self, link: Link, tables: Sequence[tuple[str, str]]) -> None:
        """Remember how large these (schema, table) are: later nobody may be able to ask."""
        for schema, name in tables:
            self._bytes[(schema, name)] = estimate(link, schema, name).bytes

    def check(self, error: Trouble) -> None:
        """Trouble that tells what to do, if *error* came for want of room."""
        if not _is_full(error) and not (error.lost and "timed out" in str(error) and self._probed()):
            return
        memory = (
            "Where it is a table in memory, raise max_heap_table_size. " if error.code == TABLE_FULL else ""
        )
        raise Trouble(
            f"the target's disk is full: make room, and it goes on by itself from where it is; or cancel the change, which gives "
            f"back what it has taken. {memory}{self._needs()}({error})",
            error.code,
        ) from error

    def _needs(self) -> str:
        if not self._bytes:
            return ""
        sizes = ", ".join(f"{name} {shown_bytes(size)}" for (_, name), size in self._bytes.items())
        return f"A copy takes about as much as its table has ({sizes}), and as much again in the binary log, if there is one "

    def _probed(self) -> bool:
        """Whether a server that no longer answers a statement that writes is out of room: it waits then, without a word."""
        try:
            with Link(self._address, answer_seconds=PROBE_SECONDS) as link:
                return stuck(link)
        except EngineError:
            return False


def _is_full(error: Trouble) -> bool:
    return error.code in NO_ROOM or any(words in str(error) for words in _SAYS_SO)
