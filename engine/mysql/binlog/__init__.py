"""Reads the keys of changed rows from the binary log of a MySQL or MariaDB server."""
