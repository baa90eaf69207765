"""The server program of a flavour: found on this machine, or unpacked once into the git-ignored cache."""

import fcntl
import os
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.servers import archive
from tests.servers.errors import ServerMissing
from tests.servers.flavours import Flavour

# Shared by all test runs of a checkout, or of a machine that names one place for them.
CACHE = Path(os.environ.get("SCHEMABOT_TEST_CACHE") or Path(__file__).parents[2] / ".cache" / "servers")


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A server program that runs on this machine."""

    command: tuple[str, ...]  # with the loader in front where it does not run on the machine's libraries
    version: str
    usr: Path

    @property
    def share(self) -> Path:
        """The folder of the server's messages, character sets and SQL files."""
        for name in ("mysql", "mariadb"):
            if (self.usr / "share" / name / "charsets").is_dir():
                return self.usr / "share" / name
        raise ServerMissing(f"no character sets below {self.usr}/share")

    @property
    def options(self) -> tuple[str, ...]:
        """The options without which it would look for its files where they are not."""
        return (
            f"--basedir={self.usr}",
            f"--lc-messages-dir={self.share}",
            f"--character-sets-dir={self.share / 'charsets'}",
            *([f"--plugin-dir={plugins}"] if (plugins := self.usr / "lib/mysql/plugin").is_dir() else []),
            # Both refuse to run as root unless told so; this root's servers live for one test run.
            *(["--user=root"] if os.geteuid() == 0 else []),
        )


def program_for(flavour: Flavour, say: Callable[[str], None] = lambda _text: None) -> Program:
    """The program of *flavour*: this machine's if it is new enough, else the cache's, else installed now.

    *say* is told before something is fetched from the network.

    Raises ServerMissing, with what to do, when none of these works. Other test runs wait meanwhile.
    """
    names = () if flavour.only_cached else flavour.programs
    own = next((found for name in names if (found := _on_machine(flavour, name))), None)
    return own or _from_cache(flavour, say)


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the cache's lock of this name: of all test runs on this machine, one is inside."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / f"{name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _on_machine(flavour: Flavour, name: str) -> Program | None:
    places = f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin:/usr/libexec"
    path = shutil.which(name, path=places)
    if path is None:
        return None
    return _examined(flavour, (path,), Path(path).resolve().parent.parent)


def _from_cache(flavour: Flavour, say: Callable[[str], None]) -> Program:
    folder = CACHE / flavour.folder
    with locked(flavour.folder):
        if not folder.exists():
            say(f"fetching {flavour.title} for the tests into {folder}, once: about half a minute")
            partial = folder.with_name(f"{flavour.folder}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            try:
                archive.unpack(flavour.package, partial, suite=flavour.suite)
            except ServerMissing as missing:
                raise ServerMissing(_advice(flavour, str(missing))) from missing
            partial.rename(folder)  # whole or not at all, even when this run is killed
    loader = _loader(folder)
    libraries = ":".join(str(path) for path in _library_folders(folder))
    for name in flavour.programs:
        command = (str(loader), "--library-path", libraries, str(folder / "usr/sbin" / name))
        if (program := _examined(flavour, command, folder / "usr")) is not None:
            return program
    raise ServerMissing(_advice(flavour, f"what was installed in {folder} does not run; remove it"))


def _library_folders(folder: Path) -> list[Path]:
    """Where Debian's packages put libraries, of whichever age and machine: /lib or /usr/lib, then the triplet."""
    return sorted(path for place in ("lib", "usr/lib") for path in folder.glob(f"{place}/*-linux-gnu*"))


def _loader(folder: Path) -> Path:
    """The dynamic loader of the unpacked C library itself, not the absolute link to the machine's."""
    for place in _library_folders(folder):
        for path in sorted(place.glob("ld-linux*.so.*")):
            return path
    raise ServerMissing(f"no loader below {folder}")


def _examined(flavour: Flavour, command: tuple[str, ...], usr: Path) -> Program | None:
    """The program if it runs, is of *flavour* and new enough. Debian calls MariaDB's one mysqld, too."""
    try:
        done = subprocess.run(
            [*command, "--no-defaults", "--version"], capture_output=True, text=True, timeout=60, check=False
        )
    except OSError:
        return None
    found = re.search(r"Ver ([0-9]+)\.([0-9]+)\.([0-9]+)", done.stdout)
    if done.returncode != 0 or found is None or ("MariaDB" in done.stdout) != (flavour.name == "mariadb"):
        return None
    major, minor, patch = (int(part) for part in found.groups())
    if (major, minor) < flavour.oldest:
        return None
    return Program(command=command, version=f"{major}.{minor}.{patch}", usr=usr)


def _advice(flavour: Flavour, reason: str) -> str:
    oldest = ".".join(str(part) for part in flavour.oldest)
    return (
        f"no {flavour.title} for the tests: {reason}. Install {flavour.title} {oldest} or newer, or name a "
        f"server that may be used for tests: {flavour.variable}=mysql://user:password@host:port"
    )
