"""The same exams in other harnesses."""

from chiasm.evaluation.interop._export import HARNESSES, export_exam
from chiasm.evaluation.interop._inspect import inspect_model, inspect_task
from chiasm.evaluation.interop._lmms import export_lmms
from chiasm.evaluation.interop._rows import score_row

__all__ = ["HARNESSES", "export_exam", "export_lmms", "inspect_model", "inspect_task", "score_row"]
