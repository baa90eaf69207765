"""The live schema as files in a folder: checked when they come, compared with what lies there, written."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cli.errors import ApiError, CliError, Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Writing:
    """What a pull does to a folder."""

    new: Mapping[Path, str]
    changed: Mapping[Path, str]
    same: tuple[Path, ...]
    strangers: tuple[Path, ...]  # schema files of the folder that the live schema knows nothing of


def checked_files(answer: Mapping[str, Any]) -> dict[str, dict[str, str]]:
    """The files in the server's answer. ApiError when a name could lead out of the folder."""
    found = answer.get("files")
    files: dict[str, dict[str, str]] = {}
    for namespace, entries in (found if isinstance(found, dict) else {}).items():
        texts = entries.get("files", entries) if isinstance(entries, dict) else {}
        for name, text in texts.items() if isinstance(texts, dict) else ():
            if not isinstance(text, str) or not _plain(name) or not (_plain(namespace) or namespace == "."):
                raise ApiError(200, f"the server sent a file that cannot be written: {namespace!r}/{name!r}")
            files.setdefault(namespace, {})[name] = text
    if not files:
        raise Refused(
            "the live schema is empty: there is nothing to write", "create the first table by plan and apply"
        )
    return files


def _plain(name: str) -> bool:
    return (
        bool(name) and "/" not in name and "\\" not in name and "\0" not in name and name not in (".", "..")
    )


def compare(root: Path, files: Mapping[str, Mapping[str, str]]) -> Writing:
    """What of *files* is new under *root*, what differs, what is there already. One namespace lies flat."""
    flat = len(files) == 1
    wanted = {
        (root if flat else root / namespace) / name: text
        for namespace, texts in files.items()
        for name, text in sorted(texts.items())
    }
    present = {path: _read(path) for path in wanted}
    folders = {path.parent for path in wanted}
    strangers = [
        path for folder in sorted(folders) for path in sorted(folder.glob("*.sql")) if path not in wanted
    ]
    return Writing(
        new={path: text for path, text in wanted.items() if present[path] is None},
        changed={path: text for path, text in wanted.items() if present[path] not in (None, text)},
        same=tuple(path for path, text in wanted.items() if present[path] == text),
        strangers=tuple(strangers),
    )


def _read(path: Path) -> str | None:
    try:
        return path.read_bytes().decode("utf-8", "replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise CliError(
            f"{path} cannot be read: {error.strerror}", "pull into another folder by -o DIR"
        ) from error


def write(root: Path, writing: Writing) -> None:
    """Write what is new or changed, all of it beside its places first: nothing is there when something cannot be written.

    A folder with half of the tables would be planned as a drop of the others.
    """
    wanted = {**writing.new, **writing.changed}
    fresh = not root.exists()
    path, done = root, []
    try:
        root.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=root, prefix=".pull-") as beside:
            places = {path: Path(beside) / path.relative_to(root) for path in wanted}
            for path, text in wanted.items():
                places[path].parent.mkdir(parents=True, exist_ok=True)
                places[path].write_bytes(text.encode())
            for path, place in places.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                place.replace(path)
                done.append(path)
    except OSError as error:
        for there in set(done) & set(writing.new):
            there.unlink(missing_ok=True)
        if fresh:
            with suppress(OSError):
                root.rmdir()
        raise CliError(
            f"{path} cannot be written: {error.strerror}", "pull into another folder by -o DIR"
        ) from error
