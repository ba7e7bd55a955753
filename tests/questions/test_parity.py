"""DeepTumorVQA's public scores, written down here from their definition, against ours.

Where no parsing quirk of that definition fires the two agree to 1e-4; on every listed quirk ours gives the right reading.
"""

import re

import numpy as np
import pytest

from chiasm.questions import (
    CategoryAnswer,
    ChoiceAnswer,
    CountAnswer,
    Key,
    NumberAnswer,
    YesNoAnswer,
    mean_relative_accuracy,
    parse_answer,
    relative_accuracy,
    score,
)

OPTIONS = ("first thing", "second thing", "third thing", "fourth thing")
STAGES = ("healthy", "early-npdr", "late-npdr", "pdr")


# The public definition.
def public_clean(text: str) -> str:
    text = re.sub(r"<think>.*?</think>", "", text, flags=re.DOTALL)
    return re.sub(r"<think>.*", "", text, flags=re.DOTALL).strip()


def public_letter(text: str) -> str:
    text = public_clean(text).upper()
    if text[:1] in ("A", "B", "C", "D") and text:
        return text[0]
    found = re.search(r"\b([A-D])\b", text)
    return found[1] if found else ""


def public_number(text: str) -> float | None:
    found = re.search(r"-?[\d]+\.?\d*", public_clean(text))
    return float(found.group()) if found else None


def public_yes_no(text: str) -> str:
    text = public_clean(text).lower()
    for word in ("yes", "no"):
        if text == word:
            return word
    for word in ("yes", "no"):
        if text.startswith(word):
            return word
    for word in ("yes", "no"):
        if re.search(rf"\b{word}\b", text):
            return word
    return ""


def public_text(text: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"[^\w\s-]", "", public_clean(text).lower().strip())).strip()


def public_mra(pairs: list[tuple[str, float]]) -> float:
    scores = []
    for text, truth in pairs:
        got = public_number(text)
        if got is None:
            scores.append(0.0)
        elif truth == 0:
            scores.append(1.0 if got == 0 else 0.0)
        else:
            scores.append(max(0.0, 1 - abs(got - truth) / abs(truth)))
    return round(float(np.mean(scores)), 4)


# Agreement where no quirk fires.
def test_mean_relative_accuracy_agrees_on_plain_numbers() -> None:
    rng = np.random.default_rng(5)
    pairs, ours = [], []
    for _ in range(400):
        truth = round(float(rng.lognormal(0, 1)), 2)
        text = f"{truth * rng.lognormal(0, 0.4):.2f}"
        wrapped = f"<think>{rng.integers(9)} steps</think> {text}" if rng.random() < 0.5 else text
        pairs.append((wrapped, truth))
        key = Key(expects="number", answer=NumberAnswer(value=truth), tolerance=0.05 * truth)
        ours.append(score(wrapped, key).tolerant.graded)
    assert abs(float(np.mean(ours)) - public_mra(pairs)) <= 1e-4


def test_counts_agree_including_a_true_zero() -> None:
    rng = np.random.default_rng(6)
    pairs, ours = [], []
    for _ in range(300):
        truth, got = int(rng.integers(0, 6)), int(rng.integers(0, 8))
        pairs.append((str(got), float(truth)))
        ours.append(score(str(got), Key(expects="count", answer=CountAnswer(value=truth))).tolerant.graded)
    assert abs(float(np.mean(ours)) - public_mra(pairs)) <= 1e-4


@pytest.mark.parametrize("kind", ["choice", "yesno", "category"])
def test_accuracies_agree_on_plain_answers(kind: str) -> None:
    rng = np.random.default_rng(7)
    theirs, ours = [], []
    for _ in range(300):
        if kind == "choice":
            truth, got = "ABCD"[rng.integers(4)], "ABCD"[rng.integers(4)]
            key = Key(expects="choice", answer=ChoiceAnswer(letter=truth), options=OPTIONS)
            theirs.append(public_letter(got) == truth)
        elif kind == "yesno":
            truth, got = ("yes", "no")[rng.integers(2)], ("Yes", "no", "No.", "yes, it is")[rng.integers(4)]
            key = Key(expects="yesno", answer=YesNoAnswer(yes=truth == "yes"))
            theirs.append(public_yes_no(got) == truth)
        else:
            truth, got = STAGES[rng.integers(4)], STAGES[rng.integers(4)]
            key = Key(expects="category", answer=CategoryAnswer(value=truth), options=STAGES)
            theirs.append(public_text(got) == public_text(truth))
        ours.append(score(got, key).tolerant.exact)
    assert float(np.mean(ours)) == pytest.approx(float(np.mean(theirs)), abs=1e-4)


def test_relative_accuracies_are_those_of_the_field() -> None:
    assert relative_accuracy(0.9, 1.0) == pytest.approx(0.9)
    assert relative_accuracy(3.0, 1.0) == 0
    assert relative_accuracy(0, 0) == 1
    assert relative_accuracy(0.1, 0) == 0
    assert mean_relative_accuracy(1.0, 1.0) == 1.0
    assert mean_relative_accuracy(0.78, 1.0) == pytest.approx(0.6)  # error 0.22 is below 1 - t for t = 0.50 ... 0.75
    assert mean_relative_accuracy(9.0, 1.0) == 0.0


# The quirks: what the public parser says, and what is right.
CHOICE = Key(expects="choice", answer=ChoiceAnswer(letter="C"), options=OPTIONS)
YESNO = Key(expects="yesno", answer=YesNoAnswer(yes=False))
NUMBER = Key(expects="number", answer=NumberAnswer(value=31.0, unit="mm"), tolerance=1.0)
QUIRKS = [
    (public_letter, "Definitely (C)", "D", CHOICE, "C"),
    (public_letter, "Based on the image, C", "B", CHOICE, "C"),
    (public_letter, "An enlarged spleen", "A", CHOICE, None),
    (public_letter, "about 90", "A", CHOICE, None),
    (public_yes_no, "Normal", "no", YESNO, None),
    (public_yes_no, "None", "no", YESNO, None),
    (public_yes_no, "not present", "no", YESNO, False),
    (public_number, "1,234", 1.0, NUMBER, 1234.0),
    (public_number, "3-5", 3.0, NUMBER, None),
    (public_number, ".5", 5.0, NUMBER, 0.5),
    (public_number, "T2 tumour, 31 mm", 2.0, NUMBER, 31.0),
]


@pytest.mark.parametrize(("public", "text", "quirk", "key", "right"), QUIRKS)
def test_every_known_quirk_is_read_right(public: object, text: str, quirk: object, key: Key, right: object) -> None:
    assert callable(public)
    got = public(text)
    expected_public = {"Definitely (C)": "D"}.get(text, quirk)
    assert got == expected_public, "the public definition, as written here, shows the quirk"
    answer = parse_answer(text, key).tolerant.answer
    if right is None:
        assert answer is None
    else:
        assert answer is not None
        assert right in answer.model_dump().values()


def test_two_empty_texts_are_not_equal() -> None:
    key = Key(expects="category", answer=CategoryAnswer(value="healthy"), options=STAGES)
    assert public_text("") == public_text("")
    assert score("", key).tolerant.exact == 0


def test_a_number_key_without_a_number_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="finite"):
        Key(expects="number", answer=NumberAnswer(value=float("nan")), tolerance=1.0)
