"""ONVIF as text: what is asked and what is answered. No sockets, no clock."""
