"""What happens to applies between enqueue and end, the same on every store and free of SQL."""
