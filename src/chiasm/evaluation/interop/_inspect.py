"""An exam as an `inspect_ai` task, and a model under test as an `inspect_ai` model.

The scorer is the one of this package, so that both harnesses give one number for one reply; unscored replies become NaN, which
inspect_ai leaves out of its means.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Sequence
from typing import Any

from chiasm.errors import InvalidInput, require
from chiasm.evaluation._marking import mark
from chiasm.evaluation._model import Model
from chiasm.evaluation._question import Exam, ExamItem, Picture, Reply

EXTRA = "eval"


def inspect_task(exam: Exam) -> Any:
    """The exam as `inspect_ai.Task`: one sample an item, images as data addresses, generate, then our scorer.

    Its scorer has the metrics `accuracy` (tolerant) and standard errors clustered by patient, under the names that inspect_ai
    gives them.
    """
    ai = require("inspect_ai", EXTRA)
    dataset = require("inspect_ai.dataset", EXTRA)
    message = require("inspect_ai.model", EXTRA)
    solver = require("inspect_ai.solver", EXTRA)
    samples = []
    for item in exam.items:
        pictures = [message.ContentImage(image=_address(p)) for p in item.question.pictures]
        content = [*pictures, message.ContentText(text=item.question.prompt)]
        samples.append(
            dataset.Sample(
                id=item.item_id,
                input=[message.ChatMessageUser(content=content)],
                target=item.truth or "see key",
                metadata={"task": item.task, "patient_id": item.patient_id},
            )
        )
    return ai.Task(
        name="".join(c if c.isalnum() else "_" for c in exam.name),
        dataset=dataset.MemoryDataset(samples, name=exam.name),
        solver=solver.generate(),
        scorer=_scorer(exam),
    )


def inspect_model(model: Model, exam: Exam) -> Any:
    """A model under test as an `inspect_ai` model, for `inspect_ai.eval(task, model=...)`.

    It is asked with the exam's own questions, found by their words and pictures, so that its replies are the same in both
    harnesses.

    Args:
        model: Who answers.
        exam: Whose questions it will be asked.
    """
    api = require("inspect_ai.model", EXTRA)
    by_content = {
        _content_key(i.question.prompt, [_address(p) for p in i.question.pictures]): i.question for i in exam.items
    }

    @api.modelapi(name="chiasm")
    class UnderTest(api.ModelAPI):  # type: ignore[misc, name-defined]
        async def generate(self, input: list[Any], tools: Any, tool_choice: Any, config: Any) -> Any:
            question = by_content.get(_key_of_messages(input))
            if question is None:
                msg = "inspect_ai asked something that is not in the exam; make the task and the model of one exam"
                raise InvalidInput(msg)
            (reply,) = model.answer([question])
            return api.ModelOutput.from_content(model.name, reply.text or "", error=reply.problem or None)

        def max_connections(self) -> int:
            return 1  # a local model answers one at a time

    return api.get_model(f"chiasm/{model.name}", memoize=False)


def _scorer(exam: Exam) -> Any:
    scoring = require("inspect_ai.scorer", EXTRA)
    items = {item.item_id: item for item in exam.items}

    @scoring.scorer(metrics=[scoring.accuracy(), scoring.stderr(cluster="patient_id")], name="chiasm")  # type: ignore[untyped-decorator]
    def chiasm_scorer() -> Any:
        async def score(state: Any, target: Any) -> Any:
            item = items[str(state.sample_id)]
            failed = bool(state.output.error) or not state.output.completion.strip()
            value, answer, reason = _marked(item, None if failed else state.output.completion)
            return scoring.Score(value=value, answer=answer, explanation=reason)

        return score

    return chiasm_scorer()


def _marked(item: ExamItem, text: str | None) -> tuple[float, str | None, str]:
    marked = mark(item, Reply(text, problem="" if text is not None else "no answer"))
    return (marked.tolerant.exact if marked.scored else math.nan), marked.tolerant.answer, marked.tolerant.reason


def _address(picture: Picture) -> str:
    return "data:image/png;base64," + base64.b64encode(picture.png).decode("ascii")


def _content_key(prompt: str, addresses: Sequence[str]) -> tuple[str, ...]:
    return prompt, *addresses


def _key_of_messages(messages: Sequence[Any]) -> tuple[str, ...]:
    """Words and pictures of the last user turn."""
    parts = next(m.content for m in reversed(messages) if m.role == "user")
    if isinstance(parts, str):
        return (parts,)
    text = "".join(p.text for p in parts if p.type == "text")
    return _content_key(text, [p.image for p in parts if p.type == "image"])
