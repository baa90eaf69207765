"""Carries out planned changes on a MySQL or MariaDB target."""
