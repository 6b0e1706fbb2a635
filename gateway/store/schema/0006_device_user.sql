-- The user name that a camera knows us by; empty: the adapter's own.
ALTER TABLE device ADD COLUMN user TEXT NOT NULL DEFAULT '';
