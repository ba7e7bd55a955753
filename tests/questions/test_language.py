"""The grammar: varied, exact both ways, and one file per language."""

import json
import re
from collections import Counter
from importlib import resources

import numpy as np
import pytest

from chiasm.case import Case
from chiasm.errors import UnknownName
from chiasm.questions import LANGUAGES, STYLES, Chart, Item, Statement, ask, ask_all, language
from chiasm.questions._program import Missing
from chiasm.questions._scales import scale, scales
from chiasm.questions.language._grammar import split_sentences

ADJECTIVES = ("faz size", "faz shape", "dropout extent", "amount")


@pytest.mark.parametrize("name", LANGUAGES)
def test_every_sentence_and_question_has_at_least_four_forms(name: str) -> None:
    grammar = language(name)
    for section in (grammar.forms(), grammar.questions()):
        for key, styles in section.items():
            for style, forms in styles.items():
                assert len(forms) == 1 if style == "structured" else len(forms) >= 4, (key, style)
                assert len({f.source for f in forms}) == len(forms), (key, style)


@pytest.mark.parametrize("name", LANGUAGES)
def test_every_form_of_a_sentence_holds_the_same_facts(name: str) -> None:
    for key, styles in language(name).forms().items():
        slots = {frozenset(form.slots()) for forms in styles.values() for form in forms}
        told = {frozenset(s - {"term"}) if "n" in s else s for s in slots}
        assert len(told) == 1, (key, told)


def test_a_language_is_one_file_with_the_same_keys() -> None:
    english = language("en")
    for name in LANGUAGES:
        other = language(name)
        assert set(other.forms()) == set(english.forms())
        assert set(other.questions()) == set(english.questions())
        for table, words in english.words.tables.items():
            assert set(other.words.tables[table]) == set(words), table
            assert len(set(other.words.tables[table].values())) == len(words), table
    assert english.reviewed
    assert not language("de").reviewed


def test_german_files_say_that_they_are_not_reviewed() -> None:
    text = resources.files("chiasm.questions.language").joinpath("de.json").read_text(encoding="utf-8")
    assert json.loads(text)["reviewed"] is False


def test_an_unknown_language_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="'de'"):
        language("dee")


@pytest.mark.parametrize("name", LANGUAGES)
def test_reasoning_reads_back_to_its_facts_in_every_language_and_style(name: str, cases: list[Case]) -> None:
    n = 0
    for number, case in enumerate(cases[:24]):
        for item in ask_all(case, number, language_name=name, style=STYLES[number % len(STYLES)]).items:
            assert tuple(language(name).read_back(item.reasoning)) == item.trace.statements
            n += 1
    assert n >= 1000


def test_a_sentence_of_nobody_is_refused() -> None:
    with pytest.raises(ValueError, match="0 readings"):
        language("en").read_back("The moon is made of cheese.")


def test_wording_varies_and_is_seeded(cases: list[Case]) -> None:
    chart = Chart(cases[3])
    drawn = [ask(chart, "explain-stage", np.random.default_rng(n), form="free") for n in range(60)]
    texts = [i.reasoning for i in drawn if isinstance(i, Item)]
    prompts = {i.prompt for i in drawn if isinstance(i, Item)}
    assert len(set(texts)) >= 0.95 * len(texts)
    assert len(prompts) >= 6
    again = ask(chart, "explain-stage", np.random.default_rng(0), form="free")
    assert again == drawn[0]


def absent(*terms: str) -> list[Statement]:
    return [Statement(key="absent", slots={"term": term}) for term in terms]


@pytest.mark.parametrize("name", LANGUAGES)
def test_absent_findings_may_share_a_sentence_and_read_back_one_by_one(name: str) -> None:
    grammar = language(name)
    facts = absent("capillary dropout", "microaneurysm", "neovascularization")
    texts = {grammar.reasoning(facts, style, np.random.default_rng(n)) for n in range(40) for style in STYLES}
    assert {len(split_sentences(text)) for text in texts} == {1, 3}
    assert all(grammar.read_back(text) == facts for text in texts)


def test_a_text_repeats_no_form_and_no_opening_while_others_are_unused() -> None:
    facts = absent("capillary dropout", "microaneurysm", "neovascularization", "intraretinal microvascular abnormality")
    grammar = language("en")
    for n in range(40):
        sentences = split_sentences(grammar.reasoning(facts, "short", np.random.default_rng(n)))
        stripped = {
            re.sub("capillary dropout|microaneurysms|irma|neovascularization", "X", s.lower()) for s in sentences
        }
        assert len(stripped) == len(sentences)


def test_a_structured_report_decides_each_finding_right_after_its_name(cases: list[Case]) -> None:
    verdicts: Counter[str] = Counter()
    for number, case in enumerate(cases[:40]):
        item = ask(Chart(case), "describe", np.random.default_rng(number), form="free", style="structured")
        if isinstance(item, Item):
            found = re.findall(
                r"(capillary dropout|microaneurysms|irma|neovascularization): (present|absent)", item.reasoning.lower()
            )
            assert [name for name, _ in found] == ["capillary dropout", "microaneurysms", "irma", "neovascularization"]
            verdicts.update(verdict for _, verdict in found)
            again = ask(Chart(case), "describe", np.random.default_rng(number + 500), form="free", style="structured")
            assert isinstance(again, Item)
            assert again.reasoning == item.reasoning  # one form for each fact
    assert min(verdicts.values()) >= 20


def test_an_adjective_is_that_of_the_number_beside_it() -> None:
    size = scale("faz size")
    assert size.label(size.cuts[0] - 0.004) == size.labels[1]  # shown as the border itself
    assert size.label(size.cuts[0] - 0.006) == size.labels[0]


@pytest.mark.parametrize("name", LANGUAGES)
def test_the_hint_shows_the_form_of_a_place_and_of_a_plain_number(name: str, cases: list[Case]) -> None:
    hints = {
        program: item.prompt.split("\n")[-1]
        for program in ("locate-faz", "locate-fovea", "faz-circularity")
        for item in [ask(cases[0], program, np.random.default_rng(1), form="free", language_name=name)]
        if isinstance(item, Item)
    }
    assert "[x1, y1, x2, y2]" in hints["locate-faz"]
    assert "[x, y]" in hints["locate-fovea"]
    assert "1" not in hints["faz-circularity"]


def test_styles_differ_in_length(cases: list[Case]) -> None:
    means = []
    for style in STYLES:
        lengths = []
        for n, case in enumerate(cases[:40]):
            item = ask(case, "explain-stage", np.random.default_rng(n), form="free", style=style)
            if isinstance(item, Item):
                lengths.append(len(item.reasoning.split()))
        means.append(float(np.mean(lengths)))
    short, findings, teaching, structured = means
    assert short < findings < teaching
    assert short <= 60
    assert structured <= 60


@pytest.mark.parametrize("name", ADJECTIVES)
def test_each_adjective_covers_ten_to_sixty_percent_of_what_is_drawn(name: str, cases: list[Case]) -> None:
    used = scale(name)
    labels: Counter[str] = Counter()
    for case in cases:
        chart = Chart(case)
        scene = chart.scene(chart.default_view())
        try:
            if name == "faz size":
                labels[used.label(scene.sights("foveal avascular zone")[0].area_mm2)] += 1
            elif name == "faz shape":
                labels[used.label(scene.sights("foveal avascular zone")[0].quantity("circularity").value)] += 1
            elif name == "dropout extent" and scene.sights("capillary dropout"):
                labels[used.label(scene.nonperfusion_percent)] += 1
            elif name == "amount" and len(scene.sights("microaneurysm")) > 1:
                labels[used.label(len(scene.sights("microaneurysm")))] += 1
        except Missing:
            continue
    total = sum(labels.values())
    assert total >= 25
    for label in used.labels:
        assert 0.1 <= labels[label] / total <= 0.6, (name, labels)


def test_scales_are_labelled_once_each() -> None:
    for name, used in scales().items():
        assert len(set(used.labels)) == len(used.labels), name
        assert used.source
        assert used.label(used.cuts[0]) == used.labels[1]
        assert used.margin(used.cuts[0]) == 0


def test_a_question_is_asked_again_in_other_words_about_the_same(cases: list[Case]) -> None:
    grammar, rng = language("en"), np.random.default_rng(0)
    items = ask_all(cases[0], seed=1).items
    assert items
    for item in items:
        again = {line: text for line in item.prompt.splitlines() if (text := grammar.ask_again(line, rng)) is not None}
        assert len(again) == 1, item.prompt
        ((line, text),) = again.items()
        assert text != line
        assert any(grammar.ask_again(text, rng) == line for _ in range(200)), (line, text)
    assert grammar.ask_again("What is the weather like?", rng) is None
