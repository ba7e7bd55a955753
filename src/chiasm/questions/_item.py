"""What a question yields: the item for a dataset row, and the trace that proves it.

One run of a program gives a trace of steps. Each step holds the primitive that ran, its arguments and result, the findings that
it used, how far the result is from turning into another, and the statements that it proves. The reasoning text, the evidence
overlays and the tool calls of an agent are all read off the trace.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final, Literal, NamedTuple

from pydantic import FiniteFloat

from chiasm.case import Record, Scalar
from chiasm.questions._answers import LETTERS, Key, write_answer

REWRITTEN: Final = "rewritten"
"""Style of a reasoning that is a paraphrase with the same claims, no longer sentences of the grammar."""
Stage = Literal["recognition", "measurement", "visual reasoning", "medical reasoning"]
Value = Scalar | None | list[Any] | dict[str, Any]


class Evidence(Record):
    """A finding, in a view, that a step used."""

    view_id: str
    finding_id: str


class Statement(Record):
    """One fact in the form of a sentence of the grammar: its key and the values of its slots, as rounded for display."""

    key: str
    slots: dict[str, Scalar | tuple[str, ...]] = {}


class Step(Record):
    """One primitive that ran."""

    op: str
    args: dict[str, Value] = {}
    result: Value = None
    evidence: tuple[Evidence, ...] = ()
    margin: FiniteFloat | None = None
    """Distance to the next other result, as a share of the value (or of half a sector); None where there is no neighbour."""
    statements: tuple[Statement, ...] = ()


class Trace(Record):
    """The steps of one run, in order."""

    steps: tuple[Step, ...]

    @property
    def statements(self) -> tuple[Statement, ...]:
        """Every statement that the steps prove, in order."""
        return tuple(s for step in self.steps for s in step.statements)

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """Every finding used, once, in order of first use."""
        return tuple(dict.fromkeys(e for step in self.steps for e in step.evidence))

    @property
    def margin(self) -> float | None:
        """The smallest margin of any step."""
        known = [step.margin for step in self.steps if step.margin is not None]
        return min(known) if known else None

    def tool_calls(self) -> list[dict[str, Any]]:
        """The steps as an agent's tool dialogue, in the OpenAI function-calling shape: call, result, call, result ..."""
        messages: list[dict[str, Any]] = []
        for number, step in enumerate(self.steps):
            call = {"name": step.op, "arguments": json.dumps(step.args, sort_keys=True)}
            messages.append(
                {
                    "role": "assistant",
                    "content": "",
                    "tool_calls": [{"id": f"call_{number}", "type": "function", "function": call}],
                }
            )
            result = json.dumps(step.result, sort_keys=True)
            messages.append({"role": "tool", "tool_call_id": f"call_{number}", "content": result})
        return messages


class ImageRef(Record):
    """One picture of an item: a view of the case, as it is or changed by a sanity check."""

    view_id: str
    change: str = "none"
    """A name of `chiasm.questions.CHANGES`."""
    seed: int = 0
    """Seed of a change that draws (noise, decoys)."""


class Item(Record):
    """One question about one case, with everything that training and evaluation need."""

    schema_version: Literal[1] = 1
    item_id: str
    case_id: str
    patient_id: str
    program: str
    stage: Stage
    form: Literal["free", "choice"]
    language: str
    style: str
    """Length and tone of the reasoning: a name of `STYLES`; or `REWRITTEN`."""
    images: tuple[ImageRef, ...]
    prompt: str
    key: Key
    reasoning: str
    trace: Trace

    @property
    def view_ids(self) -> tuple[str, ...]:
        """The views shown, in order."""
        return tuple(image.view_id for image in self.images)

    @property
    def options(self) -> tuple[str, ...]:
        """Texts of the options in letter order; empty for a free-form question."""
        return self.key.options if self.key.expects == "choice" else ()

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """The findings that prove the answer."""
        return self.trace.evidence

    @property
    def answer_text(self) -> str:
        """The canonical text of the right answer."""
        return write_answer(self.key.answer)

    @property
    def completion(self) -> str:
        """What a perfect model would write."""
        return f"<think>{self.reasoning}</think>\n<answer>{self.answer_text}</answer>"

    def prompt_messages(self) -> list[dict[str, Any]]:
        """The user's turn, in TRL's form; content items own `type` and, for text, `text`, and nothing else."""
        content: list[dict[str, str]] = [{"type": "image"} for _ in self.images]
        content.append({"type": "text", "text": self.prompt})
        return [{"role": "user", "content": content}]

    def messages(self) -> list[dict[str, Any]]:
        """The user's turn and the perfect reply, in TRL's form."""
        reply = {"role": "assistant", "content": [{"type": "text", "text": self.completion}]}
        return [*self.prompt_messages(), reply]


class Skip(NamedTuple):
    """A question that was not asked, and why."""

    program: str
    reason: str
    """A short fixed phrase, to count by."""
    missing: bool
    """True when the case lacks what the question needs; False when the case is ambiguous."""
    detail: str = ""

    @property
    def label(self) -> str:
        """For counting: "missing: ..." or "ambiguous: ..."."""
        return f"{'missing' if self.missing else 'ambiguous'}: {self.reason}"


class Missing(Exception):
    """Raised by a primitive when the case lacks what it needs; caught by `ask`."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason, self.detail = reason, detail


class Ambiguous(Exception):
    """Raised by a primitive when the truth is too close to call; caught by `ask`."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason, self.detail = reason, detail


def numbered(texts: tuple[str, ...]) -> Iterator[str]:
    """Option lines, each with its letter and a bracket."""
    for letter, text in zip(LETTERS, texts, strict=False):
        yield f"{letter}) {text}"
