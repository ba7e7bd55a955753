"""Baselines that look at pixels but know no retina: what a few numbers of the image already tell.

Low flow: the share of pixels below 0.22 after a Gaussian blur of sigma 2 px. It separates DR from NORMAL in OCTA-500 with
AUC 0.94 at 3 mm, so a model must be reported beside it. Its decision is learned on other patients of the same exam (folds), or
on the other field of view, to show how little a threshold carries over.
"""

from __future__ import annotations

import hashlib
import math
import warnings
from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from chiasm.errors import InvalidInput
from chiasm.evaluation._cache import AnswerCache
from chiasm.evaluation._class_figures import FEWEST
from chiasm.evaluation._controls import answer_for_class
from chiasm.evaluation._question import ExamItem, Picture, Reply
from chiasm.evaluation._real import stage_answers
from chiasm.measure import StageEvidence, nonperfused_share, stage

LOW_FLOW = "low-flow pixels"
CARRIED = "low-flow pixels, threshold of the other field"
BIOMARKERS = "biomarker rule"
AGE = "age alone"
LEVEL = 0.22
SIGMA_PX = 2.0
_FOLDS = 10
_RULE_VERSION = 4
_NOT_APPLICABLE = Reply(None, problem="not a classification of one image")


def low_flow_share(pixels: NDArray[np.uint8]) -> float:
    """Share of pixels below `LEVEL` after a Gaussian blur of `SIGMA_PX`. pixels: (H, W) or (H, W, 3) uint8."""
    grey = pixels if pixels.ndim == 2 else pixels.mean(axis=2)
    smooth = gaussian_filter(grey.astype(np.float32) / 255.0, SIGMA_PX)
    return float((smooth < LEVEL).mean())


def low_flow_replies(items: Sequence[ExamItem], rng: np.random.Generator) -> list[Reply]:
    """A decision from the low-flow share alone; see `_fitted_replies`."""
    return _fitted_replies(items, _low_flow_of_item(), rng)


def _low_flow_of_item() -> Callable[[ExamItem], float]:
    """The low-flow share of an item's first picture; many items share one picture, which is looked at once."""
    known: dict[str, float] = {}

    def share(item: ExamItem) -> float:
        picture = item.question.pictures[0]
        if picture.sha256 not in known:
            known[picture.sha256] = low_flow_share(picture.array())
        return known[picture.sha256]

    return share


def age_replies(items: Sequence[ExamItem], rng: np.random.Generator) -> list[Reply]:
    """A decision from the patient's age alone, for items that know it: in some collections the ill are simply older."""
    known = [item for item in items if item.age is not None]
    following = iter(_fitted_replies(known, lambda item: float(item.age or 0), rng))
    return [Reply(None, problem="age not known") if item.age is None else next(following) for item in items]


def _fitted_replies(
    items: Sequence[ExamItem], number: Callable[[ExamItem], float], rng: np.random.Generator
) -> list[Reply]:
    """A logistic regression on one number, fitted for each task and field of at least `FEWEST` items on other patients.

    The score of two classes is the number itself, for the second class, so that AUC has no fitted part.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    replies = [_NOT_APPLICABLE] * len(items)
    for places in _by_field(items).values():
        if len(places) < FEWEST:
            for i in places:
                replies[i] = Reply(None, problem=f"fewer than {FEWEST} items to fit on")
            continue
        values = np.array([number(items[i]) for i in places])
        truth = np.array([items[i].truth for i in places])
        folds = _folds([items[i].patient_id for i in places], rng)
        spread = float(values.std()) or 1.0
        for fold in np.unique(folds):
            inside, outside = np.flatnonzero(folds == fold), folds != fold
            if len(np.unique(truth[outside])) < 2:
                for k in inside:
                    replies[places[k]] = Reply(None, problem="the other patients show one class only")
                continue
            with warnings.catch_warnings():
                # where one number parts the classes the curve has no steepest form, and any steep one decides alike
                warnings.simplefilter("ignore", ConvergenceWarning)
                # Newton's steps: a tenth of the time of the default on one number
                fitted = LogisticRegression(class_weight="balanced", C=1e4, solver="newton-cholesky").fit(
                    values[outside, None] / spread, truth[outside]
                )
            chances = fitted.predict_proba(values[inside, None] / spread)
            for k, row in zip(inside, chances, strict=True):
                named = dict(zip(map(str, fitted.classes_), map(float, row), strict=True))
                replies[places[k]] = _decide(items[places[k]], named, float(values[k]))
    return replies


def carried_threshold_replies(items: Sequence[ExamItem]) -> list[Reply]:
    """Two classes by the threshold that is best (Youden) on the other field of view."""
    replies = [_NOT_APPLICABLE] * len(items)
    share_of = _low_flow_of_item()
    by_task: dict[str, list[tuple[float | None, list[int]]]] = defaultdict(list)
    for (task, fov_mm), places in _by_field(items).items():
        by_task[task].append((fov_mm, places))
    for parts in by_task.values():
        if len(parts) != 2 or len(items[parts[0][1][0]].classes) != 2:
            continue
        for (_, own), (_, other) in (parts, parts[::-1]):
            threshold = _youden([items[i] for i in other], share_of)
            if math.isnan(threshold):
                continue
            for i in own:
                share = share_of(items[i])
                name = items[i].classes[int(share > threshold)]
                replies[i] = Reply(f"<answer>{answer_for_class(items[i], name)}</answer>", _score(items[i], share))
    return replies


def biomarker_replies(items: Sequence[ExamItem], cache: AnswerCache | None = None) -> list[Reply]:
    """The stage by the written rule from the non-perfused share that `chiasm measure` estimates; lesions are not looked for.

    Answers tasks that a stage answers; score: the non-perfused share. Measuring takes a good part of a second an image,
    so what is known of an image is kept.
    """
    known: dict[str, Reply] = {}
    replies = []
    for item in items:
        answers = stage_answers(item)
        if not answers or len(item.question.pictures) != 1 or item.fov_mm is None:
            replies.append(Reply(None, problem="not a stage of one image of known size"))
            continue
        picture = item.question.pictures[0]
        key = hashlib.sha256(f"{BIOMARKERS} {_RULE_VERSION} {picture.sha256} {item.fov_mm}".encode()).hexdigest()
        reply = known.get(key) or (cache.get(key) if cache is not None else None)
        if reply is None:
            reply = _by_rule(picture, item.fov_mm)
            if cache is not None:
                cache.put([(key, reply)])
        known[key] = reply
        if reply.scores is None:
            replies.append(reply)
            continue
        scores = _score(item, reply.scores["share"]) if len(item.classes) == 2 else None
        replies.append(Reply(f"<answer>{answers[str(reply.text)]}</answer>", scores))
    return replies


def _by_rule(picture: Picture, fov_mm: float) -> Reply:
    """The stage by name, and the share it rests on."""
    try:
        share = min(nonperfused_share(picture.array(), fov_mm), 1.0)
    except InvalidInput as error:
        return Reply(None, problem=f"not measurable: {error}")
    return Reply(stage(StageEvidence(nonperfusion_fraction=share)).stage.value, {"share": share})


def _by_field(items: Sequence[ExamItem]) -> dict[tuple[str, float | None], list[int]]:
    groups: dict[tuple[str, float | None], list[int]] = defaultdict(list)
    for place, item in enumerate(items):
        if item.classes and len(item.question.pictures) == 1:
            groups[item.task, item.fov_mm].append(place)
    return groups


def _folds(patients: list[str], rng: np.random.Generator) -> NDArray[np.intp]:
    """Fold of each item; a patient is in one fold only."""
    names = sorted(set(patients))
    order = rng.permutation(len(names))
    place = {name: int(order[i]) % _FOLDS for i, name in enumerate(names)}
    return np.array([place[p] for p in patients], dtype=np.intp)


def _youden(items: Sequence[ExamItem], share_of: Callable[[ExamItem], float]) -> float:
    shares = np.array([share_of(item) for item in items])
    positive = np.array([item.truth == item.classes[1] for item in items])
    if positive.all() or not positive.any():
        return math.nan
    values = np.unique(shares)
    cuts = (values[1:] + values[:-1]) / 2
    gain = [float((shares[positive] > c).mean() - (shares[~positive] > c).mean()) for c in cuts]
    return float(cuts[int(np.argmax(gain))]) if gain else math.nan


def _decide(item: ExamItem, chances: dict[str, float], share: float) -> Reply:
    best = max(chances, key=lambda name: chances[name])
    text = f"<answer>{answer_for_class(item, best)}</answer>"
    if len(item.classes) == 2:
        return Reply(text, _score(item, share))
    return Reply(text, {answer_for_class(item, name): p for name, p in chances.items()})


def _score(item: ExamItem, share: float) -> dict[str, float]:
    """The share as the score of the second class."""
    return {answer_for_class(item, item.classes[1]): share}
