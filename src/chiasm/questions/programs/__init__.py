"""The question programs; importing this registers them."""

from chiasm.questions.programs import (
    _compare,
    _explain,
    _location,
    _measurement,
    _medical,
    _quality,
    _recognition,
    _sanity,
    _visual,
)

__all__ = [
    "_compare",
    "_explain",
    "_location",
    "_measurement",
    "_medical",
    "_quality",
    "_recognition",
    "_sanity",
    "_visual",
]
