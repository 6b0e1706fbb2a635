"""What kits and centers say by MQTT, and how they judge it: no socket, no clock, no thread."""
