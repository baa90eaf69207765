"""The linters, by theme. Pure: they read the records of the live and the desired table, no server."""
