"""The instant in which shadows take the names of the live tables."""
