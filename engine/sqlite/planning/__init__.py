"""From the desired files and the live schema to a plan: verified in memory, the rows asked."""
