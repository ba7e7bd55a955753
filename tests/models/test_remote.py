"""Talking to an OpenAI-compatible server: a local stand-in that repeats what it was sent."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest

from chiasm.errors import InvalidInput, Unanswerable
from chiasm.models import Decoding, ask, load_chat


class _Parrot(BaseHTTPRequestHandler):
    names: tuple[str, ...] = ("parrot",)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        self._send({"object": "list", "data": [{"id": name, "object": "model"} for name in self.names]})

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        content = request["messages"][-1]["content"]
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        kinds = [part["type"] for part in parts]
        text = f"{request['model']} {kinds} {parts[-1]['text']}"
        logprobs = {"content": [{"token": text, "logprob": -0.5, "bytes": None, "top_logprobs": []}], "refusal": None}
        message = {"role": "assistant", "content": text}
        choice = {
            "index": 0,
            "message": message,
            "finish_reason": "length" if "long" in text else "stop",
            "logprobs": logprobs,
        }
        self._send(
            {"id": "x", "object": "chat.completion", "created": 0, "model": request["model"], "choices": [choice]}
        )

    def _send(self, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Parrot) as running:
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield running
        running.shutdown()
        thread.join()


def test_prompts_with_images_reach_a_server_and_answers_keep_their_order(server: ThreadingHTTPServer) -> None:
    chat = load_chat(f"http://127.0.0.1:{server.server_port}/v1")
    assert chat.name.startswith("parrot at http://127.0.0.1")
    prompts = [ask(f"question {number}", [np.zeros((8, 8), np.uint8)] * (number % 2)) for number in range(12)]
    replies = chat.reply([*prompts, ask("a long one")], Decoding(max_tokens=9))
    expected = [f"parrot {['image_url', 'text'] if n % 2 else ['text']} question {n}" for n in range(12)]
    assert [reply.text for reply in replies[:12]] == expected
    assert replies[0].logprobs == (-0.5,)
    assert [reply.finished for reply in replies[-2:]] == [True, False]


def test_a_server_cannot_score_given_answers_or_continue_a_reply(server: ThreadingHTTPServer) -> None:
    chat = load_chat(f"http://127.0.0.1:{server.server_port}/v1#chosen")
    with pytest.raises(Unanswerable, match="cannot score given answers"):
        chat.choice_scores([ask("?")], [["a", "b"]])
    with pytest.raises(InvalidInput, match="have no prefix"):
        chat.reply([ask("?", prefix="<think>")])


def test_a_server_with_several_models_asks_for_a_name(
    server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Parrot, "names", ("one", "two"))
    with pytest.raises(InvalidInput, match=r"serves 2 models \(one, two\); name one after #"):
        load_chat(f"http://127.0.0.1:{server.server_port}/v1")
