"""Real schemas: the SQL files that Debian packages carry, downloaded once into .cache, never installed."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

CACHE = Path(__file__).resolve().parents[3] / ".cache" / "debian"


def package(name: str) -> Path:
    """The unpacked package *name*. Without apt or network: a loud skip on a laptop, a failure where CI=true."""
    folder = CACHE / name
    if not (folder / "complete").exists():
        try:
            _fetch(name, folder)
        except (OSError, subprocess.SubprocessError) as error:
            reason = f"the Debian package {name} cannot be had here: {_reason(error)}"
            if os.environ.get("CI") == "true":
                pytest.fail(reason)
            pytest.skip(reason)
    return folder / "root"


def _fetch(name: str, folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    download = ["apt-get", "-o", "APT::Sandbox::User=root", "download", name]
    try:
        _call(download, folder)
    except subprocess.CalledProcessError:
        _call(["apt-get", "update", "-qq"], folder)
        _call(download, folder)
    (deb,) = folder.glob("*.deb")
    _call(["dpkg-deb", "-x", deb.name, "root"], folder)
    deb.unlink()
    (folder / "complete").touch()


def _call(command: list[str], folder: Path) -> None:
    subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=90)


def _reason(error: Exception) -> str:
    return str(getattr(error, "stderr", "") or error).strip().splitlines()[-1]
