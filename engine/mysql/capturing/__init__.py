"""Tells which rows the application changes while they are copied."""
