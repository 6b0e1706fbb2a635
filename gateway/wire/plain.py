"""Text from strangers made fit to be shown: one line, bounded, nothing that moves a cursor or turns the direction."""

from __future__ import annotations

import re

# C0, DEL, C1; line and paragraph separators; bidirectional marks and isolates; zero-width; half surrogates; tags.
_NOT_SHOWN = re.compile(
    "[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff\U000e0000-\U000e007f]"
)


def plain(text: str, most: int = 128) -> str:
    return _NOT_SHOWN.sub(" ", text[: most * 4]).strip()[:most].rstrip()


def still(text: str) -> str:
    """As `plain`, as long as it is: for a cell of a table."""
    return _NOT_SHOWN.sub(" ", text)
