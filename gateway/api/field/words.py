"""What stands beside the four words on the page, in both languages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.model.field_words import LANGUAGES, WORDS
from gateway.model.kit_state import FieldLink, FieldState, PowerSource
from gateway.model.reason import reason

WELL = {"zh": "中心已连通，可以开展工作。", "en": "The center is connected. Work can begin."}
WELL_ALONE = {"zh": "系统正常，可以开展工作。", "en": "All is well. Work can begin."}
"""Where no center is meant to hold the kit, or this is one itself."""

KINDS: Mapping[str, Mapping[str, str]] = {
    "lte": {"zh": "4G", "en": "4G"},
    "nr": {"zh": "5G", "en": "5G"},
    "satellite": {"zh": "卫星站", "en": "Satellite"},
    "satphone": {"zh": "卫星电话", "en": "Satellite phone"},
    "mesh": {"zh": "自组网", "en": "Mesh"},
    "wire": {"zh": "网线", "en": "Cable"},
    "wifi": {"zh": "Wi-Fi", "en": "Wi-Fi"},
    "tcp": {"zh": "TCP", "en": "TCP"},
}
PHASES: Mapping[str, Mapping[str, str]] = {
    "absent": {"zh": "未插入", "en": "absent"},
    "locked": {"zh": "已锁定", "en": "locked"},
    "searching": {"zh": "搜索中", "en": "searching"},
    "registered": {"zh": "已注册", "en": "registered"},
    "connecting": {"zh": "连接中", "en": "connecting"},
    "up": {"zh": "正常", "en": "up"},
    "degraded": {"zh": "较差", "en": "weak"},
    "recovering": {"zh": "恢复中", "en": "recovering"},
    "down": {"zh": "中断", "en": "down"},
    "off": {"zh": "关闭", "en": "off"},
}


def told(state: FieldState) -> dict[str, Any]:
    """What the page shows, and no more: nothing in it is personal or secret."""
    return {
        "word": state.word.value,
        "words": dict(WORDS[state.word]),
        "code": state.code,
        "cause": _cause(state.code) if state.code else dict(WELL if state.centers else WELL_ALONE),
        "cure": _cure(state.code) if state.code else {"zh": "", "en": ""},
        "more": [_cause(code) for code in state.more],
        "links": [link_row(link) for link in state.links],
        "level": None if state.level is None else round(state.level * 100),
        "battery": state.power is PowerSource.BATTERY,
    }


def link_row(link: FieldLink) -> dict[str, Any]:
    kind = KINDS.get(link.kind)
    phase = PHASES.get(link.phase, {"zh": link.phase, "en": link.phase})
    named = {language: link.name if kind is None else f"{kind[language]} {link.name}" for language in LANGUAGES}
    return {"name": named, "phase": dict(phase), "carries": link.carries, "bars": link.bars}


def _cause(code: str) -> dict[str, str]:
    words = reason(code)
    return _plain(words.cause_zh, words.cause_en)


def _cure(code: str) -> dict[str, str]:
    words = reason(code)
    return _plain(words.cure_zh, words.cure_en)


def _plain(zh: str, en: str) -> dict[str, str]:
    """Without the marks that a terminal or a guide puts around commands."""
    return {"zh": zh.replace("`", ""), "en": en.replace("`", "")}
