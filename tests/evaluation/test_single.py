"""Answering about one image."""

from collections.abc import Sequence

import numpy as np
import pytest

from chiasm.errors import Unanswerable
from chiasm.evaluation import Question, Reply, answer_image, draw_answer

PIXELS = np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)
STAGE = "<think>There is one area of capillary dropout, in the upper left.</think>\n<answer>late-npdr</answer>"


class Reader:
    """A model that takes pictures for OCTA or not, and calls every eye late NPDR."""

    name = "reader"

    def __init__(self, modality: str | None) -> None:
        self.modality = modality
        self.asked: list[Question] = []

    def answer(self, questions: Sequence[Question]) -> list[Reply]:
        self.asked += questions
        return [
            Reply(self.modality, problem="server down")
            if q.question_id == "modality"
            else Reply(STAGE, {"healthy": 0.1})
            for q in questions
        ]


def test_what_is_no_octa_is_not_judged() -> None:
    reader = Reader("<think>This is no OCTA image.</think>\n<answer>no</answer>")
    answer = answer_image(reader, PIXELS, 3.0)
    assert not answer.judged
    assert answer.stage is None
    assert answer.findings == ()
    assert [q.question_id for q in reader.asked] == ["modality"]
    assert "OCTA" in reader.asked[0].prompt
    assert draw_answer(answer, 3.0).shape[2] == 3


def test_an_octa_image_gets_stage_findings_and_picture() -> None:
    answer = answer_image(Reader("<answer>yes</answer>"), PIXELS, 3.0)
    assert answer.judged
    assert answer.stage == "late-npdr"
    assert {c.subject for c in answer.findings} == {"capillary dropout"}
    assert answer.probabilities == {"healthy": 0.1}
    assert draw_answer(answer).dtype == np.uint8


def test_a_silent_model_is_an_error_with_its_cause() -> None:
    with pytest.raises(Unanswerable, match="reader gave no answer: server down"):
        answer_image(Reader(None), PIXELS)
