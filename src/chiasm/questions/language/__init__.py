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
from chiasm.questions.language._template import Slots

__all__ = ["LANGUAGES", "STYLES", "Language", "Slots", "Style", "language", "shown_slots", "split_sentences"]
