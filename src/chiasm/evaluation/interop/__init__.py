"""The same exams in other harnesses."""

from chiasm.evaluation.interop._inspect import inspect_model, inspect_task
from chiasm.evaluation.interop._lmms import export_lmms
from chiasm.evaluation.interop._rows import score_row

__all__ = ["export_lmms", "inspect_model", "inspect_task", "score_row"]
