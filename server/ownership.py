"""One daemon per SQLite store: a lock on a file beside it, which also says where that daemon listens."""

import fcntl
import json
import os
from pathlib import Path


class StoreOwned(Exception):
    """Another living daemon owns the store; `url` is where it listens (empty while it starts)."""

    def __init__(self, store: Path, pid: int, url: str) -> None:
        super().__init__(
            f"the store {store} belongs to the running daemon with pid {pid}"
            + (f" at {url}: use --endpoint {url}, or stop it first" if url else ", which is just starting")
        )
        self.pid = pid
        self.url = url


class StoreOwnership:
    """Held from construction to `release`. The kernel drops the lock with the process, however it dies, and only then:
    whoever gets it knows that no earlier daemon of this store is alive, not even a stopped one.
    """

    def __init__(self, store: Path) -> None:
        path = _lock_file(store)
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = self._read()
            os.close(self._fd)
            raise StoreOwned(store, int(owner.get("pid", "0")), owner.get("url", "")) from None
        self.publish("")

    def publish(self, url: str) -> None:
        """Say where this daemon listens."""
        text = json.dumps({"pid": str(os.getpid()), "url": url}).encode()
        os.pwrite(self._fd, text, 0)
        os.ftruncate(self._fd, len(text))

    def release(self) -> None:
        """Let another daemon have the store."""
        os.ftruncate(self._fd, 0)
        os.close(self._fd)

    def _read(self) -> dict[str, str]:
        try:
            found: dict[str, str] = json.loads(os.pread(self._fd, 4096, 0))
        except ValueError:  # it was taken a moment ago and nothing is written yet
            return {}
        return found


def owner_of(store: Path) -> dict[str, str]:
    """The `pid` and `url` of the daemon that has the store; empty when there is none, or it was killed. Nothing is locked."""
    try:
        found = json.loads(_lock_file(store).read_bytes())
    except (OSError, ValueError):
        return {}
    known = isinstance(found, dict) and found.get("url") and found.get("pid")
    return {"pid": str(found["pid"]), "url": str(found["url"])} if known and _alive(found["pid"]) else {}


def _lock_file(store: Path) -> Path:
    """Beside the store's file itself, whatever symbolic links lead to it."""
    file = store.resolve()
    return file.with_name(file.name + ".lock")


def _alive(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except PermissionError:
        return True
    except (ValueError, ProcessLookupError):
        return False
    return True
