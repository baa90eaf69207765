"""What changes databases: the contract (engine.base), planning, and one folder per kind of target."""

SCHEMABOT_ROOM = "engine"
