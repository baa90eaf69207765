"""The program: one entry, no logic."""

import importlib
import importlib.util
import sys

ROOMS = ("storage", "engine", "server", "cli")


def check_rooms() -> None:
    """Refuse to run with another distribution's top-level package standing where ours should be."""
    for room in ROOMS:
        package = importlib.import_module(room)
        if getattr(package, "SCHEMABOT_ROOM", None) != room:
            raise ImportError(
                f"the package {room!r} at {package.__file__} does not belong to schemabot: another "
                "distribution installed a package of the same name. Install schemabot into an environment "
                "of its own, or use the single-file build (make binary)."
            )


def check_python() -> None:
    """Refuse to run where the compiled parts are for another Python, as in a single file that was built with that one."""
    found = importlib.util.find_spec("apsw")
    if (
        found is not None and found.origin is None
    ):  # a folder without a module in it that this Python could load
        version = ".".join(map(str, sys.version_info[:2]))
        raise SystemExit(
            f"Error: this schemabot was built with another Python than {version}, with which it runs here.\n"
            "Run it with the one it was built with (python3.X schemabot …), or build it anew with this one (make binary)."
        )


def main() -> None:
    """Run the command line; exits the process."""
    check_python()
    check_rooms()
    from cli.main import run

    run()


if __name__ == "__main__":
    main()
