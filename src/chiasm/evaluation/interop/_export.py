"""An exam for another harness, as `chiasm export` writes it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from chiasm.errors import UnknownName
from chiasm.evaluation._exams import load_exam
from chiasm.evaluation._settings import write_whole
from chiasm.evaluation.interop._lmms import checked_name, export_lmms, new_folder

HARNESSES: Final = ("lmms-eval", "inspect-ai")

_INSPECT = '''\
"""The exam {data} as a task of inspect_ai: inspect eval {name}.py --model MODEL"""

from inspect_ai import Task, task

from chiasm.evaluation import load_exam
from chiasm.evaluation.interop import inspect_task


@task
def {name}() -> Task:
    return inspect_task(load_exam({data!r}, split={split!r}, limit={limit!r}))
'''


def export_exam(
    data: str, out: str | Path, harness: str, *, name: str, split: str | None = None, limit: int | None = None
) -> Path:
    """Write an exam as a task of another harness.

    Args:
        data: Anything that `load_exam` knows; read here once, so that bad data are named now and not there.
        out: A new or empty folder.
        harness: A name of `HARNESSES`.
        name: The task's: letters, digits and underscores.
        split: Of a built data set.
        limit: At most so many items.

    Returns:
        The file to run.

    Raises:
        UnknownName: No such harness.
        InvalidInput: Another name, data that cannot be read, or a folder that holds files.
    """
    if harness not in HARNESSES:
        raise UnknownName("harness", harness, HARNESSES)
    checked_name(name)
    where = str(Path(data).resolve()) if Path(data).exists() else data
    exam = load_exam(where, split=split, limit=limit)
    if harness == "lmms-eval":
        return export_lmms(exam, out, name=name)
    path = new_folder(out) / f"{name}.py"
    write_whole(path, _INSPECT.format(data=where, name=name, split=split, limit=limit))
    return path
