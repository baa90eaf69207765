"""Programs out of the Debian archive, unpacked into a folder with all they need; nothing is installed.

apt resolves, downloads and verifies with a state of its own in which nothing is installed, so that even the
C library comes along: the program runs on it through its own loader, whatever this machine has, and no
package script is ever run. Root is not needed.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

from tests.servers.errors import ServerMissing

_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_LIMIT_SECONDS = 300


def unpack(package: str, folder: Path, *, suite: str | None) -> None:
    """Put *package* and everything it depends on below *folder*, which must not exist.

    `suite` names a suite of Debian other than this machine's, which comes from the mirror that this machine
    uses, or is the lines of a sources.list ("deb …") for any other archive. Raises ServerMissing when there is no
    apt, no mirror or no such package.
    """
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise ServerMissing("this machine has no apt to install it with")
    apt = _Apt(folder.with_name(folder.name + ".apt"), suite)
    try:
        apt.run("update")
        apt.run("--no-install-recommends", "--download-only", "--yes", "install", apt.named(package))
        for file in sorted(apt.folder.glob("cache/archives/*.deb")):
            _run(["dpkg-deb", "-x", str(file), str(folder)], os.environ)
    finally:
        shutil.rmtree(apt.folder, ignore_errors=True)


class _Apt:
    """apt with its lists, its downloads and its idea of what is installed in a folder of its own."""

    def __init__(self, folder: Path, suite: str | None) -> None:
        self.folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        for name in ("state/lists/partial", "cache/archives/partial", "nothing"):
            (folder / name).mkdir(parents=True)
        (folder / "state/status").touch()
        settings = [
            # Hooks of the machine (a container's clean-up, a desktop's news) are not meant for us.
            "#clear APT::Update::Post-Invoke;",
            "#clear APT::Update::Post-Invoke-Success;",
            "#clear Dir::Etc::preferences;",
            f'Dir::Etc::preferencesparts "{folder}/nothing";',
            f'Dir::State "{folder}/state";',
            f'Dir::State::status "{folder}/state/status";',
            f'Dir::Cache "{folder}/cache";',
            'Acquire::Languages "none";',
            'Acquire::Retries "3";',
        ]
        if os.geteuid() == 0:
            settings.append('APT::Sandbox::User "root";')  # _apt may not write into our folder
        if suite is not None:
            (folder / "sources.list").write_text(_source(suite))
            settings.append(f'Dir::Etc::sourcelist "{folder}/sources.list";')
            settings.append(f'Dir::Etc::sourceparts "{folder}/nothing";')
        (folder / "apt.conf").write_text("\n".join(settings) + "\n")

    def run(self, *arguments: str) -> str:
        environment = {**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
        return _run(["apt-get", "-q", "-c", str(self.folder / "apt.conf"), *arguments], environment)

    def named(self, package: str) -> str:
        """The package of this name, else the newest whose name only adds a version to it."""
        command = ["apt-cache", "-c", str(self.folder / "apt.conf"), "pkgnames", package]
        names = _run(command, os.environ).split()
        if package in names:
            return package
        versioned = [name for name in names if re.fullmatch(re.escape(package) + r"-[0-9.]+", name)]
        if not versioned:
            raise ServerMissing(f"the Debian mirror has no package {package}")
        return max(versioned, key=_version_in)


def _version_in(name: str) -> tuple[int, ...]:
    return tuple(int(digits) for digits in re.findall(r"[0-9]+", name))


def _source(suite: str) -> str:
    """A source for *suite* on the mirror from which this machine has its own Debian, unless it is one itself."""
    if suite.startswith("deb "):
        return suite + "\n"
    listing = _run(["apt-get", "indextargets", "Created-By: Packages"], {**os.environ, "LC_ALL": "C"})
    for stanza in listing.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in stanza.splitlines() if ": " in line)
        # bookworm-security and the like are other archives, and bookworm-updates proves nothing more.
        if fields.get("Component") == "main" and re.fullmatch("[a-z]+", fields.get("Release", "")):
            keyring = f"[signed-by={_KEYRING}] " if _KEYRING.exists() else ""
            return f"deb {keyring}{fields['Repo-URI']} {suite} main\n"
    raise ServerMissing("apt is not configured with a Debian mirror")


def _run(command: list[str], environment: "os._Environ[str] | dict[str, str]") -> str:
    done = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_LIMIT_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise ServerMissing(f"{' '.join(command[:1] + command[-1:])} failed: {done.stderr.strip()[-600:]}")
    return done.stdout
