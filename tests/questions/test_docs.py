"""docs/questions.md says what the code does."""

import inspect
import re
from pathlib import Path

import pytest

import chiasm.questions as room
from chiasm.questions import programs
from chiasm.questions._answers import Answer
from chiasm.questions._document import programs_table, scales_table

DOC = Path(__file__).parents[2] / "docs" / "questions.md"


def test_the_tables_in_the_docs_are_current() -> None:
    text = DOC.read_text(encoding="utf-8")
    assert programs_table() in text
    assert scales_table() in text
    assert f"{len(programs())} programs" in text


def test_every_answer_type_is_documented() -> None:
    text = DOC.read_text(encoding="utf-8")
    kinds = re.findall(r"Literal\['(\w+)'\]", str([m.model_fields["kind"].annotation for m in _members()]))
    assert len(kinds) == 11
    for kind in kinds:
        assert f"\n| {kind} |" in text, kind


@pytest.mark.slow
def test_the_example_in_the_docs_runs() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", DOC.read_text(encoding="utf-8"), re.DOTALL)
    exec(compile(code, str(DOC), "exec"), {})


def test_everything_exported_exists_once() -> None:
    assert len(set(room.__all__)) == len(room.__all__)
    assert sorted(room.__all__, key=lambda n: (not n.isupper(), not n[0].isupper(), n)) == list(room.__all__)
    for name in room.__all__:
        value = getattr(room, name)
        assert value.__doc__ or not (inspect.isclass(value) or inspect.isfunction(value)), name


def _members() -> tuple[type, ...]:
    from typing import get_args

    union = get_args(Answer)[0]
    return get_args(union)
