"""From a reviewed step to the live table: fenced, in batches, verified, swapped, tidied."""
