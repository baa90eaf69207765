"""Which server to talk to: the flag, the environment, or a profile in ~/.schemabot/config.yaml."""

import os
from pathlib import Path
from typing import Any

import yaml

from cli.errors import WrongUsage


def profile_file() -> Path:
    """Where the profiles are kept."""
    return Path.home() / ".schemabot" / "config.yaml"


def find_endpoint(endpoint: str = "", profile: str = "") -> str:
    """The server's address without its trailing slash, or "" when none is configured.

    First match wins: *endpoint* → SCHEMABOT_ENDPOINT → the profile, whose name is *profile* → SCHEMABOT_PROFILE →
    the file's `default_profile` → `default`.
    """
    found = endpoint or os.environ.get("SCHEMABOT_ENDPOINT", "") or _from_profile(profile)
    return found.strip().removesuffix("/")


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
        raise WrongUsage(f"{path} cannot be read: {error}") from error
    except yaml.YAMLError as error:
        raise WrongUsage(f"{path} is not valid YAML: {error}") from error
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise WrongUsage(f"{path} must be a mapping with `profiles`")
    return found


def _names(profiles: object) -> str:
    return ", ".join(sorted(map(str, profiles))) if isinstance(profiles, dict) and profiles else "no profiles"
