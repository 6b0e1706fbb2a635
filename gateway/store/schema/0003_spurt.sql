-- Who spoke when in which talk group. Pruned by age and by number of rows.
CREATE TABLE spurt (
  id TEXT PRIMARY KEY,
  talk_group TEXT NOT NULL,
  member TEXT NOT NULL,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  priority TEXT NOT NULL,
  emergency INTEGER NOT NULL,
  began REAL NOT NULL,
  ended REAL NOT NULL,
  ended_by TEXT NOT NULL
) STRICT;
CREATE INDEX spurt_group ON spurt (talk_group, began);
CREATE INDEX spurt_time ON spurt (began);
