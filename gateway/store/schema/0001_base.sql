-- Devices, people, and the record of what they did.
CREATE TABLE device (
  id TEXT PRIMARY KEY,
  scheme TEXT NOT NULL,
  external_id TEXT NOT NULL,
  name TEXT NOT NULL,
  alias TEXT NOT NULL DEFAULT '',
  password TEXT NOT NULL DEFAULT '',
  remembered TEXT NOT NULL DEFAULT '',
  admitted_at REAL NOT NULL,
  admitted_by TEXT NOT NULL,
  manufacturer TEXT NOT NULL DEFAULT '',
  model TEXT NOT NULL DEFAULT '',
  firmware TEXT NOT NULL DEFAULT '',
  version TEXT NOT NULL DEFAULT '',
  address TEXT NOT NULL DEFAULT '',
  last_seen REAL,
  UNIQUE (scheme, external_id)
) STRICT;

CREATE TABLE channel (
  device TEXT NOT NULL REFERENCES device (id) ON DELETE CASCADE,
  key TEXT NOT NULL,
  external_id TEXT NOT NULL,
  name TEXT NOT NULL,
  parent TEXT NOT NULL DEFAULT '',
  capabilities TEXT NOT NULL DEFAULT '{}',
  listed INTEGER NOT NULL DEFAULT 1,
  PRIMARY KEY (device, key),
  UNIQUE (device, external_id)
) STRICT;

CREATE TABLE pending (
  scheme TEXT NOT NULL,
  external_id TEXT NOT NULL,
  address TEXT NOT NULL,
  first_seen REAL NOT NULL,
  last_seen REAL NOT NULL,
  attempts INTEGER NOT NULL,
  code TEXT NOT NULL,
  detail TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (scheme, external_id)
) STRICT;

CREATE TABLE account (
  name TEXT PRIMARY KEY,
  role TEXT NOT NULL,
  scope TEXT NOT NULL DEFAULT '',
  hash TEXT NOT NULL,
  created_at REAL NOT NULL,
  changed_at REAL NOT NULL,
  disabled INTEGER NOT NULL DEFAULT 0,
  last_login_at REAL
) STRICT;

CREATE TABLE token (
  id TEXT PRIMARY KEY,
  digest BLOB NOT NULL UNIQUE,
  name TEXT NOT NULL,
  role TEXT NOT NULL,
  scope TEXT NOT NULL DEFAULT '',
  kind TEXT NOT NULL,
  note TEXT NOT NULL DEFAULT '',
  created_at REAL NOT NULL,
  expires_at REAL NOT NULL,
  idle_s REAL NOT NULL DEFAULT 0
) STRICT;

CREATE TABLE alarm (
  id TEXT PRIMARY KEY,
  device TEXT NOT NULL,
  channel TEXT NOT NULL,
  key TEXT NOT NULL,
  severity TEXT NOT NULL,
  kind TEXT NOT NULL,
  method TEXT NOT NULL,
  description TEXT NOT NULL,
  raised_at REAL NOT NULL,
  received_at REAL NOT NULL,
  longitude REAL,
  latitude REAL,
  cleared INTEGER NOT NULL DEFAULT 0,
  repeats INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX alarm_key ON alarm (key, received_at);
CREATE INDEX alarm_time ON alarm (received_at);

-- One row an uplink and message that has not been acknowledged yet.
CREATE TABLE outbox (
  number INTEGER PRIMARY KEY AUTOINCREMENT,
  uplink TEXT NOT NULL,
  topic TEXT NOT NULL,
  body TEXT NOT NULL,
  created_at REAL NOT NULL
) STRICT;
CREATE INDEX outbox_uplink ON outbox (uplink, number);

CREATE TABLE position_latest (
  device TEXT NOT NULL,
  channel TEXT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (device, channel)
) STRICT;

CREATE TABLE position_trail (
  number INTEGER PRIMARY KEY,
  device TEXT NOT NULL,
  channel TEXT NOT NULL,
  taken_at REAL NOT NULL,
  body TEXT NOT NULL
) STRICT;
CREATE INDEX position_trail_time ON position_trail (device, taken_at);

-- Each row's digest is keyed and covers the row and the digest before it; `audit_head` is keyed too.
CREATE TABLE audit (
  number INTEGER PRIMARY KEY,
  at REAL NOT NULL,
  name TEXT NOT NULL,
  role TEXT NOT NULL,
  session TEXT NOT NULL,
  address TEXT NOT NULL,
  act TEXT NOT NULL,
  target TEXT NOT NULL,
  outcome TEXT NOT NULL,
  code TEXT NOT NULL,
  detail TEXT NOT NULL,
  digest TEXT NOT NULL
) STRICT;

CREATE TABLE audit_head (
  one INTEGER PRIMARY KEY CHECK (one = 1),
  number INTEGER NOT NULL,
  seal TEXT NOT NULL
) STRICT;

CREATE TABLE preset (
  device TEXT NOT NULL,
  channel TEXT NOT NULL,
  number INTEGER NOT NULL,
  name TEXT NOT NULL,
  PRIMARY KEY (device, channel, number)
) STRICT;

CREATE TABLE command_result (
  id TEXT PRIMARY KEY,
  at REAL NOT NULL,
  actor TEXT NOT NULL,
  outcome TEXT NOT NULL,
  code TEXT NOT NULL,
  detail TEXT NOT NULL,
  data TEXT NOT NULL
) STRICT;
CREATE INDEX command_result_time ON command_result (at);
