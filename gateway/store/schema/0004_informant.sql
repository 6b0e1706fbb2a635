-- Invitations for phones, the phones that used them, and what they report. Secrets and keys are kept as SHA-256 only.
CREATE TABLE invitation (
  id TEXT PRIMARY KEY,
  digest BLOB NOT NULL UNIQUE,
  label TEXT NOT NULL,
  place TEXT NOT NULL,
  made_by TEXT NOT NULL,
  made_at REAL NOT NULL,
  expires_at REAL NOT NULL,
  most_phones INTEGER NOT NULL,
  revoked_at REAL
) STRICT;
CREATE TABLE phone (
  slug TEXT PRIMARY KEY,
  digest BLOB NOT NULL UNIQUE,
  name TEXT NOT NULL,
  invitation TEXT NOT NULL,
  joined_at REAL NOT NULL,
  seen_at REAL NOT NULL
) STRICT;
CREATE TABLE invitation_use (
  invitation TEXT NOT NULL,
  phone TEXT NOT NULL,
  PRIMARY KEY (invitation, phone)
) STRICT;
CREATE TABLE report (
  id TEXT PRIMARY KEY,
  device TEXT NOT NULL,
  who TEXT NOT NULL,
  place TEXT NOT NULL,
  kind TEXT NOT NULL,
  text TEXT NOT NULL,
  media_type TEXT NOT NULL,
  size INTEGER NOT NULL,
  sha256 TEXT NOT NULL,
  taken_at REAL NOT NULL,
  received_at REAL NOT NULL,
  longitude REAL,
  latitude REAL,
  accuracy_m REAL,
  position_at REAL,
  complete_at REAL,
  seen_by TEXT NOT NULL,
  seen_at REAL
) STRICT;
CREATE INDEX report_time ON report (received_at);
