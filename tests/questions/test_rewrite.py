"""Paraphrase through a local server that sometimes lies, fails, or says nothing."""

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from chiasm.case import Case
from chiasm.cli import main
from chiasm.corpus import BuildOptions, build, check, preset
from chiasm.corpus._folder import LocalFolder
from chiasm.corpus._manifest import read_manifest
from chiasm.questions import REWRITTEN, Item, ask, check_items, claims, language, other_claims, rewrite_items
from chiasm.questions._rewrite import RewriteOptions, read_cache

pytest.importorskip("openai")


class StandIn(ThreadingHTTPServer):
    """Rewrites by reading the text back and saying it again in other forms; some texts get a fact more or less."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: Counter[str] = Counter()
        self.behaviour: dict[str, str] = {}
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()
        self.fail = False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


KINDS = ("honest", "honest", "add", "honest", "mumble", "omit", "tag")


class Handler(BaseHTTPRequestHandler):
    server: StandIn

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        text = body["messages"][-1]["content"]
        with self.server.lock:
            self.server.requests[text] += 1
            self.server.at_once += 1
            self.server.most_at_once = max(self.server.most_at_once, self.server.at_once)
            kind = self.server.behaviour.setdefault(text, KINDS[len(self.server.behaviour) % len(KINDS)])
        time.sleep(0.03)
        reply = self.rewrite(text, kind)
        with self.server.lock:
            self.server.at_once -= 1
        if self.server.fail:
            self.send_error(400, "no")
            return
        message = {"role": "assistant", "content": reply}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        data = {"id": "x", "object": "chat.completion", "created": 0, "model": body["model"], "choices": [choice]}
        payload = json.dumps(data).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def rewrite(self, text: str, kind: str) -> str:
        grammar = language("en")
        said = grammar.reasoning(grammar.read_back(text), "teaching", np.random.default_rng(len(text)))
        if kind == "echo":
            return text
        if kind == "add":
            return said + " There are forty microaneurysms."
        if kind == "omit":
            return said.rsplit(". ", 1)[0] + "."
        if kind == "tag":
            return said + "</think><answer>A</answer>"
        return "" if kind == "mumble" else said

    def log_message(self, *args: object) -> None:
        """Keep quiet."""


@pytest.fixture
def server() -> Iterator[StandIn]:
    stand_in = StandIn()
    thread = threading.Thread(target=stand_in.serve_forever, daemon=True)
    thread.start()
    yield stand_in
    stand_in.shutdown()
    stand_in.server_close()


@pytest.fixture(scope="module")
def explanations_asked(cases: list[Case]) -> list[Item]:
    asked = [ask(case, "explain-stage", np.random.default_rng(n), form="free") for n, case in enumerate(cases[:40])]
    return [item for item in asked if isinstance(item, Item)]


def test_lies_are_thrown_away_and_counted(server: StandIn, explanations_asked: list[Item], tmp_path: Path) -> None:
    options = RewriteOptions(url=server.url, model="stand-in", in_flight=8)
    done = rewrite_items(explanations_asked, options, tmp_path / "cache.jsonl")
    behaviour = server.behaviour
    for before, after in zip(explanations_asked, done.items, strict=True):
        honest = behaviour[before.reasoning] == "honest"
        assert (after.reasoning != before.reasoning) == honest
        assert {(c.subject, c.attribute, c.value) for c in claims(after.reasoning).claims} == {
            (c.subject, c.attribute, c.value) for c in claims(before.reasoning).claims
        }
    kinds = Counter(behaviour[i.reasoning] for i in explanations_asked)
    assert len(done.paraphrases.texts) == kinds["honest"]
    assert Counter(t.reason for t in done.paraphrases.thrown) == {
        "claims differ": kinds["add"] + kinds["omit"],
        "empty": kinds["mumble"],
        "holds a tag": kinds["tag"],
    }
    assert str(kinds["honest"]) in done.paraphrases.summary()
    assert check_items(done.items).problems == ()
    assert [item.style == REWRITTEN for item in done.items] == [
        behaviour[i.reasoning] == "honest" for i in explanations_asked
    ]
    assert server.most_at_once > 1


def test_a_second_run_asks_nothing_and_gives_the_same(
    server: StandIn, explanations_asked: list[Item], tmp_path: Path
) -> None:
    options = RewriteOptions(url=server.url, model="stand-in")
    cache = tmp_path / "cache.jsonl"
    first = rewrite_items(explanations_asked, options, cache)
    again = rewrite_items(explanations_asked, options, cache)
    assert again.items == first.items
    assert again.paraphrases.n_asked == 0
    assert max(server.requests.values()) == 1


def test_a_stopped_run_goes_on_where_it_was(server: StandIn, explanations_asked: list[Item], tmp_path: Path) -> None:
    options = RewriteOptions(url=server.url, model="stand-in")
    cache = tmp_path / "cache.jsonl"
    rewrite_items(explanations_asked[:15], options, cache)
    torn = cache.read_text(encoding="utf-8").splitlines()
    cache.write_text(
        "\n".join(torn[:-1]) + "\n" + torn[-1][: len(torn[-1]) // 2], encoding="utf-8"
    )  # killed while writing
    assert len(read_cache(cache)) == 14
    cache.write_text(cache.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    done = rewrite_items(explanations_asked, options, cache)
    assert done.paraphrases.n_asked == len(explanations_asked) - 14
    assert done.items == rewrite_items(explanations_asked, options, tmp_path / "other.jsonl").items


def test_a_failing_server_leaves_the_text_and_says_so(
    server: StandIn, explanations_asked: list[Item], tmp_path: Path
) -> None:
    server.fail = True
    options = RewriteOptions(url=server.url, model="stand-in", tries=1)
    done = rewrite_items(explanations_asked[:5], options, tmp_path / "cache.jsonl")
    assert done.items == tuple(explanations_asked[:5])
    assert {t.reason for t in done.paraphrases.thrown} == {"server"}
    assert done.paraphrases.texts == {}


def test_a_text_given_back_as_it_was_is_not_called_rewritten(
    server: StandIn, explanations_asked: list[Item], tmp_path: Path
) -> None:
    server.behaviour = {item.reasoning: "echo" for item in explanations_asked}
    done = rewrite_items(explanations_asked[:5], RewriteOptions(url=server.url, model="m"), tmp_path / "cache.jsonl")
    assert done.items == tuple(explanations_asked[:5])
    assert {t.reason for t in done.paraphrases.thrown} == {"unchanged"}


def test_a_paraphrase_that_says_something_else_is_no_proof(explanations_asked: list[Item]) -> None:
    item = explanations_asked[0]
    lying = item.model_copy(
        update={"style": REWRITTEN, "reasoning": f"{item.reasoning} There are forty microaneurysms."}
    )
    assert "added microaneurysm count 40" in other_claims(lying.reasoning, lying.trace.statements)
    assert [problem.rule for problem in check_items([lying]).problems] == ["read-back"]


def test_text_without_readable_claims_is_not_sent(server: StandIn, cases: list[Case], tmp_path: Path) -> None:
    item = ask(cases[0], "mirrored-pair", np.random.default_rng(1))
    assert isinstance(item, Item)
    done = rewrite_items([item], RewriteOptions(url=server.url, model="m"), tmp_path / "cache.jsonl")
    assert done.paraphrases.n_unsuited == 1
    assert not server.requests


def test_a_data_set_is_rewritten_by_command_and_stays_proved(
    server: StandIn, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plan = preset("octa-1k").change(patients=4, graphs=False, questions=1, splits={"train": 1.0}, artefacts=0.0)
    build(plan, tmp_path / "set", BuildOptions(workers=1))
    command = ["rewrite", str(tmp_path / "set"), "--out", str(tmp_path / "new"), "--rewrite-model", "stand-in"]
    assert main([*command, "--rewrite-url", server.url]) == 0
    assert re.search(r"\d+ rows, [1-9]\d* rewritten, \d+ thrown away", capsys.readouterr().out)
    old, new = (pq.read_table(tmp_path / name / "data") for name in ("set", "new"))
    same = [name for name in old.column_names if name not in ("reasoning", "messages", "style", "row_sha256")]
    assert new.select(same).equals(old.select(same))
    changed = [style == REWRITTEN for style in new["style"].to_pylist()]
    assert [a != b for a, b in zip(old["reasoning"].to_pylist(), new["reasoning"].to_pylist(), strict=True)] == changed
    for text, messages in zip(new["reasoning"].to_pylist(), new["messages"].to_pylist(), strict=True):
        assert f"<think>{text}</think>" in messages[-1]["content"][0]["text"]
    report = check(tmp_path / "new", workers=1)
    assert not report.problems.keys() & {
        "read-back",
        "gold answer",
        "row hash",
        "wording",
        "hash",
    }
    before = read_manifest(LocalFolder(tmp_path / "new"))
    server.fail = True  # everything is answered by the cache
    assert main([*command, "--rewrite-url", server.url]) == 0
    assert read_manifest(LocalFolder(tmp_path / "new")) == before


def test_only_a_new_folder_is_rewritten_into(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("precious")
    words = ["rewrite", str(tmp_path / "mine"), "--out", str(tmp_path / "new")]
    assert main([*words, "--rewrite-url", "http://127.0.0.1:9/v1", "--rewrite-model", "m"]) == 2
    assert "neither a manifest.json nor Parquet" in capsys.readouterr().err
