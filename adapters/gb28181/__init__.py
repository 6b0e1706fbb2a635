"""GB/T 28181 access: devices register at us, and their pictures, alarms and positions become the gateway's."""
