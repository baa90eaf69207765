"""What is remembered: states, records, errors and the SQL, behind one waist (storage.base.Store)."""

SCHEMABOT_ROOM = "storage"
