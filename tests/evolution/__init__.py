"""Random changes of random schemas on MySQL and MariaDB, planned and applied for real, there and back."""
