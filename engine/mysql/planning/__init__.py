"""From desired files to a verified plan for a MySQL or MariaDB target."""
