"""The configurations that the guides give are taken by this build, each alone and all together."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from gateway.config.load import from_tree
from gateway.model.reason import REASONS
from gateway.registry import Installed

DOCS = Path(__file__).parents[2] / "docs"
GUIDE = DOCS / "guide-sources.md"
BLOCKS = re.findall(r"^```toml\n(.*?)^```", GUIDE.read_text(), re.M | re.S)
OTHERS = [*re.findall(r"^```toml\n(.*?)^```", (DOCS / "guide-links.md").read_text(), re.M | re.S)]


@pytest.mark.parametrize("block", BLOCKS + OTHERS, ids=[block.splitlines()[0] for block in BLOCKS + OTHERS])
def test_each_block_is_taken(block: str) -> None:
    _, problems = from_tree(tomllib.loads(block), Installed())
    assert [str(problem) for problem in problems if not problem.warning] == []


def test_all_together() -> None:
    assert len(BLOCKS) >= 8
    config, problems = from_tree(tomllib.loads("\n".join(BLOCKS)), Installed())
    assert config is not None, problems


def test_its_reason_codes_are_ours() -> None:
    table = GUIDE.read_text().rpartition("## Faults and cures")[2]
    codes = [code for row in re.findall(r"^\| (`.*?`) \|", table, re.M) for code in re.findall(r"`([a-z-]+)`", row)]
    assert len(codes) > 15 and [code for code in codes if code not in REASONS] == []


def test_both_readmes_name_the_same_commands_and_pages() -> None:
    english, chinese = ((DOCS.parent / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh-CN.md"))
    for pattern in (r"^fieldgate [a-z]+(?: [a-z]+\b)?", r"\]\((docs/[a-z0-9-]+\.md)\)"):
        named = set(re.findall(pattern, english, re.M))
        assert named and named <= set(re.findall(pattern, chinese, re.M)), "what only who reads English learns of"
