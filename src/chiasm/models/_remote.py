"""Answering through an OpenAI-compatible server (vLLM, llama.cpp, a hosted model)."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from chiasm.errors import InvalidInput, Unanswerable, require
from chiasm.models._messages import GREEDY, Decoding, Message, Prompt, Reply

KEY_VARIABLES = ("CHIASM_API_KEY", "OPENAI_API_KEY")


class RemoteChat:
    """A server's model as a `Chat`.

    Args:
        url: Base address, ending in /v1 for most servers.
        model: The model's name there; None asks the server and needs it to hold exactly one.
        parallel: Requests in flight.
        timeout_s: Longest wait for one answer [s].
    """

    def __init__(self, url: str, model: str | None = None, *, parallel: int = 8, timeout_s: float = 300.0) -> None:
        openai = require("openai", "api")
        key = next((os.environ[name] for name in KEY_VARIABLES if os.environ.get(name)), "none")
        self._client: Any = openai.OpenAI(base_url=url, api_key=key, timeout=timeout_s, max_retries=3)
        self._model = model if model is not None else _only_model(self._client, url)
        self._url, self._parallel = url, parallel

    @property
    def name(self) -> str:
        """Model and address."""
        return f"{self._model} at {self._url}"

    def reply(self, prompts: Sequence[Prompt], decoding: Decoding = GREEDY) -> list[Reply]:
        """Answer each prompt; see `Chat.reply`. Token log-probabilities are empty where the server gives none."""
        if any(prompt.prefix for prompt in prompts):
            msg = (
                "a server starts its own replies: prompts for it have no prefix; put the instruction into the question"
            )
            raise InvalidInput(msg)
        with ThreadPoolExecutor(self._parallel) as pool:
            return list(pool.map(lambda prompt: self._one(prompt, decoding), prompts))

    def choice_scores(
        self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]], *, closing: str = "</answer>"
    ) -> list[npt.NDArray[np.float64]]:
        """Not offered: the protocol gives no probability of a given answer.

        Raises:
            Unanswerable: Always.
        """
        msg = (
            f"{self.name} cannot score given answers ({len(options)} asked): use a folder or hub model, or its replies"
        )
        raise Unanswerable(msg)

    def _one(self, prompt: Prompt, decoding: Decoding) -> Reply:
        answer = self._client.chat.completions.create(
            model=self._model,
            messages=[_as_openai(message) for message in prompt.messages],
            max_tokens=decoding.max_tokens,
            temperature=decoding.temperature,
            top_p=decoding.top_p,
            seed=decoding.seed,
            logprobs=True,
        )
        choices = getattr(answer, "choices", None)  # a proxy may answer with a page, and a server with no choice
        if not choices:
            msg = f"{self._url} sent no chat completion but {str(answer)[:200]!r}"
            raise Unanswerable(msg)
        choice = choices[0]
        scored = choice.logprobs.content if choice.logprobs is not None and choice.logprobs.content else []
        return Reply(
            text=choice.message.content or "",
            tokens=tuple(entry.token for entry in scored),
            logprobs=tuple(float(entry.logprob) for entry in scored),
            finished=choice.finish_reason != "length",
        )


def _only_model(client: Any, url: str) -> str:
    names = [entry.id for entry in client.models.list().data]
    if len(names) != 1:
        msg = f"{url} serves {len(names)} models ({', '.join(names)}); name one after #: {url}#NAME"
        raise InvalidInput(msg)
    return str(names[0])


def _as_openai(message: Message) -> dict[str, Any]:
    parts = [
        {"type": "text", "text": part}
        if isinstance(part, str)
        else {"type": "image_url", "image_url": {"url": _data_url(part)}}
        for part in message.parts
    ]
    return {"role": message.role, "content": parts if message.images else message.text}


def _data_url(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
