"""A text that was written in English where it happened, in the language in use: `gateway.model.phrase` knows it."""

from __future__ import annotations

from gateway.cli.words import language
from gateway.model.phrase import chinese, reason_words


def local(text: str) -> str:
    """In the language in use. A detail that is another reason's code is that reason."""
    if (told := reason_words(text)) is not None:
        return told[language() == "zh"]
    return chinese(text) if language() == "zh" else text
