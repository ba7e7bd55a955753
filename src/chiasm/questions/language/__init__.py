"""The grammar: sentences from statements and back, in languages that are one data file each."""

from chiasm.questions.language._grammar import (
    LANGUAGES,
    STYLES,
    Language,
    Style,
    language,
    shown_slots,
    split_sentences,
)

__all__ = ["LANGUAGES", "STYLES", "Language", "Style", "language", "shown_slots", "split_sentences"]
