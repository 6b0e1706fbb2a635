"""Satellite receivers of the kit: by gpsd, or NMEA on a serial port."""

from adapters.gnss.adapter import Gnss

__all__ = ["Gnss"]
