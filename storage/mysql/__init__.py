"""The store in a database of MySQL (8.4 or newer) or MariaDB (10.6 or newer)."""
