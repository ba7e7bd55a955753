"""Anything that answers: the protocol, and how models are found by name."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from chiasm.errors import InvalidInput
from chiasm.evaluation._question import Question, Reply


class Model(Protocol):
    """What `evaluate` asks.

    A class of three lines is enough::

        class Mine:
            name = "mine"
            def answer(self, questions): return [Reply("<answer>yes</answer>") for q in questions]
    """

    @property
    def name(self) -> str:
        """What to call it in a report."""
        ...

    def answer(self, questions: Sequence[Question]) -> list[Reply]:
        """One reply for each question, in order."""
        ...


@runtime_checkable
class Fingerprinted(Protocol):
    """A model whose answers may be kept: equal fingerprints promise equal answers."""

    @property
    def fingerprint(self) -> str:
        """Hash of everything that decides an answer, the decoding included."""
        ...


class SavedAnswers:
    """Answers made elsewhere: a JSON Lines file of {"item_id": ..., "text": ..., "scores": {...}}.

    Args:
        path: The file. `scores` may be absent; a `text` of null, or an item without a line, is unscored.

    Raises:
        InvalidInput: A line that is not of this form, or an id twice.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._replies = _read_saved(self.path)

    @property
    def name(self) -> str:
        """The file's name."""
        return f"answers {self.path.name}"

    @property
    def ids(self) -> frozenset[str]:
        """Ids of every line, to find those that no item has."""
        return frozenset(self._replies)

    def answer(self, questions: Sequence[Question]) -> list[Reply]:
        """The saved reply of each question."""
        missing = Reply(None, problem="no saved answer")
        return [self._replies.get(q.question_id, missing) for q in questions]


def load_model(spec: str, **options: Any) -> Model:
    """Find a model by what the user wrote.

    Args:
        spec: "nano", a folder, a hub id or a server's address (`chiasm.models.load_chat`); `answers:FILE.jsonl` for saved
            answers; or `python:module:Name` for a class of your own, made without arguments.
        options: Of `ChatModel`.

    Raises:
        InvalidInput: Nothing of that name.
    """
    kind, _, rest = spec.partition(":")
    if kind == "answers":
        return SavedAnswers(rest)
    if kind == "python":
        return _own_class(rest)
    from chiasm.evaluation._chat_model import ChatModel

    return ChatModel.load(spec, **options)


def checked_reply(reply: Reply, question: Question) -> Reply:
    """Refuse what a model may not return, so that a slip in someone's class is not counted as a wrong answer.

    Raises:
        InvalidInput: Text that is no text, or scores that are no finite numbers over options.
    """
    where = f"the reply to {question.question_id}"
    text: object = reply.text  # the protocol says text, but someone's class may not
    if not isinstance(text, str | None):
        msg = f"{where} must hold text or None, got {type(text).__name__}"
        raise InvalidInput(msg)
    for option, value in (reply.scores or {}).items():
        if option not in question.options:
            msg = f"{where} scores {option!r}, which is no option of the question: {', '.join(question.options)}"
            raise InvalidInput(msg)
        if not math.isfinite(value):
            msg = f"{where} scores {option!r} with {value}; scores must be finite"
            raise InvalidInput(msg)
    if reply.text is None and not reply.problem:
        return reply._replace(problem="no answer")
    if reply.text is not None and not reply.text.strip() and not reply.scores:
        return Reply(None, problem="empty answer")
    return reply


def _read_saved(path: Path) -> dict[str, Reply]:
    if not path.is_file():
        msg = f"answers file {path} does not exist"
        raise InvalidInput(msg)
    try:
        # not splitlines: texts may hold other line ends, such as U+2028
        lines = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        msg = f"answers file {path} must be UTF-8 text: {error}"
        raise InvalidInput(msg) from error
    replies: dict[str, Reply] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            item_id, text, scores = row["item_id"], row["text"], row.get("scores")
        except (ValueError, KeyError, TypeError) as error:
            msg = f"line {number} of {path} must be a JSON object with item_id and text: {error!r}"
            raise InvalidInput(msg) from error
        if item_id in replies:
            msg = f"item_id must be unique, line {number} of {path} repeats {item_id!r}"
            raise InvalidInput(msg)
        if not isinstance(item_id, str) or not (text is None or isinstance(text, str)):
            msg = f"line {number} of {path}: item_id must be text, and text must be text or null"
            raise InvalidInput(msg)
        replies[item_id] = Reply(text, _scores(scores, number, path), "" if text is not None else "null in the file")
    return replies


def _scores(scores: Any, number: int, path: Path) -> Mapping[str, float] | None:
    if scores is None:
        return None
    if not isinstance(scores, dict) or not all(isinstance(v, int | float) for v in scores.values()):
        msg = f"line {number} of {path}: scores must map options to numbers"
        raise InvalidInput(msg)
    return {str(k): float(v) for k, v in scores.items()}


def _own_class(path: str) -> Model:
    import importlib

    module, _, name = path.partition(":")
    if not module or not name:
        msg = f"a class of your own is named python:MODULE:CLASS, got python:{path}"
        raise InvalidInput(msg)
    try:
        made = getattr(importlib.import_module(module), name)()
    except (ImportError, AttributeError, TypeError) as error:
        msg = f"python:{path} could not be made: {error}"
        raise InvalidInput(msg) from error
    if not callable(getattr(made, "answer", None)) or not isinstance(getattr(made, "name", None), str):
        msg = f"python:{path} must have a name (text) and a method answer(questions)"
        raise InvalidInput(msg)
    return made  # type: ignore[no-any-return]
