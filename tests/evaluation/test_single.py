"""Answering about one image."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from chiasm.errors import Unanswerable
from chiasm.evaluation import ChatModel, Question, Reply, answer_image, draw_answer
from chiasm.models import GREEDY, Decoding, Prompt
from chiasm.models import Reply as ChatReply
from chiasm.worlds.octa import OctaWorld

NOISE = np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)
STAGE = "<think>There is one area of capillary dropout, in the upper left.</think>\n<answer>late-npdr</answer>"


@pytest.fixture(scope="module")
def eye() -> NDArray[np.uint8]:
    """A rendered image."""
    world = OctaWorld()
    return world.render(world.sample(np.random.default_rng(0))).views[0].pixels


class Reader:
    """A model that always writes the same."""

    name = "reader"

    def __init__(self, text: str | None) -> None:
        self.text = text
        self.asked: list[Question] = []

    def answer(self, questions: Sequence[Question]) -> list[Reply]:
        self.asked += questions
        return [Reply(self.text, {"healthy": 0.1}, problem="server down") for _ in questions]


def test_what_is_no_octa_is_not_judged() -> None:
    reader = Reader(STAGE)
    answer = answer_image(reader, NOISE, 3.0)
    assert not answer.judged
    assert answer.stage is None
    assert answer.findings == ()
    assert reader.asked == []
    assert "unlike en face OCTA" in answer.reply
    assert draw_answer(answer, 3.0).shape[2] == 3


def test_an_octa_image_gets_stage_findings_and_picture(eye: NDArray[np.uint8]) -> None:
    answer = answer_image(Reader(STAGE), eye, 3.0)
    assert answer.judged
    assert answer.stage == "late-npdr"
    assert {c.subject for c in answer.findings} == {"capillary dropout"}
    assert answer.probabilities == {"healthy": 0.1}
    assert answer.doubt == ""
    assert draw_answer(answer).dtype == np.uint8


def test_a_silent_model_is_an_error_with_its_cause(eye: NDArray[np.uint8]) -> None:
    with pytest.raises(Unanswerable, match="reader gave no answer: server down"):
        answer_image(Reader(None), eye)


class Chatting:
    """A chat that writes "late NPDR" and, asked directly, gives the stages these chances."""

    name = "chatting"

    def __init__(self, *chances: float) -> None:
        self.chances = chances

    def reply(self, prompts: Sequence[Prompt], decoding: Decoding = GREEDY) -> list[ChatReply]:
        return [ChatReply(text=STAGE, tokens=(), logprobs=(), finished=True) for _ in prompts]

    def choice_scores(
        self, prompts: Sequence[Prompt], choices: Sequence[Sequence[str]], *, closing: str = ""
    ) -> list[NDArray[np.float64]]:
        return [np.array(self.chances) for _ in prompts]


def test_the_direct_answer_counts_and_words_that_differ_are_told(eye: NDArray[np.uint8]) -> None:
    answer = answer_image(ChatModel(Chatting(0.6, 0.2, 0.1, 0.1), identity="x"), eye, 3.0)  # type: ignore[arg-type]
    assert (answer.stage, answer.told) == ("healthy", "late-npdr")
    assert answer.probabilities["healthy"] == 0.6
    assert answer.any_retinopathy == pytest.approx(0.4)
    assert "do not trust the words" in answer.doubt
    assert answer.to_json()["stage_in_words"] == "late-npdr"


def test_three_ill_stages_that_share_the_rest_outweigh_healthy(eye: NDArray[np.uint8]) -> None:
    answer = answer_image(ChatModel(Chatting(0.4, 0.1, 0.3, 0.2), identity="x"), eye, 3.0)  # type: ignore[arg-type]
    assert answer.stage == "late-npdr"
    assert answer.any_retinopathy == pytest.approx(0.6)
    assert not answer.doubt
