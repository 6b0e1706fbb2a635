"""SQLite in WAL with one writer; the only place where SQL stands."""
