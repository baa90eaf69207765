"""Waits for locks of tables: short tries, long statements, and who is in the way."""
