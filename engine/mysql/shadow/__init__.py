"""The table that is to take the place of the live one: its names, its form, its record on the target."""
