"""The question programs; importing this registers them."""

from chiasm.questions.programs import _explain, _recognition, _visual

__all__ = ["_explain", "_recognition", "_visual"]
