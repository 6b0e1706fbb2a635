-- Who acknowledged an alarm, and when it was last reported again.
ALTER TABLE alarm ADD COLUMN acknowledged_by TEXT NOT NULL DEFAULT '';
ALTER TABLE alarm ADD COLUMN acknowledged_at REAL;
ALTER TABLE alarm ADD COLUMN last_at REAL NOT NULL DEFAULT 0;
UPDATE alarm SET last_at = received_at;
