"""A schema directory: its schemabot.yaml and the files that say what the schema should be."""

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from cli.errors import WrongUsage

CONFIG_NAME = "schemabot.yaml"
LIKE = "the least it holds is `database: NAME`; docs/cli.md shows a whole one"
TYPES = ("sqlite", "mysql", "vitess")
KEYS = ("database", "type", "deployment", "target", "dsn", "environments")


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """What a schemabot.yaml says. `targets`: environment → its own target, "" when it names none."""

    directory: Path
    database: str
    type: str
    type_said: bool = True
    deployment: str = ""
    target: str = ""
    targets: Mapping[str, str] = field(default_factory=dict)

    @property
    def file(self) -> Path:
        """The schemabot.yaml."""
        return self.directory / CONFIG_NAME

    def target_for(self, environment: str) -> str:
        """What the server is told to aim at: the environment's target, the project's, or the database."""
        return self.targets.get(environment) or self.target or self.database

    def sqlite_file(self, environment: str) -> Path | None:
        """The SQLite file of *environment* ("" = the only one), when the project names one itself."""
        if self.type != "sqlite":
            return None
        named = self.targets.get(environment) or self.target
        if not named and not environment and len(self.targets) == 1:
            named = next(iter(self.targets.values()))
        return self.directory / Path(named).expanduser() if named else None


def load_project(directory: Path) -> Project | None:
    """The project in *directory*, or None when it holds no schemabot.yaml. WrongUsage names what is wrong in it."""
    path = directory / CONFIG_NAME
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise WrongUsage(f"{path} cannot be read: {error}", "see its owner and mode") from error
    except yaml.YAMLError as error:
        raise WrongUsage(f"{path} is not valid YAML: {error}", LIKE) from error
    if not isinstance(found, dict):
        raise WrongUsage(f"{path} must be a mapping", "the least it can hold is: database: NAME")
    return _project(path, found)


def _project(path: Path, data: dict[str, Any]) -> Project:
    for key in map(str, data):
        # Others may be another version's; one that is nearly ours is a slip, and what it says would not be done.
        if key not in KEYS and (near := difflib.get_close_matches(key, KEYS, n=1, cutoff=0.75)):
            raise WrongUsage(f"{path}: {key} is not a known key", f"did you mean {near[0]}?")
    database = _text(path, data, "database")
    said = _text(path, data, "type")
    kind = said or "mysql"
    if not database:
        raise WrongUsage(f"{path}: database is required", "add: database: NAME")
    if kind not in TYPES:
        both = '; write "mysql", which is both' if kind.lower() == "mariadb" else ""
        raise WrongUsage(f"{path}: type must be one of {', '.join(TYPES)}, not {kind!r}{both}", LIKE)
    return Project(
        directory=path.parent,
        database=database,
        type=kind,
        type_said=bool(said),
        deployment=_text(path, data, "deployment"),
        target=_text(path, data, "target") or _text(path, data, "dsn"),
        targets=_environments(path, data.get("environments")),
    )


def _environments(path: Path, found: Any) -> dict[str, str]:
    """A list of names, or a map of name → {target: …}."""
    if found is None:
        return {}
    if isinstance(found, list) and all(isinstance(name, str) for name in found):
        return dict.fromkeys(found, "")
    if isinstance(found, dict):
        targets = {}
        for name, entry in found.items():
            settings = entry or {}
            if not isinstance(name, str) or not isinstance(settings, dict):
                raise WrongUsage(f"{path}: environments.{name} must look like: {{target: NAME}}", LIKE)
            targets[name] = _text(path, settings, "target") or _text(path, settings, "dsn")
        return targets
    raise WrongUsage(
        f"{path}: environments must be a list of names, or a map of names to {{target: …}}", LIKE
    )


def _text(path: Path, data: Mapping[str, Any], key: str) -> str:
    value = data.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise WrongUsage(f"{path}: {key} must be a text, not {value!r}", LIKE)
    return value.strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaFolder:
    """What lies in a schema directory: namespace → file name → text, and what else lies there and is not read."""

    files: Mapping[str, Mapping[str, str]]
    passed_over: tuple[Path, ...]


def read_schema_files(directory: str) -> SchemaFolder:
    """The schema files in *directory*.

    Flat files are one namespace, named after the last element of the path as typed; otherwise each subdirectory that
    holds schema files is one. Only `*.sql` and `vschema.json` count. What looks like one of them and would not be read
    is refused: a table whose file is overlooked is a table to drop.
    """
    root = Path(directory)
    if not root.is_dir():
        raise WrongUsage(f"no such directory: {directory}", "name the folder with the schema files by -s DIR")
    flat = _files_in(root)
    children = [child for child in sorted(root.iterdir()) if child.is_dir()]
    nested = {child.name: files for child in children if (files := _files_in(child))}
    if flat and nested:
        raise WrongUsage(
            f"{directory} mixes schema files with folders of schema files ({', '.join(sorted(nested))})",
            "keep either the files of one namespace, or one folder for each namespace",
        )
    if not flat and not nested:
        raise WrongUsage(
            f"no .sql files found in {directory}", "name the folder with the schema files by -s DIR"
        )
    namespaces = [root / name for name in nested]
    for namespace in namespaces:
        _refuse_deeper(namespace)
    others = [path for folder in (root, *namespaces) for path in _others_in(folder) if path not in namespaces]
    return SchemaFolder(files=nested or {_last_element(directory): flat}, passed_over=tuple(others))


def _last_element(directory: str) -> str:
    return directory.rstrip("/").rsplit("/", 1)[-1] or "."


def _files_in(directory: Path) -> dict[str, str]:
    found = {}
    for path in sorted(directory.iterdir()):
        if not path.is_file() or not _like_schema(path):
            continue
        if not _schema(path):
            raise WrongUsage(
                f"{path} would not be read: only names that end in .sql are, and vschema.json, in small letters",
                "rename it, or move it out of the schema directory",
            )
        try:
            # Bytes, not text lines: a carriage return may be part of a name or of a value.
            found[path.name] = path.read_bytes().decode("utf-8")
        except UnicodeDecodeError as error:
            raise WrongUsage(f"{path} is not UTF-8 text (byte {error.start})", "save it as UTF-8") from error
        except OSError as error:
            raise WrongUsage(f"{path} cannot be read: {error.strerror}", "see its owner and mode") from error
    return found


def _schema(path: Path) -> bool:
    return path.suffix == ".sql" or path.name == "vschema.json"


def _like_schema(path: Path) -> bool:
    return _schema(path.with_name(path.name.lower()))


def _refuse_deeper(namespace: Path) -> None:
    for path in sorted(namespace.glob("*/**/*")):
        if path.is_file() and _like_schema(path):
            raise WrongUsage(
                f"{path} would not be read: a namespace's files lie in its own folder, {namespace}",
                "move it there, or out of the schema directory",
            )


def _others_in(folder: Path) -> list[Path]:
    """What is not read there, but for what nobody takes for a part of the schema."""
    return [
        path
        for path in sorted(folder.iterdir())
        if not (path.is_file() and _schema(path))
        and not path.name.startswith(".")
        and path.name != CONFIG_NAME
        and path.suffix != ".md"
    ]
