"""What changes when it should not, and what stays when it should change: one table of drops with intervals.

Every line compares a model with itself on the same items, so that the intervals are paired by patient.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from chiasm.errors import InvalidInput, UnknownName
from chiasm.evaluation._asking import ask_all_items
from chiasm.evaluation._cache import AnswerCache
from chiasm.evaluation._marking import Marked, mark_all
from chiasm.evaluation._model import Model
from chiasm.evaluation._question import Exam, ExamItem, Picture
from chiasm.evaluation.robustness._corruptions import CORRUPTIONS, corrupt
from chiasm.evaluation.robustness._pairs import answer_of
from chiasm.evaluation.robustness._rewording import WORDINGS, paraphrased, reordered, reworded
from chiasm.evaluation.robustness._rows import StressRow, score_row, share_row

TESTS: Final = ("corruption", "wording", "paraphrase", "option order", "negative control")
_PARAPHRASES: Final = 3


@dataclass(frozen=True, kw_only=True)
class StressOptions:
    """Which tests, how hard."""

    tests: tuple[str, ...] = TESTS
    corruptions: tuple[str, ...] = tuple(CORRUPTIONS)
    severities: tuple[int, ...] = (1, 3, 5)
    """1 (hardly seen) to 5 (would be taken again)."""
    seed: int = 0
    batch_size: int = 16
    quiet: bool = False

    def __post_init__(self) -> None:
        for test in self.tests:
            if test not in TESTS:
                raise UnknownName("robustness test", test, TESTS)
        for name in self.corruptions:
            if name not in CORRUPTIONS:
                raise UnknownName("corruption", name, CORRUPTIONS)
        if not self.severities or not set(self.severities) <= {1, 2, 3, 4, 5}:
            msg = f"severities must be some of 1 to 5, got {self.severities}"
            raise InvalidInput(msg)


def stress(model: Model, exam: Exam, options: StressOptions, *, cache: AnswerCache | None = None) -> list[StressRow]:
    """Run the tests that apply to an exam.

    Args:
        model: Who answers.
        exam: The unchanged items; they are asked first (from the cache, where it knows them).
        options: Which tests.
        cache: Where replies are kept.
    """
    run = _Run(model, exam, options, cache)
    rows: list[StressRow] = []
    if "corruption" in options.tests:
        for name in options.corruptions:
            for severity in options.severities:
                rows += run.against(
                    "corruption", f"{name} {severity}", _corrupted(exam.items, name, severity, options.seed)
                )
    if "wording" in options.tests:
        frames = [[reworded(i, k) for i in exam.items] for k in range(len(WORDINGS))]
        rows += run.against_several("wording", "wording", frames)
    if "paraphrase" in options.tests:
        others = [
            [paraphrased(i, _rng(options.seed, i, f"paraphrase {k}")) for i in exam.items] for k in range(_PARAPHRASES)
        ]
        rows += run.against_several("paraphrase", "paraphrase", others)
    if "option order" in options.tests:
        moved = [reordered(i, _rng(options.seed, i, "order")) for i in exam.items]
        rows += run.against("option order", "shuffled", moved)
    if "negative control" in options.tests:
        for name, make in _NEGATIVE.items():
            rows += run.unjudgeable(name, make)
    return rows


class _Run:
    def __init__(self, model: Model, exam: Exam, options: StressOptions, cache: AnswerCache | None) -> None:
        self._model, self._exam, self._options, self._cache = model, exam, options, cache
        self._names = model.name, exam.name
        self._before = self._ask(exam.items, "unchanged")

    def against(self, test: str, level: str, changed: Sequence[ExamItem | None]) -> list[StressRow]:
        """The score and the answers of changed items beside those of the same items unchanged."""
        return self._rows(test, level, self._changed(f"{test}: {level}", changed))

    def against_several(self, test: str, name: str, versions: Sequence[Sequence[ExamItem | None]]) -> list[StressRow]:
        """The same for several versions of each item, and the share answered alike in all of them and unchanged."""
        asked = [self._changed(f"{test}: {name} {k + 1}", version) for k, version in enumerate(versions)]
        rows = [row for k, after in enumerate(asked) for row in self._rows(test, f"{name} {k + 1}", after)]
        whole = [i for i in range(len(self._before)) if all(i in after for after in asked)]
        hits = []
        for i in whole:
            seen = [self._before[i], *(after[i] for after in asked)]
            same = float(len({answer_of(m) for m in seen}) == 1)
            hits.append(same if all(m.scored for m in seen) else math.nan)
        if not whole:
            return rows
        patients = [self._before[i].item.patient_id for i in whole]
        return [*rows, share_row(*self._names, test, f"all {len(versions)}", "same answer", hits, patients)]

    def _changed(self, label: str, changed: Sequence[ExamItem | None]) -> dict[int, Marked]:
        """Marks of the changed items, by place; items without a changed version have none."""
        places = [i for i, item in enumerate(changed) if item is not None]
        return dict(zip(places, self._ask([item for item in changed if item is not None], label), strict=True))

    def _rows(self, test: str, level: str, after: Mapping[int, Marked]) -> list[StressRow]:
        both = [(self._before[i], m) for i, m in after.items()]
        kept = [(x, y) for x, y in both if x.scored and y.scored]
        if not kept:
            return []
        hits = [float(answer_of(x) == answer_of(y)) if x.scored and y.scored else math.nan for x, y in both]
        before, changed = [x for x, _ in kept], [y for _, y in kept]
        return [
            score_row(*self._names, test, level, before, changed, lost=len(both) - len(kept)),
            share_row(*self._names, test, level, "same answer", hits, [x.item.patient_id for x, _ in both]),
        ]

    def unjudgeable(
        self, name: str, make: Callable[[tuple[int, ...], np.random.Generator], NDArray[np.uint8]]
    ) -> list[StressRow]:
        """How often the model says that a picture of nothing cannot be judged."""
        items = []
        for item in self._exam.items:
            rng = _rng(self._options.seed, item, name)
            pictures = tuple(Picture.from_array(make(p.array().shape, rng)) for p in item.question.pictures)
            items.append(replace(item, question=item.question.with_pictures(pictures)))
        after = self._ask(items, f"negative control: {name}")
        hits = [float(m.abstained) if m.scored else math.nan for m in after]
        patients = [m.item.patient_id for m in after]
        return [share_row(*self._names, "negative control", name, "cannot be judged", hits, patients)]

    def _ask(self, items: Sequence[ExamItem], label: str) -> list[Marked]:
        asked = ask_all_items(
            self._model,
            items,
            cache=self._cache,
            batch_size=self._options.batch_size,
            quiet=self._options.quiet,
            label=f"{self._model.name}, {label}",
        )
        return mark_all(items, asked.replies)


def _corrupted(items: Sequence[ExamItem], name: str, severity: int, seed: int) -> list[ExamItem | None]:
    out: list[ExamItem | None] = []
    made: dict[str, Picture] = {}
    for item in items:
        pictures = []
        for picture in item.question.pictures:
            if picture.sha256 not in made:  # one image is made worse in one way, whatever is asked about it
                rng = _generator(seed, f"{picture.sha256} {name} {severity}")
                made[picture.sha256] = Picture.from_array(corrupt(picture.array(), name, severity, rng))
            pictures.append(made[picture.sha256])
        out.append(replace(item, question=item.question.with_pictures(tuple(pictures))))
    return out


def _rng(seed: int, item: ExamItem, what: str) -> np.random.Generator:
    return _generator(seed, f"{item.item_id} {what}")


def _generator(seed: int, name: str) -> np.random.Generator:
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(zlib.crc32(name.encode()),)))


def _noise_picture(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.uint8]:
    return rng.integers(0, 256, shape, dtype=np.uint8)


def _blank_picture(shape: tuple[int, ...], _rng: np.random.Generator) -> NDArray[np.uint8]:
    return np.zeros(shape, np.uint8)


def _stripes_picture(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.uint8]:
    """A test pattern: stripes of a drawn width and angle."""
    rows, cols = np.ogrid[: shape[0], : shape[1]]
    angle, width = rng.uniform(0, np.pi), rng.uniform(4, 24)
    wave = np.sin((rows * np.cos(angle) + cols * np.sin(angle)) * 2 * np.pi / width) > 0
    grey = np.asarray(wave * 255, dtype=np.uint8)
    return grey if len(shape) == 2 else np.repeat(grey[..., None], shape[2], axis=2)


_NEGATIVE: Final = {"noise": _noise_picture, "black": _blank_picture, "stripes": _stripes_picture}
