"""Fills a shadow with the rows of the live table, keeps it in step, and compares the two."""
