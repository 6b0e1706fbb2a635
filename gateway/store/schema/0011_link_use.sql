-- What passed by each link in its quota's period, both ways. `period`: the day on which it began, "2026-11-01".
CREATE TABLE link_use (
  link TEXT PRIMARY KEY,
  period TEXT NOT NULL,
  bytes INTEGER NOT NULL
) STRICT;
