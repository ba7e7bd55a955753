"""Answering about one image."""

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from chiasm.errors import Unanswerable
from chiasm.evaluation import Question, Reply, answer_image, draw_answer
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
    assert draw_answer(answer).dtype == np.uint8


def test_a_silent_model_is_an_error_with_its_cause(eye: NDArray[np.uint8]) -> None:
    with pytest.raises(Unanswerable, match="reader gave no answer: server down"):
        answer_image(Reader(None), eye)
