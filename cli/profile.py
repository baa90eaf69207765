"""Which server to talk to: the flag, the environment, or a profile in ~/.schemabot/config.yaml."""

import os
from pathlib import Path
from typing import Any

import yaml

from cli.errors import WrongUsage

REMEDY = "correct it, or move it away and run `schemabot configure`"


def profile_file() -> Path:
    """Where the profiles are kept."""
    return Path.home() / ".schemabot" / "config.yaml"


def find_endpoint(endpoint: str = "", profile: str = "") -> str:
    """The server's address without its trailing slash, or "" when none is configured.

    First match wins: *endpoint* → SCHEMABOT_ENDPOINT → the profile, whose name is *profile* → SCHEMABOT_PROFILE →
    the file's `default_profile` → `default`. WrongUsage where a *profile* would lose against another server's
    SCHEMABOT_ENDPOINT: whoever types its name means that one.
    """
    surroundings = _bare(os.environ.get("SCHEMABOT_ENDPOINT", ""))
    if profile and surroundings and not endpoint:
        named = _bare(_from_profile(profile))
        if named != surroundings:
            raise WrongUsage(
                f"SCHEMABOT_ENDPOINT ({surroundings}) goes before --profile {profile} ({named}), and they are two servers",
                "unset SCHEMABOT_ENDPOINT, or leave --profile away",
            )
    return _bare(endpoint) or surroundings or _bare(_from_profile(profile))


def _bare(endpoint: str) -> str:
    return endpoint.strip().removesuffix("/")


def _from_profile(profile: str) -> str:
    settings = _read(profile_file())
    named = profile or os.environ.get("SCHEMABOT_PROFILE", "")
    name = named or str(settings.get("default_profile") or "default")
    profiles = settings.get("profiles") or {}
    entry = profiles.get(name) if isinstance(profiles, dict) else None
    if entry is None:
        if named:
            raise WrongUsage(f'unknown profile "{name}"', f"{profile_file()} knows: {_names(profiles)}")
        return ""
    if not isinstance(entry, dict) or not isinstance(entry.get("endpoint"), str):
        raise WrongUsage(
            f'profile "{name}" in {profile_file()} has no endpoint', "add: endpoint: http://HOST:13370"
        )
    return str(entry["endpoint"])


def _read(path: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise WrongUsage(f"{path} cannot be read: {error}", REMEDY) from error
    except yaml.YAMLError as error:
        raise WrongUsage(f"{path} is not valid YAML: {error}", REMEDY) from error
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise WrongUsage(f"{path} must be a mapping with `profiles`", REMEDY)
    return found


def _names(profiles: object) -> str:
    return ", ".join(sorted(map(str, profiles))) if isinstance(profiles, dict) and profiles else "no profiles"


def profile_names() -> list[str]:
    """The profiles of the file; none when it cannot be read."""
    try:
        profiles = _read(profile_file()).get("profiles")
    except WrongUsage:
        return []
    return sorted(map(str, profiles)) if isinstance(profiles, dict) else []


def save_profile(name: str, endpoint: str, *, as_default: bool) -> Path:
    """Add or replace the profile *name*; readable by nobody else. The file.

    The first one becomes the default; everything else in the file stays, but for its comments.
    """
    path = profile_file()
    settings = _read(path)
    profiles = settings.get("profiles") or {}
    if not isinstance(profiles, dict):
        raise WrongUsage(f"{path}: profiles must be a mapping", "correct the file, or move it away")
    profiles[name] = {**(profiles.get(name) or {}), "endpoint": endpoint}
    settings["profiles"] = profiles
    if as_default or len(profiles) == 1:
        settings["default_profile"] = name
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft.touch(mode=0o600)
        draft.write_text(yaml.safe_dump(settings, sort_keys=True), encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        raise WrongUsage(
            f"{path} cannot be written: {error.strerror}", "see the owner of that folder"
        ) from error
    return path
