"""Models that are asked through `Chat`, and servers that fail in every way."""

import json
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from tests.evaluation.exams import picture, yes_no

from chiasm.errors import InvalidInput
from chiasm.evaluation import ChatModel, EvaluationOptions, Question, evaluate, make_exam
from chiasm.evaluation._chat_model import model_identity
from chiasm.models import GREEDY, Decoding, Prompt, Reply


class Script:
    """A `Chat` that says given texts in turn and scores the second option higher."""

    name = "script"

    def __init__(self, texts: Sequence[str | Exception], *, finished: bool = True) -> None:
        self._texts, self._finished = list(texts), finished
        self.prefixes: list[str] = []

    def reply(self, prompts: Sequence[Prompt], decoding: Decoding = GREEDY) -> list[Reply]:
        out = []
        for _ in prompts:
            text = self._texts.pop(0)
            if isinstance(text, Exception):
                self._texts.insert(0, text)
                raise text
            out.append(Reply(text, (), (), self._finished))
        return out

    def choice_scores(
        self, prompts: Sequence[Prompt], options: Sequence[Sequence[str]], *, closing: str = "</answer>"
    ) -> list[np.ndarray]:
        self.prefixes += [p.prefix for p in prompts]
        return [np.array([0.3, 0.7]) for _ in prompts]


def question(options: tuple[str, ...] = ("no", "yes")) -> Question:
    return Question(question_id="q", prompt="Bright?", pictures=(picture(9, 0),), options=options)


def test_scores_follow_the_models_own_reasoning() -> None:
    chat = Script(["<think>dark</think>\n<answer>no</answer>"])
    (reply,) = ChatModel(chat, identity="x").answer([question()])
    assert reply.text == "<think>dark</think>\n<answer>no</answer>"
    assert reply.scores == {"no": 0.3, "yes": 0.7}
    assert chat.prefixes == ["<think>dark</think>\n<answer>"]


def test_asked_directly_the_likeliest_option_is_the_answer() -> None:
    chat = Script(["free text"])
    model = ChatModel(chat, identity="x", style="direct")
    choice, free = model.answer([question(), question(options=())])
    assert choice.text == "<answer>yes</answer>"
    assert chat.prefixes == ["<answer>"]
    assert free.text == "free text"
    assert model.name == "script (direct)"


def test_a_reply_without_an_answer_tag_has_no_scores() -> None:
    (reply,) = ChatModel(Script(["no idea"]), identity="x").answer([question()])
    assert (reply.text, reply.scores) == ("no idea", None)


@pytest.mark.parametrize(
    ("text", "finished", "problem"),
    [("", True, "empty"), ("  \n", True, "empty"), ("<think>on and on and", False, "cut at 64 tokens")],
)
def test_empty_and_cut_replies_are_unscored(text: str, finished: bool, problem: str) -> None:
    (reply,) = ChatModel(Script([text], finished=finished), identity="x", max_tokens=64).answer([question()])
    assert reply.text is None
    assert problem in reply.problem


def test_a_cut_reply_that_holds_its_answer_is_scored() -> None:
    (reply,) = ChatModel(Script(["<answer>yes</answer> and so"], finished=False), identity="x").answer([question()])
    assert reply.text is not None


def test_one_failure_does_not_take_the_batch_with_it() -> None:
    class Once(Script):
        def reply(self, prompts: Sequence[Prompt], decoding: Decoding = GREEDY) -> list[Reply]:
            if any("bad" in p.messages[-1].text for p in prompts):
                msg = "400 bad image"
                raise RuntimeError(msg)
            return super().reply(prompts, decoding)

    model = ChatModel(Once(["<answer>yes</answer>"] * 9), identity="x", scores=False)
    bad = Question(question_id="b", prompt="bad", pictures=())
    replies = model.answer([question(), bad, question()])
    assert [r.text is None for r in replies] == [False, True, False]
    assert replies[1].problem == "RuntimeError: 400 bad image"


def test_after_five_failures_in_a_row_no_more_is_asked() -> None:
    model = ChatModel(Script([ConnectionError("refused")]), identity="x", scores=False)
    replies = model.answer([question()] * 9)
    assert [r.problem.startswith("ConnectionError") for r in replies] == [True] * 5 + [False] * 4
    assert "run again" in replies[-1].problem


def test_a_question_that_breaks_our_own_rule_is_raised() -> None:
    model = ChatModel(Script([InvalidInput("picture too large")]), identity="x")
    with pytest.raises(InvalidInput, match="too large"):
        model.answer([question()])


def test_identity_of_a_folder_is_its_content(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"\0" * 100)
    first = model_identity(str(tmp_path))
    (tmp_path / "README.md").write_text("words do not count")
    assert model_identity(str(tmp_path)) == first
    (tmp_path / "model.safetensors").write_bytes(b"\0" * 99 + b"\1")
    assert model_identity(str(tmp_path)) != first
    assert model_identity("Org/Name") == "name Org/Name"
    assert model_identity("http://host/v1#m") == "name http://host/v1#m"
    weights = files("chiasm.models") / "weights" / "nano"
    assert model_identity("nano") == model_identity(str(weights))  # other weights in the package are another model
    big = tmp_path / "big.safetensors"
    with big.open("wb") as file:
        file.truncate(200 * 1024 * 1024)  # sparse
    whole = model_identity(str(tmp_path))
    with big.open("r+b") as file:
        file.seek(-1, 2)
        file.write(b"\1")
    assert model_identity(str(tmp_path)) != whole


def test_fingerprint_has_everything_that_decides_an_answer() -> None:
    kinds = [
        ChatModel(Script([]), identity="x"),
        ChatModel(Script([]), identity="y"),
        ChatModel(Script([]), identity="x", style="direct"),
        ChatModel(Script([]), identity="x", max_tokens=9),
    ]
    assert len({m.fingerprint for m in kinds}) == 4


# A server


class Server(BaseHTTPRequestHandler):
    """OpenAI-compatible; answers by a plan of (status, body) that starts anew for each question."""

    plans: ClassVar[dict[str, list[tuple[int, dict[str, Any]]]]] = {}
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self._send(200, {"object": "list", "data": [{"id": "m", "object": "model"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        parts = body["messages"][-1]["content"]
        text = parts if isinstance(parts, str) else next(p["text"] for p in parts if p["type"] == "text")
        Server.asked.append(text)
        plan = Server.plans[text.split()[0]]
        self._send(*(plan.pop(0) if len(plan) > 1 else plan[0]))

    def _send(self, status: int, body: dict[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("retry-after-ms", "1")
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


def said(text: str, reason: str = "stop") -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {
        "id": "x",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": reason}],
    }


@pytest.fixture
def url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    Server.asked.clear()
    yield f"http://127.0.0.1:{server.server_address[1]}/v1"
    server.shutdown()
    server.server_close()
    thread.join()


def test_fault_18_a_server_that_fails_in_every_way(url: str, tmp_path: Path) -> None:
    pytest.importorskip("openai")
    error = {"error": {"message": "no", "type": "x"}}
    Server.plans = {
        "fine": [(200, said("<answer>yes</answer>"))],
        "busy": [(429, error), (503, error), (200, said("<answer>yes</answer>"))],
        "refused": [(400, error)],
        "empty": [(200, said(""))],
        "cut": [(200, said("<think>and then", "length"))],
        "overloaded": [(429, error)],
        "choiceless": [(200, said("") | {"choices": []})],
    }
    from dataclasses import replace

    items = []
    for k, word in enumerate(Server.plans):
        item = yes_no(k, True)
        items.append(replace(item, question=replace(item.question, prompt=f"{word} question {k}")))
    exam = make_exam("server", items, [])
    options = EvaluationOptions(quiet=True, controls=False, completeness=0.25)
    result = evaluate([f"{url}#m"], [exam], tmp_path, options)
    row = result.find(metric="accuracy")
    assert (row.value, row.n, row.n_unscored) == (1, 2, 5)  # fine and busy; never a wrong answer
    text = "\n".join(result.warnings)
    assert "BadRequestError" in text
    assert "RateLimitError" in text
    assert "empty answer" in text
    assert "sent no chat completion" in text
    assert "cut at 512 tokens" in text
    assert sum(t.startswith("busy") for t in Server.asked) == 3
    before = len(Server.asked)
    Server.plans = {word: [(200, said("<answer>yes</answer>"))] for word in Server.plans}
    again = evaluate([f"{url}#m"], [exam], tmp_path, options)
    assert again.find(metric="accuracy").n == 7
    assert len(Server.asked) - before == 5  # only what was missing


def test_fault_18_no_server_at_all(tmp_path: Path) -> None:
    pytest.importorskip("openai")
    exam = make_exam("none", [yes_no(k, True) for k in range(30)], [])
    options = EvaluationOptions(quiet=True, controls=False)
    result = evaluate(["http://127.0.0.1:9/v1#m"], [exam], tmp_path, options)
    row = result.find(metric="accuracy")
    assert row.value is None
    assert row.n_unscored == 30
    assert any("not asked" in w for w in result.warnings)
    assert any("APIConnectionError" in w for w in result.warnings)
