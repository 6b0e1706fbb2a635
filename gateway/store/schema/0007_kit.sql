-- Who is paired with us: `side` says whether the row is a kit (we are its center) or a center (we are its kit).
CREATE TABLE pairing (
  side TEXT NOT NULL CHECK (side IN ('kit', 'center')),
  gateway TEXT NOT NULL,
  key BLOB NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (side, gateway)
) STRICT;
CREATE INDEX pairing_key ON pairing (side, key);

-- What a center last knew of its kits, so that its directory is whole while a kit is away.
CREATE TABLE kit (
  gateway TEXT PRIMARY KEY,
  body TEXT NOT NULL
) STRICT;
CREATE TABLE kit_item (
  gateway TEXT NOT NULL,
  kind TEXT NOT NULL,
  id TEXT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (gateway, kind, id)
) STRICT;

-- How links were: ten minutes a row, as packed samples (core.link_trails).
CREATE TABLE link_trail (
  gateway TEXT NOT NULL,
  link TEXT NOT NULL,
  began INTEGER NOT NULL,
  samples BLOB NOT NULL,
  PRIMARY KEY (gateway, link, began)
) STRICT;
CREATE INDEX link_trail_time ON link_trail (began);

-- Numbers that only grow: how often this gateway was started.
CREATE TABLE counter (
  name TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) STRICT;
