"""A 5 × 7 bitmap font for what a camera burns into its picture; drawn here, so that it can be read here."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

WIDTH, HEIGHT, ADVANCE = 5, 7, 6

# Each band: the characters, then their seven rows side by side.
_BANDS = (
    (
        "0123456789:.",
        """
.###. ..#.. .###. ####. ...#. ##### .###. ##### .###. .###. ..... .....
#...# .##.. #...# ....# ..##. #.... #.... ....# #...# #...# ..#.. .....
#..## ..#.. ....# ....# .#.#. ####. ####. ...#. #...# #...# ..#.. .....
#.#.# ..#.. ..##. .###. #..#. ....# #...# ..#.. .###. .#### ..... .....
##..# ..#.. .#... ....# ##### ....# #...# ..#.. #...# ....# ..#.. .....
#...# ..#.. #.... ....# ...#. #...# #...# .#... #...# ....# ..#.. .##..
.###. .###. ##### ####. ...#. .###. .###. .#... .###. .###. ..... .##..
""",
    ),
    (
        "ABCDEFGHIJKLM",
        """
.###. ####. .###. ####. ##### ##### .###. #...# .###. ..### #...# #.... #...#
#...# #...# #...# #...# #.... #.... #...# #...# ..#.. ...#. #..#. #.... ##.##
#...# #...# #.... #...# #.... #.... #.... #...# ..#.. ...#. #.#.. #.... #.#.#
##### ####. #.... #...# ####. ####. #.### ##### ..#.. ...#. ##... #.... #.#.#
#...# #...# #.... #...# #.... #.... #...# #...# ..#.. ...#. #.#.. #.... #...#
#...# #...# #...# #...# #.... #.... #...# #...# ..#.. #..#. #..#. #.... #...#
#...# ####. .###. ####. ##### #.... .###. #...# .###. .##.. #...# ##### #...#
""",
    ),
    (
        "NOPQRSTUVWXYZ",
        """
#...# .###. ####. .###. ####. .#### ##### #...# #...# #...# #...# #...# #####
##..# #...# #...# #...# #...# #.... ..#.. #...# #...# #...# #...# #...# ....#
##..# #...# #...# #...# #...# #.... ..#.. #...# #...# #...# .#.#. .#.#. ...#.
#.#.# #...# ####. #...# ####. .###. ..#.. #...# #...# #.#.# ..#.. ..#.. ..#..
#..## #...# #.... #.#.# #.#.. ....# ..#.. #...# #...# #.#.# .#.#. ..#.. .#...
#..## #...# #.... #..#. #..#. ....# ..#.. #...# .#.#. ##.## #...# ..#.. #....
#...# .###. #.... .##.# #...# ####. ..#.. .###. ..#.. #...# #...# ..#.. #####
""",
    ),
    (
        "-+/%# _",
        """
..... ..... ....# ##..# .#.#. ..... .....
..... ..#.. ....# ##..# .#.#. ..... .....
..... ..#.. ...#. ...#. ##### ..... .....
##### ##### ..#.. ..#.. .#.#. ..... .....
..... ..#.. .#... .#... ##### ..... .....
..... ..#.. #.... #..## .#.#. ..... .....
..... ..... #.... #..## .#.#. ..... #####
""",
    ),
)


def _read() -> dict[str, tuple[str, ...]]:
    glyphs: dict[str, tuple[str, ...]] = {}
    for characters, art in _BANDS:
        rows = [line.split() for line in art.strip().splitlines()]
        for at, character in enumerate(characters):
            glyphs[character] = tuple(row[at] for row in rows)
    return glyphs


GLYPHS = _read()


@lru_cache(maxsize=4096)
def glyph_rows(character: str, scale: int, ink: int, paper: int) -> tuple[bytes, ...]:
    """The luma rows of one character cell (`ADVANCE` wide, one column of paper), `scale` times as large."""
    shape = GLYPHS.get(character.upper(), GLYPHS["-"])
    rows = []
    for row in shape:
        line = b"".join(bytes([ink if dot == "#" else paper]) * scale for dot in row) + bytes([paper]) * scale
        rows.extend([line] * scale)
    return tuple(rows)


def text_rows(text: str, scale: int, ink: int, paper: int) -> Iterator[bytes]:
    """The luma rows of a line of text on its paper, with one dot of margin above and below."""
    margin = bytes([paper]) * (ADVANCE * scale * len(text))
    cells = [glyph_rows(character, scale, ink, paper) for character in text]
    yield from [margin] * scale
    for row in range(HEIGHT * scale):
        yield b"".join(cell[row] for cell in cells)
    yield from [margin] * scale
