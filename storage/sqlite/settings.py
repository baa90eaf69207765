"""Settings people change while the daemon runs."""

from storage.errors import NotFound
from storage.sqlite.database import Database


class Settings:
    """Part of the store: key → value."""

    _database: Database

    def settings(self) -> dict[str, str]:
        """All settings, sorted by key."""
        with self._database.read() as reader:
            return {
                row["key"]: row["value"]
                for row in reader.rows("SELECT key, value FROM settings ORDER BY key")
            }

    def setting(self, key: str) -> str:
        """One setting, or NotFound."""
        with self._database.read() as reader:
            found = reader.one("SELECT value FROM settings WHERE key = :key", key=key)
        if found is None:
            raise NotFound("setting not found")
        return str(found["value"])

    def set_setting(self, key: str, value: str) -> None:
        """Insert or replace a setting."""
        with self._database.write() as transaction:
            transaction.run(
                "INSERT INTO settings(key, value) VALUES (:key, :value) ON CONFLICT(key) DO UPDATE SET value = :value",
                key=key,
                value=value,
            )
