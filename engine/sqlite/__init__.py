"""SQLite targets: planning in :memory:, native ALTER where the library can, rebuild (online for large tables) where not."""
