"""Claims read from free text: hand-written explanations in other words, the grammar's own text, and texts with one fact changed."""

import re
from collections import Counter
from collections.abc import Callable
from typing import Protocol

import numpy as np
import pytest

from chiasm.case import Case
from chiasm.questions import STYLES, Chart, FactClaim, Item, Statement, ask, claims, facts_of, judge_text, language
from chiasm.questions._chart import LESIONS
from chiasm.questions._sectors import SECTORS

Explanations = tuple[list["Explanation"], ...]


class Explanation(Protocol):
    text: str
    eye: str
    claims: frozenset[tuple[str, str, bool | float | str]]


def triples(text: str, eye: str) -> set[tuple[str, str, object]]:
    return {
        (c.subject, c.attribute, c.value if isinstance(c.value, str | bool) else float(c.value))
        for c in claims(text, eye).claims
    }


def tallies(explanations: list[Explanation]) -> np.ndarray:
    """(N, 3) claims read rightly, read wrongly, and lost, by text."""
    read = [(triples(e.text, e.eye), e.claims) for e in explanations]
    return np.array([(len(got & true), len(got - true), len(true - got)) for got, true in read])


def f1_of(counts: np.ndarray) -> float:
    right, extra, lost = counts.sum(axis=0)
    return float(2 * right / (2 * right + extra + lost))


def f1_and_interval(explanations: list[Explanation]) -> tuple[float, float, float]:
    """F1 over claims, and its 95 % interval by resampling texts."""
    counts, rng = tallies(explanations), np.random.default_rng(0)
    drawn = [f1_of(counts[rng.integers(len(counts), size=len(counts))]) for _ in range(2000)]
    return f1_of(counts), float(np.quantile(drawn, 0.025)), float(np.quantile(drawn, 0.975))


def test_the_fixture_is_long_and_varied(explanations: Explanations) -> None:
    both = [e for half in explanations for e in half]
    texts = [e.text for e in both]
    assert len(texts) >= 200
    assert len(set(texts)) == len(texts)
    openings = Counter(text.split()[0].lower() for text in texts)
    assert len(openings) >= 90
    said = Counter(c[0] for e in both for c in e.claims)
    assert all(said[name] >= 20 for name in (*LESIONS, "foveal avascular zone", "diabetic retinopathy"))
    assert sum(c[2] is False for e in both for c in e.claims) >= 150


REACHED = {"a": 0.99, "b": 0.99, "c": 0.95, "d": 0.965, "e": 0.96, "f": 0.81}
"""F1 of each part today; raised only. The third and the sixth have never been used to change the reader."""


def test_claims_of_hand_written_texts_are_read(explanations: Explanations) -> None:
    for (name, reached), part in zip(REACHED.items(), explanations, strict=True):
        f1, low, high = f1_and_interval(part)
        n_claims = sum(len(e.claims) for e in part)
        told = f"part {name}: {len(part)} texts, {n_claims} claims, F1 {f1:.3f} (95 % {low:.3f} to {high:.3f})"
        print(told)  # noqa: T201  # the figure is the result
        assert f1 >= reached
    together = [e for part in explanations for e in part]
    f1, low, high = f1_and_interval(together)
    print(f"all: {len(together)} texts, F1 {f1:.3f} (95 % {low:.3f} to {high:.3f})")  # noqa: T201
    assert low >= 0.9


@pytest.mark.parametrize(
    ("text", "absent"),
    [
        ("Microaneurysms would show as small round bulges, but none can be seen.", "microaneurysm"),
        ("Nil IRMA.", "intraretinal microvascular abnormality"),
        ("IRMA is suspected, but neovascularization is not.", "neovascularization"),
        ("I looked for IRMA and for new vessels and found neither.", "neovascularization"),
        ("The retina is perfused throughout.", "capillary dropout"),
    ],
)
def test_turns_of_denial(text: str, absent: str) -> None:
    assert (absent, "present", False) in triples(text, "none")
    assert (absent, "present", True) not in triples(text, "none")


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("Capillary loss takes a fifth of the field.", 20.0),
        ("Half the image is without flow.", 50.0),
        ("Sixteen percent dropout.", 16.0),
    ],
)
def test_shares_in_words(text: str, share: float) -> None:
    assert ("capillary dropout", "share", share) in triples(text, "none")


def test_a_number_word_is_no_typing_error() -> None:
    assert ("microaneurysm", "count", 3.0) in triples(
        "I count three microaneurysms in the rigth half of the feild.", "none"
    )


def test_what_cannot_be_read_is_counted_not_guessed() -> None:
    reading = claims("The dropout is where you would think. Its extent is 17. Bananas are yellow.")
    assert len(reading.claims) <= 1
    assert claims("Microaneurysms cannot be judged here.").claims == ()
    assert claims("Microaneurysms cannot be judged here.").unread == ("microaneurysms cannot be judged here",)
    assert claims("Nothing about eyes at all.").unread == ()
    assert claims("superonasal dropout", "none").claims == claims("dropout", "none").claims


def test_doubt_is_kept() -> None:
    hedged = {c.subject: c.hedged for c in claims("Possible IRMA. Definite microaneurysms.").claims}
    assert hedged == {"intraretinal microvascular abnormality": True, "microaneurysm": False}
    assert any(c.hedged for c in claims("About 15 microaneurysms.").claims if c.attribute == "count")


def test_nasal_depends_on_the_eye() -> None:
    assert ("capillary dropout", "sector", "right") in triples("Dropout nasally.", "OD")
    assert ("capillary dropout", "sector", "left") in triples("Dropout nasally.", "OS")


@pytest.fixture(scope="module")
def reports(cases: list[Case]) -> list[tuple[Item, tuple[FactClaim, ...], str]]:
    found = []
    for n, case in enumerate(cases):
        chart = Chart(case)
        scene = chart.scene(chart.default_view())
        item = ask(chart, "report", np.random.default_rng(n), style=STYLES[n % len(STYLES)])
        if isinstance(item, Item):
            found.append((item, facts_of(scene), scene.laterality.value))
    return found


def test_the_grammars_own_text_is_read_without_error_or_gap(
    reports: list[tuple[Item, tuple[FactClaim, ...], str]],
) -> None:
    assert len(reports) >= 100
    for item, facts, eye in reports:
        for text in (item.answer_text, item.completion):
            judged = judge_text(text, facts, eye)
            assert judged.contradicted == ()
            assert judged.missed == ()
            assert judged.unread == ()
            assert judged.f1 == 1.0


# Mutations: one fact of a true text is changed, and the change is caught.
Mutation = Callable[[Statement, np.random.Generator], Statement | None]


def changed(statement: Statement, **slots: object) -> Statement:
    return Statement(key=statement.key, slots={**statement.slots, **slots})


def mutate_count(s: Statement, rng: np.random.Generator) -> Statement | None:
    if "n" not in s.slots or not s.key.startswith(("found", "dropout")):
        return None
    told = int(s.slots["n"])
    return changed(s, n=2 * told if s.key == "found.about" else told + 1 + int(rng.integers(3)))


def mutate_presence(s: Statement, _rng: np.random.Generator) -> Statement | None:
    if s.key == "absent":
        return Statement(key="found", slots={"n": 2, "term": s.slots["term"]})
    return Statement(key="absent", slots={"term": s.slots["term"]}) if s.key.startswith("found") else None


def mutate_sector(s: Statement, rng: np.random.Generator) -> Statement | None:
    if "sector" not in s.slots:
        return None
    index = SECTORS.index(str(s.slots["sector"]))
    return changed(s, sector=SECTORS[(index + int(rng.integers(1, 8))) % 8])


def mutate_number(name: str) -> Mutation:
    def mutate(s: Statement, rng: np.random.Generator) -> Statement | None:
        if name not in s.slots:
            return None
        value = float(s.slots[name])
        factor = float(rng.choice([0.4, 2.5]))
        new = value * factor if abs(value * factor - value) > 0.6 or name != "share" else value + 3
        if name in ("area", "distance") and abs(new - value) < 0.12:
            new = value + 0.3
        return changed(s, **{name: round(new if name != "ratio" else (value + 0.3 if value < 0.6 else value - 0.3), 2)})

    return mutate


def mutate_word(name: str, words: tuple[str, ...]) -> Mutation:
    def mutate(s: Statement, rng: np.random.Generator) -> Statement | None:
        if name not in s.slots:
            return None
        far = {words[0]: words[-1], words[-1]: words[0]}
        return changed(s, **{name: far.get(str(s.slots[name]), words[-1])}) if str(s.slots[name]) in far else None

    return mutate


def mutate_stage(s: Statement, rng: np.random.Generator) -> Statement | None:
    if not s.key.startswith("stage."):
        return None
    others = {"stage.healthy": "stage.pdr-nv", "stage.pdr-nv": "stage.healthy"}
    return Statement(key=others.get(s.key, "stage.healthy"), slots={})


def mutate_course(s: Statement, _rng: np.random.Generator) -> Statement | None:
    if s.key == "course.smooth":
        return Statement(key="course.graded", slots={"grade": "marked"})
    return Statement(key="course.smooth", slots={}) if s.key.startswith("course.") else None


MUTATIONS: dict[str, Mutation] = {
    "count": mutate_count,
    "presence": mutate_presence,
    "sector": mutate_sector,
    "area": mutate_number("area"),
    "distance": mutate_number("distance"),
    "share": mutate_number("share"),
    "ratio": mutate_number("ratio"),
    "extent": mutate_word("extent", ("limited", "moderate", "extensive")),
    "amount": mutate_word("amount", ("few", "several", "numerous")),
    "size": mutate_word("size", ("small", "typical", "enlarged")),
    "shape": mutate_word("shape", ("irregular", "slightly irregular", "round")),
    "stage": mutate_stage,
    "course": mutate_course,
}


def test_every_changed_fact_is_caught(reports: list[tuple[Item, tuple[FactClaim, ...], str]]) -> None:
    grammar = language("en")
    caught: Counter[str] = Counter()
    for number, (item, facts, eye) in enumerate(reports[:75]):
        rng = np.random.default_rng(number)
        statements = list(item.trace.statements)
        for name, mutation in MUTATIONS.items():
            places = [k for k, s in enumerate(statements) if mutation(s, np.random.default_rng(0)) is not None]
            if not places:
                continue
            place = places[int(rng.integers(len(places)))]
            wrong = mutation(statements[place], rng)
            assert wrong is not None
            text = grammar.reasoning([*statements[:place], wrong, *statements[place + 1 :]], item.style, rng)
            judged = judge_text(text, facts, eye)
            assert judged.contradicted, f"{name} of {statements[place]} became {wrong}, unnoticed in {text!r}"
            caught[name] += 1
    assert sum(caught.values()) >= 500
    assert set(caught) == set(MUTATIONS)


SWAPS = (
    (r"\bupper left\b", "lower right"),
    (r"\blower right\b", "upper left"),
    (r"\blower left\b", "upper right"),
    (r"\bupper right\b", "lower left"),
    (r"\benlarged\b", "small"),
    (r"\birregular\b", "round"),
    (r"\b[Ee]arly NPDR\b", "late NPDR"),
    (r"\b[Ll]ate NPDR\b", "early NPDR"),
    (r"\b[Nn]o (IRMA|NV|MA|CNP|dropout|microaneurysms?|new vessels)\b", r"two \1"),
    (r"\bnumerous\b", "few"),
    (r"\b(IRMA|NV|MA|CNP|[Dd]ropout|[Nn]ew vessels)(: | - | = )none\b", r"\1\2seven"),
)


def test_changed_words_in_hand_written_texts_change_the_claims(explanations: Explanations) -> None:
    both = [e for part in explanations[:4] for e in part]
    caught = 0
    for e in both:
        before = triples(e.text, e.eye)
        if before != e.claims or ("shadow", "present", True) in before:  # the place of an artefact is no claim
            continue
        for pattern, replacement in SWAPS:
            wrong, n = re.subn(pattern, replacement, e.text, count=1)
            if n:
                assert triples(wrong, e.eye) != before, wrong
                caught += 1
        for match in re.finditer(r"\d+(?:\.\d+)?(?= ?(?:mm|%|um|microaneurysms|MAs?\b|areas|IRMAs?))", e.text):
            wrong = e.text[: match.start()] + f"{float(match.group()) * 3 + 1:g}" + e.text[match.end() :]
            if float(match.group()) in {v for _, _, v in e.claims if not isinstance(v, str | bool)}:
                assert triples(wrong, e.eye) != before, wrong
                caught += 1
    assert caught >= 130


def test_hallucinations_and_directions_are_counted(reports: list[tuple[Item, tuple[FactClaim, ...], str]]) -> None:
    item, facts, eye = next(
        r for r in reports if any(f.subject == "neovascularization" and f.value is False for f in r[1])
    )
    judged = judge_text(item.answer_text + " New vessels are present in the upper left.", facts, eye)
    assert judged.hallucinated == ("neovascularization",)
    right, told = judged.sectors_right
    assert told == right + 1
    assert 0 < judged.precision < 1
    silent = judge_text("The weather is fine.", facts, eye)
    assert silent.precision == 0
    assert silent.recall == 0
    assert silent.f1 == 0
