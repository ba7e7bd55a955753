"""Programs, their registry, and asking one of a case.

A program is a function of a `Look`: it runs primitives, says what they prove, and returns what to ask and the key. `ask` adds
the header, the options and how to answer, all in words that do not depend on the answer.
"""

from __future__ import annotations

import hashlib
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final, Literal, NamedTuple

import numpy as np

from chiasm.case import Case, Laterality, Scalar, View
from chiasm.errors import Conflict, InvalidInput, UnknownName
from chiasm.questions._answers import (
    LETTERS,
    CategoryAnswer,
    ChoiceAnswer,
    CountAnswer,
    Key,
    Kind,
    NumberAnswer,
    ReportAnswer,
    SetAnswer,
    Unjudged,
    YesNoAnswer,
    plain_number,
)
from chiasm.questions._chart import Chart, Scene
from chiasm.questions._facts import facts_of
from chiasm.questions._item import Ambiguous, ImageRef, Item, Missing, Skip, Stage, Statement, Trace, numbered
from chiasm.questions._look import NEAR_LIMIT, Look, Measured
from chiasm.questions._scales import scale
from chiasm.questions.language import Language, Slots, Style, language

Form = Literal["free", "choice"]
Header = Literal["full", "no eye", "no modality"]
Pair = Literal["", "visits", "eyes", "twin"]


class Asked(NamedTuple):
    """What a program asks."""

    text: str
    """Key of the question in the grammar."""
    key: Key
    slots: Slots = {}
    images: tuple[ImageRef, ...] = ()
    """Empty: the look's views as they are."""
    table: str = ""
    """Category, set, ordered: the word table that shows the options."""
    bins: str = ""
    """Number, count: the scale whose ranges are the options of the multiple-choice form."""
    header: Header = "full"


class Program(NamedTuple):
    """One kind of question."""

    name: str
    stage: Stage
    expects: Kind
    forms: tuple[Form, ...]
    pair: Pair
    """What two views it compares; empty: it looks at one."""
    about: str
    """One line for the docs."""
    run: Callable[[Look], Asked]


class Asking(NamedTuple):
    """Items of a case, and why the other programs were not asked."""

    items: tuple[Item, ...]
    skipped: tuple[Skip, ...]

    def reasons(self) -> Counter[str]:
        """How often each reason occurred."""
        return Counter(skip.label for skip in self.skipped)


_PROGRAMS: dict[str, Program] = {}
PLACES: Final[dict[str, str]] = {"boxes": "[x1, y1, x2, y2]", "points": "[x, y]"}


def register_program(program: Program) -> None:
    """Add a program; Conflict where its name is taken."""
    if program.name in _PROGRAMS:
        msg = f"a program named {program.name!r} is already registered"
        raise Conflict(msg)
    _PROGRAMS[program.name] = program


def program(
    name: str, stage: Stage, expects: Kind, *, choice: bool | Literal["only"] = False, pair: Pair = ""
) -> Callable[[Callable[[Look], Asked]], Callable[[Look], Asked]]:
    """Decorator that registers a function as a program; its docstring's first line is the program's line in the docs.

    Args:
        name: Unique, kebab-case.
        stage: One of the four stages.
        expects: Kind of answer of the free form.
        choice: Whether it can also, or only, be asked as multiple choice.
        pair: What two views it compares: two visits of an eye, both eyes, or an eye and its twin; empty for one view.
    """
    forms: tuple[Form, ...] = ("choice",) if choice == "only" else ("free", "choice") if choice else ("free",)

    def register(run: Callable[[Look], Asked]) -> Callable[[Look], Asked]:
        about = (run.__doc__ or "").strip().splitlines()[0]
        register_program(Program(name, stage, expects, forms, pair, about, run))
        return run

    return register


def programs() -> dict[str, Program]:
    """Every registered program by name."""
    return dict(_PROGRAMS)


def ask(
    case: Case | Chart,
    program: str,
    rng: np.random.Generator,
    *,
    view_ids: Sequence[str] = (),
    form: Form | None = None,
    language_name: str = "en",
    style: Style = "short",
) -> Item | Skip:
    """Ask one question of a case.

    Args:
        case: The case, or its chart where many questions are asked of it.
        program: A name of `programs()`.
        rng: Draws the wording, the form, the order of options and whatever the program leaves open.
        view_ids: The views to ask about; none: the case's first, or the pair that the program needs.
        form: Free or multiple choice; None: drawn from those that the program has.
        language_name: A language of the grammar.
        style: Length and tone of the reasoning.

    Returns:
        The item, or why it is not asked: the case lacks something, or the truth is too close to call.
    """
    if program not in _PROGRAMS:
        raise UnknownName("program", program, _PROGRAMS)
    found = _PROGRAMS[program]
    if form is not None and form not in found.forms:
        msg = f"program {program} has the forms {', '.join(found.forms)}, not {form!r}"
        raise InvalidInput(msg)
    chart = case if isinstance(case, Chart) else Chart(case)
    try:
        look = Look(chart, view_ids or _default_views(chart, found), rng)
        asked = found.run(look)
        drawn = form or found.forms[int(rng.integers(len(found.forms)))]
        return _item(look, found, asked, _Wording(language(language_name), style, drawn))
    except Missing as lack:
        return Skip(program, lack.reason, missing=True, detail=lack.detail)
    except Ambiguous as doubt:
        return Skip(program, doubt.reason, missing=False, detail=doubt.detail)


def ask_all(
    case: Case | Chart,
    seed: int,
    *,
    only: Iterable[str] = (),
    view_ids: Sequence[str] = (),
    language_name: str = "en",
    style: Style = "short",
) -> Asking:
    """Ask every program, or those named, once; each draws from a generator of its own, so adding one changes no other."""
    chart = case if isinstance(case, Chart) else Chart(case)
    items: list[Item] = []
    skipped: list[Skip] = []
    for name in list(only) or list(_PROGRAMS):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(zlib.crc32(name.encode()),)))
        views = view_ids if not view_ids or _views_of(name) == len(view_ids) else ()
        asked = ask(chart, name, rng, view_ids=views, language_name=language_name, style=style)
        if isinstance(asked, Item):
            items.append(asked)
        else:
            skipped.append(asked)
    return Asking(tuple(items), tuple(skipped))


# --- keys ---------------------------------------------------------------------------------------------------------------


def yes_no(yes: bool) -> Key:
    """Key of a yes/no question."""
    return Key(expects="yesno", answer=YesNoAnswer(yes=yes))


def how_many(n: int) -> Key:
    """Key of a count."""
    return Key(expects="count", answer=CountAnswer(value=n))


def number(measured: Measured, decimals: int) -> Key:
    """Key of a measured number, rounded as it would be written."""
    value = round(measured.value, decimals) + 0.0
    answer = NumberAnswer(value=value, unit=measured.unit)
    return Key(expects="number", answer=answer, tolerance=measured.tolerance + 0.5 * 10.0**-decimals)


def one_of(value: str, options: Sequence[str], *, ordinal: bool = False) -> Key:
    """Key of a category."""
    return Key(expects="category", answer=CategoryAnswer(value=value), options=tuple(options), ordinal=ordinal)


def some_of(values: Iterable[str], options: Sequence[str]) -> Key:
    """Key of a set."""
    return Key(expects="set", answer=SetAnswer(values=frozenset(values)), options=tuple(options))


def report(scene: Scene, core: Sequence[str]) -> Key:
    """Key of a free report: every fact of the view; those about the subjects in `core` must be told."""
    facts = tuple(fact.model_copy(update={"core": fact.core and fact.subject in core}) for fact in facts_of(scene))
    answer = ReportAnswer(text="-")  # the text is written with the item's wording
    return Key(expects="report", answer=answer, facts=facts, laterality=scene.laterality.value)


# --- wording ------------------------------------------------------------------------------------------------------------


class _Wording(NamedTuple):
    language: Language
    style: Style
    form: Form


def _item(look: Look, found: Program, asked: Asked, wording: _Wording) -> Item:
    images = asked.images or tuple(ImageRef.model_construct(view_id=v, change="none", seed=0) for v in look.view_ids)
    key = _as_choice(asked, look, wording) if wording.form == "choice" else asked.key
    prompt = _prompt(look.scene.view, asked, key, wording.language, look.rng)
    trace = Trace.model_construct(steps=tuple(look.steps))
    case = look.chart.case
    shown = ";".join(f"{i.view_id}/{i.change}/{i.seed}" for i in images)
    reasoning = wording.language.reasoning(trace.statements, wording.style, look.rng)
    if key.expects == "report":
        key = key.model_copy(update={"answer": ReportAnswer(text=_report_text(trace.statements, wording, look.rng))})
    identity = "\x1f".join((case.case_id, found.name, wording.form, shown, prompt, reasoning))
    return Item(
        item_id=f"{found.name}-{hashlib.sha256(identity.encode()).hexdigest()[:12]}",
        case_id=case.case_id,
        patient_id=case.patient_id,
        program=found.name,
        stage=found.stage,
        form=wording.form,
        language=wording.language.name,
        style=wording.style,
        images=images,
        prompt=prompt,
        key=key,
        reasoning=reasoning,
        trace=trace,
    )


def prompt_about(view: View, text: str, key: Key, *, header: Header = "full", language_name: str = "en") -> str:
    """The words in which a program asks, about a view of which nothing else is known.

    Args:
        view: Stated are its modality, slab, size and eye, as far as `header` allows and the view knows them.
        text: Which question of the language's file, such as "explain-stage".
        key: Of the answer: its kind and options make the hint.
        header: What is left out.
        language_name: Of the wording; the first form of each sentence is taken.
    """
    return _prompt(view, Asked(text, key, header=header), key, language(language_name), np.random.default_rng(0))


def _prompt(view: View, asked: Asked, key: Key, words: Language, rng: np.random.Generator) -> str:
    lines = [
        _header(view, asked.header, words),
        words.ask(asked.text, asked.slots, rng),
        *(numbered(key.options) if key.expects == "choice" else ()),
        words.hint(_hint(key), _hint_slots(key), rng),
    ]
    return "\n".join(line for line in lines if line)


def _report_text(statements: tuple[Statement, ...], wording: _Wording, rng: np.random.Generator) -> str:
    """Full sentences; where there is a conclusion, under the headings of a report."""
    style: Style = "findings" if wording.style == "short" else wording.style
    findings = [s for s in statements if not s.key.startswith("stage.")]
    impression = [s for s in statements if s.key.startswith("stage.")]
    text = wording.language.reasoning(findings, style, rng)
    if not impression:
        return text
    heads = wording.language.words.tables["heading"]
    return f"{heads['findings']}: {text}\n{heads['impression']}: {wording.language.reasoning(impression, style, rng)}"


def _as_choice(asked: Asked, look: Look, wording: _Wording) -> Key:
    """The key as multiple choice: every possible answer is an option, in an order drawn evenly, so the text tells nothing."""
    if asked.bins:
        texts, right = _bins(asked, wording.language)
    else:
        tables = wording.language.words.tables
        texts = [tables[asked.table][option] for option in asked.key.options]
        if not isinstance(asked.key.answer, CategoryAnswer):
            msg = f"question {asked.text} has no multiple-choice form"
            raise InvalidInput(msg)
        right = asked.key.options.index(asked.key.answer.value)
    order = [int(i) for i in look.rng.permutation(len(texts))]
    letter = LETTERS[order.index(right)]
    return Key(expects="choice", answer=ChoiceAnswer(letter=letter), options=tuple(texts[i] for i in order))


def _bins(asked: Asked, words: Language) -> tuple[list[str], int]:
    used = scale(asked.bins)
    answer = asked.key.answer
    if not isinstance(answer, NumberAnswer | CountAnswer):
        raise Ambiguous("nothing to put into ranges")
    if isinstance(answer, NumberAnswer) and used.margin(answer.value) < NEAR_LIMIT:
        raise Ambiguous("a value near the border of a range", f"{answer.value:g}")
    unit = "" if used.unit in ("1", "count") else f" {used.unit}"
    whole = isinstance(answer, CountAnswer)
    borders = [plain_number(cut).replace(".", words.words.decimal) for cut in used.cuts]
    lower = [plain_number(cut - 1) for cut in used.cuts] if whole else borders
    tables = words.words.tables["range"]
    least = tables["most"].format(lower[0], unit) if lower[0] != "0" else "0"
    texts = [least if whole else tables["below"].format(lower[0], unit)]
    texts += [tables["between"].format(a, b, unit) for a, b in zip(borders, lower[1:], strict=False)]
    texts.append(tables["least" if whole else "above"].format(borders[-1], unit))
    return texts, used.labels.index(used.label(answer.value))


def _hint(key: Key) -> str:
    plain = isinstance(key.answer, NumberAnswer) and key.answer.unit == "1"
    return "number without unit" if plain else key.expects


def _hint_slots(key: Key) -> dict[str, Scalar | tuple[str, ...]]:
    slots: dict[str, Scalar | tuple[str, ...]] = {}
    if isinstance(key.answer, NumberAnswer):
        slots["unit"] = key.answer.unit
    if key.expects in PLACES:
        slots["place"] = PLACES[key.expects]
    if key.expects in ("category", "set", "ordered"):
        slots["options"] = ", ".join(key.options)
    return slots


def _header(view: View, header: Header, words: Language) -> str:
    tables = words.words.tables
    parts = [] if header == "no modality" else [tables["modality"].get(view.modality, view.modality)]
    slab = view.attributes.get("slab")
    if isinstance(slab, str) and header != "no modality":
        parts.append(tables["slab"].get(slab, slab))
    if view.spacing_mm is not None and all(view.spacing_mm):
        sizes = [n * (s or 0.0) for n, s in zip(view.shape, view.spacing_mm, strict=True)]
        parts.append(" x ".join(plain_number(round(size, 1)) for size in sizes) + " mm")
    if view.laterality in (Laterality.OD, Laterality.OS) and header == "full":
        parts.append(tables["eye"][view.laterality.value])
    return (", ".join(parts) + ".") if parts else ""


def _views_of(name: str) -> int:
    if name not in _PROGRAMS:
        raise UnknownName("program", name, _PROGRAMS)
    return 2 if _PROGRAMS[name].pair else 1


def _default_views(chart: Chart, found: Program) -> tuple[str, ...]:
    return chart.pair(found.pair) if found.pair else (chart.default_view(),)


def unjudged(expects: Kind, options: Sequence[str] = ()) -> Key:
    """Key of a question of that kind whose right answer is "cannot be judged"."""
    return Key(expects=expects, answer=Unjudged(), options=tuple(options))
