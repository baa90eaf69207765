"""Settings people change while the daemon runs."""

from storage.errors import NotFound
from storage.lifecycle.statements import Transactions


class Settings:
    """Part of the store: key → value."""

    _database: Transactions

    def settings(self) -> dict[str, str]:
        """All settings, sorted by key."""
        found = self._database.read(lambda reader: reader.settings())
        return {row["name"]: row["value"] for row in found}

    def setting(self, key: str) -> str:
        """One setting, or NotFound."""
        found = self._database.read(lambda reader: reader.setting(key))
        if found is None:
            raise NotFound("setting not found")
        return str(found["value"])

    def set_setting(self, key: str, value: str) -> None:
        """Insert or replace a setting."""
        self._database.write(lambda transaction: transaction.put_setting(key, value))
