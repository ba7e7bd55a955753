"""Vision-language models as models under test: a folder, a hub id, the embedded nano, or a server.

Two ways of asking for an answer out of a few: with reasoning (the model writes, and the options are scored as the end of
what it wrote), or directly (the options are scored right after the question, and the likeliest is the answer).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Literal

from chiasm.errors import InvalidInput, Unanswerable
from chiasm.evaluation._question import Question, Reply
from chiasm.models import Chat, Decoding, Prompt, ask, load_chat, local_folder
from chiasm.models import Reply as ChatReply

Style = Literal["reasoned", "direct"]
OPENING = "<answer>"
CLOSING = "</answer>"
_WHOLE_FILE = 64 * 1024 * 1024
_BLOCK = 1024 * 1024
_BLOCKS = 64
_GIVE_UP = 5
_PARALLEL = 8


class ChatModel:
    """A `Chat` that is asked item by item, whose failures stay failures.

    Args:
        chat: The model.
        identity: Hash of its weights, or its address.
        style: "reasoned" or "direct".
        max_tokens: Longest reply; a longer one is cut, and unscored unless it already holds an answer.
        scores: Whether to ask for the options' probabilities at all.
        one_by_one: Ask each question by itself, several at a time: for servers, where one request may fail alone.
    """

    def __init__(
        self,
        chat: Chat,
        *,
        identity: str,
        style: Style = "reasoned",
        max_tokens: int = 512,
        scores: bool = True,
        one_by_one: bool = False,
    ) -> None:
        if style not in ("reasoned", "direct"):
            msg = f"style must be reasoned or direct, got {style!r}"
            raise InvalidInput(msg)
        self._chat, self._identity, self._style = chat, identity, style
        self._decoding = Decoding(max_tokens=max_tokens)
        self._scores = scores
        self._one_by_one = one_by_one
        self._failures = 0

    @classmethod
    def load(
        cls,
        spec: str,
        *,
        style: Style = "reasoned",
        max_tokens: int = 512,
        device: str | None = None,
        batch_size: int = 8,
    ) -> ChatModel:
        """Load by what the user wrote; see `chiasm.models.load_chat`. Servers give no option probabilities."""
        remote = spec.startswith(("http://", "https://"))
        chat = load_chat(spec, device=device, batch_size=batch_size)
        if remote and style == "direct":
            msg = "a server scores no given answers, so it cannot be asked directly; use style reasoned"
            raise InvalidInput(msg)
        return cls(
            chat,
            identity=model_identity(spec),
            style=style,
            max_tokens=max_tokens,
            scores=not remote,
            one_by_one=remote,
        )

    def directly(self) -> ChatModel | None:
        """The same model, asked without reasoning; None where it scores no given answers."""
        if not self._scores:
            return None
        return ChatModel(self._chat, identity=self._identity, style="direct", max_tokens=self._decoding.max_tokens)

    @property
    def name(self) -> str:
        """Name of the model, and its style where it is not the usual."""
        return self._chat.name if self._style == "reasoned" else f"{self._chat.name} (direct)"

    @property
    def fingerprint(self) -> str:
        """Of weights, style and decoding."""
        plain = {
            "model": self._identity,
            "style": self._style,
            "decoding": asdict(self._decoding),
            "scores": self._scores,
        }
        return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()

    def answer(self, questions: Sequence[Question]) -> list[Reply]:
        """Answer a batch; a question that fails is unscored, with its cause."""
        if self._one_by_one:
            with ThreadPoolExecutor(_PARALLEL) as pool:
                return list(pool.map(self._single, questions))
        try:
            return self._batch(questions)
        except InvalidInput:
            raise  # the question itself breaks a rule of ours, such as a picture too large for the model
        except Exception:  # a library's own errors have no common base; find the question that causes them
            return [self._single(q) for q in questions]

    def _single(self, question: Question) -> Reply:
        if self._failures >= _GIVE_UP:
            return Reply(None, problem=f"not asked: {_GIVE_UP} requests in a row had failed; run again to go on")
        try:
            (reply,) = self._batch([question])
        except InvalidInput:
            raise
        except Exception as error:
            self._failures += 1
            return Reply(None, problem=f"{type(error).__name__}: {str(error)[:300]}")
        self._failures = 0
        return reply

    def _batch(self, questions: Sequence[Question]) -> list[Reply]:
        direct = [i for i, q in enumerate(questions) if self._style == "direct" and q.options]
        written = [i for i in range(len(questions)) if i not in set(direct)]
        out: dict[int, Reply] = {}
        if direct:
            prompts = [_prompt(questions[i], OPENING) for i in direct]
            for i, scores in zip(direct, self._score(prompts, [questions[j] for j in direct]), strict=True):
                best = max(scores, key=lambda option: scores[option])
                out[i] = Reply(f"{OPENING}{best}{CLOSING}", scores)
        if written:
            chosen = [questions[i] for i in written]
            replies = self._chat.reply([_prompt(q) for q in chosen], self._decoding)
            for i, reply in zip(written, self._with_scores(chosen, replies), strict=True):
                out[i] = reply
        return [out[i] for i in range(len(questions))]

    def _with_scores(self, questions: Sequence[Question], replies: Sequence[ChatReply]) -> list[Reply]:
        read = [_as_reply(reply, self._decoding.max_tokens) for reply in replies]
        if not self._scores:
            return read
        able = [
            i
            for i, (q, r) in enumerate(zip(questions, read, strict=True))
            if q.options and r.text and OPENING in r.text
        ]
        prompts = [_prompt(questions[i], _before_answer(read[i].text or "")) for i in able]
        for i, scores in zip(able, self._score(prompts, [questions[j] for j in able]), strict=True):
            read[i] = read[i]._replace(scores=scores)
        return read

    def _score(self, prompts: Sequence[Prompt], questions: Sequence[Question]) -> list[dict[str, float]]:
        if not prompts:
            return []
        try:
            found = self._chat.choice_scores(prompts, [q.options for q in questions], closing=CLOSING)
        except Unanswerable as error:
            msg = f"{self.name} cannot score options: {error}"
            raise InvalidInput(msg) from error
        return [dict(zip(q.options, map(float, p), strict=True)) for q, p in zip(questions, found, strict=True)]


def model_identity(spec: str) -> str:
    """Hash of the files of a model folder or of the embedded nano, or the address itself for a server or hub id.

    Files up to 64 MiB count whole; of larger ones the size and 64 blocks of 1 MiB spread evenly, so that 16 GB of weights
    take seconds. Two models that differ only between the blocks would be taken for one.
    """
    folder = None if spec.startswith(("http://", "https://")) else local_folder(spec)
    if folder is None:
        return f"name {spec}"
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.iterdir() if p.is_file() and p.suffix != ".md"):
        size = path.stat().st_size
        digest.update(f"{path.name} {size}\0".encode())
        with path.open("rb") as file:
            if size <= _WHOLE_FILE:
                digest.update(file.read())
                continue
            for block in range(_BLOCKS):
                file.seek(block * (size - _BLOCK) // (_BLOCKS - 1))
                digest.update(file.read(_BLOCK))
    return digest.hexdigest()


def _prompt(question: Question, prefix: str = "") -> Prompt:
    return ask(question.prompt, [p.array() for p in question.pictures], prefix=prefix)


def _as_reply(reply: ChatReply, max_tokens: int) -> Reply:
    if not reply.text.strip():
        return Reply(None, problem="empty answer")
    if not reply.finished and CLOSING not in reply.text:
        return Reply(None, problem=f"cut at {max_tokens} tokens before an answer")
    return Reply(reply.text)


def _before_answer(text: str) -> str:
    """What was written up to and including the last opening tag."""
    return text[: text.rindex(OPENING) + len(OPENING)]
