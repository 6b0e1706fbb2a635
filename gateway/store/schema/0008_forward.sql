-- Store and forward. A row an event and uplink, until it is acknowledged there.
ALTER TABLE outbox RENAME TO outbox_before;
DROP INDEX outbox_uplink;
CREATE TABLE outbox (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  uplink TEXT NOT NULL,
  id TEXT NOT NULL,
  kind TEXT NOT NULL,
  rank INTEGER NOT NULL,
  severity TEXT NOT NULL,
  body TEXT NOT NULL,
  boot INTEGER NOT NULL,
  boot_id TEXT NOT NULL,
  mono REAL NOT NULL,
  wall REAL NOT NULL,
  quality TEXT NOT NULL,
  UNIQUE (uplink, id)
) STRICT;
CREATE INDEX outbox_order ON outbox (uplink, rank, number);

-- Who is sent to. Counts are kept by the triggers: asked for on every insertion.
CREATE TABLE outbox_uplink (
  name TEXT PRIMARY KEY,
  adapter TEXT NOT NULL,
  since REAL NOT NULL,
  rows INTEGER NOT NULL DEFAULT 0,
  bytes INTEGER NOT NULL DEFAULT 0,
  dropped INTEGER NOT NULL DEFAULT 0,
  expired INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE TRIGGER outbox_more AFTER INSERT ON outbox BEGIN
  UPDATE outbox_uplink SET rows = rows + 1, bytes = bytes + length(CAST(new.body AS BLOB)) WHERE name = new.uplink;
END;
CREATE TRIGGER outbox_less AFTER DELETE ON outbox BEGIN
  UPDATE outbox_uplink SET rows = rows - 1, bytes = bytes - length(CAST(old.body AS BLOB)) WHERE name = old.uplink;
END;
INSERT INTO outbox_uplink (name, adapter, since) SELECT uplink, uplink, min(created_at) FROM outbox_before GROUP BY uplink;
INSERT OR IGNORE INTO outbox (uplink, id, kind, rank, severity, body, boot, boot_id, mono, wall, quality)
  SELECT uplink, coalesce(json_extract(body, '$.id'), printf('before-%d', number)), topic, 1,
         coalesce(json_extract(body, '$.severity'), 'info'), body, 0, '', 0.0, created_at, 'unsynced'
  FROM outbox_before ORDER BY number;
DROP TABLE outbox_before;

-- Files that wait on the disk, a row each and uplink; `sent` is what the far side has.
CREATE TABLE outbox_file (
  uplink TEXT NOT NULL,
  id TEXT NOT NULL,
  rank INTEGER NOT NULL,
  sent INTEGER NOT NULL DEFAULT 0,
  size INTEGER NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (uplink, id)
) STRICT;

-- One pair of clocks a boot, taken while the wall clock was good.
CREATE TABLE clock_mark (
  boot_id TEXT PRIMARY KEY,
  mono REAL NOT NULL,
  wall REAL NOT NULL
) STRICT;

-- At a center: what kits told, each event once.
CREATE TABLE kit_event (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  gateway TEXT NOT NULL,
  id TEXT NOT NULL,
  kind TEXT NOT NULL,
  rank INTEGER NOT NULL,
  severity TEXT NOT NULL,
  body TEXT NOT NULL,
  boot INTEGER NOT NULL,
  boot_id TEXT NOT NULL,
  mono REAL NOT NULL,
  wall REAL NOT NULL,
  quality TEXT NOT NULL,
  at REAL NOT NULL,
  dating TEXT NOT NULL,
  received_at REAL NOT NULL,
  UNIQUE (gateway, id)
) STRICT;
CREATE INDEX kit_event_time ON kit_event (received_at);

CREATE TABLE kit_file (
  gateway TEXT NOT NULL,
  id TEXT NOT NULL,
  size INTEGER NOT NULL,
  body TEXT NOT NULL,
  received_at REAL NOT NULL,
  complete_at REAL,
  PRIMARY KEY (gateway, id)
) STRICT;
CREATE INDEX kit_file_time ON kit_file (received_at);
