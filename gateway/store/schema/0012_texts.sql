-- Short messages: what waits and what became of it; what came, whole and in parts; records that kits sent by them.
CREATE TABLE text_out (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  recipient TEXT NOT NULL,
  body TEXT NOT NULL,
  priority INTEGER NOT NULL,
  kind TEXT NOT NULL,
  state TEXT NOT NULL,
  code TEXT NOT NULL,
  detail TEXT NOT NULL,
  author TEXT NOT NULL,
  wanted TEXT NOT NULL,
  carrier TEXT NOT NULL,
  parts INTEGER NOT NULL,
  parts_done INTEGER NOT NULL,
  attempts INTEGER NOT NULL,
  unsure INTEGER NOT NULL,
  made_at REAL NOT NULL,
  max_age_s REAL NOT NULL,
  done_at REAL,
  replaces TEXT NOT NULL,
  boot_id TEXT NOT NULL,
  mono REAL NOT NULL
) STRICT;
CREATE INDEX text_out_state ON text_out (state, priority, number);

-- The network's own number of each part that was sent: its report names it.
CREATE TABLE text_sent (
  carrier TEXT NOT NULL,
  reference TEXT NOT NULL,
  text INTEGER NOT NULL,
  sent_at REAL NOT NULL,
  delivered INTEGER,
  PRIMARY KEY (text, reference)
) STRICT;
CREATE INDEX text_sent_reference ON text_sent (carrier, reference, sent_at);

CREATE TABLE text_in (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  sender TEXT NOT NULL,
  body TEXT NOT NULL,
  carrier TEXT NOT NULL,
  received_at REAL NOT NULL,
  sent_at REAL,
  missing INTEGER NOT NULL,
  seen_by TEXT NOT NULL,
  seen_at REAL,
  code TEXT NOT NULL,
  detail TEXT NOT NULL
) STRICT;

-- Each part that came, by what it is known by again; `text` 0: it waits for the others of its set, and has its words.
CREATE TABLE text_part (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  known TEXT NOT NULL UNIQUE,
  digest TEXT NOT NULL,
  sender TEXT NOT NULL,
  reference INTEGER NOT NULL,
  part INTEGER NOT NULL,
  parts INTEGER NOT NULL,
  body TEXT NOT NULL,
  carrier TEXT NOT NULL,
  sent_at REAL,
  received_at REAL NOT NULL,
  set_number INTEGER NOT NULL,
  text INTEGER NOT NULL
) STRICT;
CREATE INDEX text_part_set ON text_part (text, sender, reference, parts);
CREATE INDEX text_part_again ON text_part (sender, reference, part, digest);
CREATE INDEX text_part_time ON text_part (received_at);

-- At a center: the last records of each kit. What is older than the oldest of many is a replay.
CREATE TABLE kit_telemetry (
  gateway TEXT NOT NULL,
  sequence INTEGER NOT NULL,
  record BLOB NOT NULL,
  carrier TEXT NOT NULL,
  received_at REAL NOT NULL,
  PRIMARY KEY (gateway, sequence)
) STRICT, WITHOUT ROWID;
