"""The four words for the field team as they are read and spoken, Chinese and English."""

from __future__ import annotations

from collections.abc import Mapping

from gateway.model.kit_state import FieldState, FieldWord
from gateway.model.reason import reason

LANGUAGES = ("zh", "en")

WORDS: Mapping[FieldWord, Mapping[str, str]] = {
    FieldWord.READY: {"zh": "就绪", "en": "Ready"},
    FieldWord.CONNECTING: {"zh": "正在连接", "en": "Connecting"},
    FieldWord.DEGRADED: {"zh": "仅语音", "en": "Voice only"},
    FieldWord.TECHNICIAN: {"zh": "呼叫技术员", "en": "Call the technician"},
}


def spoken(state: FieldState, language: str) -> str:
    """A sentence or two: the word, then why. What to do is said where the team itself can do it."""
    stop = "。" if language == "zh" else ". "
    text = WORDS[state.word][language] + stop
    if state.code:
        words = reason(state.code)
        text += words.cause_zh if language == "zh" else words.cause_en
        if state.word is FieldWord.DEGRADED:
            text += words.cure_zh if language == "zh" else f" {words.cure_en}"
    return text.replace("`", "").strip()
