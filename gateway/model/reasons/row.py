"""What a row of these tables is."""

from __future__ import annotations

Row = tuple[str, str, str, str, str]
"""Code, cause (en), cure (en), cause (zh), cure (zh)."""
