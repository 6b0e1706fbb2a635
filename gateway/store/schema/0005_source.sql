-- Sources that a person added or adopted; those of the configuration are not here.
CREATE TABLE source (
  name TEXT PRIMARY KEY,
  title TEXT NOT NULL,
  urls TEXT NOT NULL,
  on_demand INTEGER NOT NULL,
  added_by TEXT NOT NULL,
  added_at REAL NOT NULL
) STRICT;
