"""Phones of people on site: reports over plain HTTP, resumable, from a page opened by a link."""

from adapters.phone.adapter import PhoneDoor

__all__ = ["PhoneDoor"]
