"""What people type: commands, the HTTP client and terminal views. Knows the daemon only through HTTP."""

SCHEMABOT_ROOM = "cli"
