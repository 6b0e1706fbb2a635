-- Alarms of kits that were acknowledged at their center, and their kit has not heard of it yet.
CREATE TABLE alarm_untold (
  id TEXT PRIMARY KEY,
  gateway TEXT NOT NULL
) STRICT;
CREATE INDEX alarm_untold_gateway ON alarm_untold (gateway);
CREATE TRIGGER alarm_untold_less AFTER DELETE ON alarm BEGIN
  DELETE FROM alarm_untold WHERE id = old.id;
END;
