-- What a center keeps of kits is bounded, of each and of all ('' is the sum): counted here, asked for on every batch.
CREATE TABLE kit_event_held (
  gateway TEXT PRIMARY KEY,
  rows INTEGER NOT NULL,
  bytes INTEGER NOT NULL
) STRICT;
INSERT INTO kit_event_held (gateway, rows, bytes)
  SELECT gateway, count(*), sum(length(CAST(body AS BLOB))) FROM kit_event GROUP BY gateway;
INSERT INTO kit_event_held (gateway, rows, bytes)
  SELECT '', coalesce(sum(rows), 0), coalesce(sum(bytes), 0) FROM kit_event_held;
CREATE TRIGGER kit_event_more AFTER INSERT ON kit_event BEGIN
  INSERT INTO kit_event_held (gateway, rows, bytes) VALUES (new.gateway, 0, 0) ON CONFLICT (gateway) DO NOTHING;
  UPDATE kit_event_held SET rows = rows + 1, bytes = bytes + length(CAST(new.body AS BLOB))
    WHERE gateway IN ('', new.gateway);
END;
CREATE TRIGGER kit_event_less AFTER DELETE ON kit_event BEGIN
  UPDATE kit_event_held SET rows = rows - 1, bytes = bytes - length(CAST(old.body AS BLOB))
    WHERE gateway IN ('', old.gateway);
END;
CREATE INDEX kit_event_order ON kit_event (gateway, rank, number);

-- Alarms by the gateway whose they are.
CREATE TABLE alarm_held (
  gateway TEXT PRIMARY KEY,
  rows INTEGER NOT NULL
) STRICT;
INSERT INTO alarm_held (gateway, rows)
  SELECT substr(device, 1, instr(device, '/') - 1), count(*) FROM alarm GROUP BY 1;
CREATE TRIGGER alarm_more AFTER INSERT ON alarm BEGIN
  INSERT INTO alarm_held (gateway, rows) VALUES (substr(new.device, 1, instr(new.device, '/') - 1), 0)
    ON CONFLICT (gateway) DO NOTHING;
  UPDATE alarm_held SET rows = rows + 1 WHERE gateway = substr(new.device, 1, instr(new.device, '/') - 1);
END;
CREATE TRIGGER alarm_less AFTER DELETE ON alarm BEGIN
  UPDATE alarm_held SET rows = rows - 1 WHERE gateway = substr(old.device, 1, instr(old.device, '/') - 1);
END;
CREATE INDEX alarm_device ON alarm (device, received_at);
