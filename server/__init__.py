"""The daemon: HTTP, workers, the drive of one apply, housekeeping, configuration, metrics."""

SCHEMABOT_ROOM = "server"
