"""The program: one entry, no logic."""

import importlib

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


def main() -> None:
    """Run the command line; exits the process."""
    check_rooms()
    from cli.main import run

    run()


if __name__ == "__main__":
    main()
