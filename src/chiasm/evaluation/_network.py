"""A small convolutional network as a baseline: what pictures and labels alone give, without language.

Two versions, both asked for stages: trained on a built data set's pictures and their visible stage, the truth that models
train on; and trained on other patients of the exam itself, real labels included, which no model here may use. Eight layers are
not needed to tell whether language is worth its price: four strided ones see 31 pixels of the 128 px picture. A field of view
has a network of its own. Nothing was chosen on real labels: exposure changes are those of the recipe `nano-octa`.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from chiasm.errors import InvalidInput
from chiasm.evaluation._cache import AnswerCache
from chiasm.evaluation._controls import answer_for_class
from chiasm.evaluation._exams import item_files, item_of_row, item_rows
from chiasm.evaluation._question import ExamItem, Picture, Reply
from chiasm.evaluation._real import STAGES, stage_answers
from chiasm.models import prepare_torch

TRAINED: Final = "small CNN, trained on synthetic images"
CROSS_VALIDATED: Final = "small CNN, cross-validated on these labels"
SIDE_PX: Final = 128
STEPS: Final = 600
"""Of batches of 32: about 40 CPU seconds."""
FOLD_STEPS: Final = 120
FOLDS: Final = 5
MOST_ROWS: Final = 8000
"""Questions of the train split that are read, the first of the data set: the network draws 19,200 pictures in all."""
_BATCH = 32
_VERSION = 1
_PROGRAMS = ("explain-stage", "stage")
_GAMMA, _GAIN, _NOISE = 0.2, 0.1, 0.02

Predict = Callable[[NDArray[np.uint8]], NDArray[np.float64]]
"""From (N, S, S) pictures to (N, K) probabilities."""


class Shelf(NamedTuple):
    """Pictures with their labels."""

    pixels: NDArray[np.uint8]
    """(N, S, S)."""
    labels: tuple[str, ...]
    sha256: str
    """Of all pictures and labels."""


def trained_replies(
    items: Sequence[ExamItem], data: str | Path, *, seed: int, cache: AnswerCache | None
) -> list[Reply]:
    """Stages by networks trained on a built data set.

    Args:
        items: Of the exam; those that ask for no stage of one picture are not answered.
        data: Folder that `chiasm build` wrote; its train split is used.
        seed: Of weights, batches and exposure.
        cache: Where replies are kept.

    Raises:
        InvalidInput: The data set has no labelled pictures.
    """
    replies = [Reply(None, problem="no stage of one picture")] * len(items)
    places = _stage_items(items)
    if not places:
        return replies
    shelves = _shelves(Path(data))
    for fov_mm, own in places.items():
        shelf = shelves.get(fov_mm)
        if shelf is None:
            for i in own:
                replies[i] = Reply(None, problem=f"{data} has no picture of {fov_mm:g} mm to train on")
            continue
        keys = {i: _key(TRAINED, seed, shelf.sha256, items[i].question.pictures[0].sha256) for i in own}
        known = {i: None if cache is None else cache.get(keys[i]) for i in own}
        todo = [i for i in own if known[i] is None]
        if todo:
            labels = np.array([STAGES.index(name) for name in shelf.labels])
            predict = fit(shelf.pixels, labels, len(STAGES), steps=STEPS, seed=seed)
            chances = predict(np.array([_shrunk(items[i].question.pictures[0]) for i in todo]))
            known |= {
                i: _reply(dict(zip(STAGES, map(float, p), strict=True))) for i, p in zip(todo, chances, strict=True)
            }
            if cache is not None:
                cache.put((keys[i], r) for i in todo if (r := known[i]) is not None)
        for i, reply in known.items():
            replies[i] = _in_answers(items[i], reply) if reply else replies[i]
    return replies


def _in_answers(item: ExamItem, reply: Reply) -> Reply:
    """A reply in stages as one in the answers of the item: that of its likeliest stage, with the chances of stages added up."""
    answers, stages = stage_answers(item), reply.scores or {}
    chances = dict.fromkeys(answers.values(), 0.0)
    for stage, chance in stages.items():
        chances[answers[stage]] += chance
    likeliest = answers[max(stages, key=lambda stage: stages[stage])]
    return Reply(f"<answer>{likeliest}</answer>", chances)


def cross_validated_replies(items: Sequence[ExamItem], *, seed: int, cache: AnswerCache | None) -> list[Reply]:
    """Two merged classes, such as healthy and DR, by networks trained on the other patients' labels of the same exam."""
    from sklearn.model_selection import StratifiedGroupKFold

    replies = [Reply(None, problem="no two classes of stages")] * len(items)
    by_task: dict[tuple[str, float], list[int]] = defaultdict(list)
    for fov_mm, places in _stage_items(items).items():
        for i in places:
            if len(items[i].classes) == 2:
                by_task[items[i].task, fov_mm].append(i)
    for own in by_task.values():
        names = items[own[0]].classes
        labels = np.array([names.index(items[i].truth) for i in own])
        patients = np.array([items[i].patient_id for i in own])
        fewest = min(len(set(patients[labels == k])) for k in range(len(names)))
        if fewest < FOLDS:
            for i in own:
                replies[i] = Reply(None, problem=f"{FOLDS} folds need {FOLDS} patients of each class, got {fewest}")
            continue
        pixels = np.array([_shrunk(items[i].question.pictures[0]) for i in own])
        digest = _digest(pixels, [items[i].truth for i in own])
        keys = [_key(CROSS_VALIDATED, seed, digest, items[i].item_id) for i in own]
        kept = [None if cache is None else cache.get(k) for k in keys]
        if None not in kept:
            for i, reply in zip(own, kept, strict=True):
                replies[i] = reply or replies[i]
            continue
        folds = StratifiedGroupKFold(FOLDS, shuffle=True, random_state=seed).split(pixels, labels, patients)
        for fold, (inside, outside) in enumerate(folds):
            predict = fit(pixels[inside], labels[inside], len(names), steps=FOLD_STEPS, seed=seed + fold)
            for k, p in zip(outside, predict(pixels[outside]), strict=True):
                answers = [answer_for_class(items[own[k]], name) for name in names]
                replies[own[k]] = _reply(dict(zip(answers, map(float, p), strict=True)))
        if cache is not None:
            cache.put((key, replies[i]) for key, i in zip(keys, own, strict=True))
    return replies


def fit(pixels: NDArray[np.uint8], labels: NDArray[np.intp], n_classes: int, *, steps: int, seed: int) -> Predict:
    """Train a network from random weights.

    Args:
        pixels: (N, S, S).
        labels: (N,) of 0 .. n_classes - 1; classes are drawn equally often.
        n_classes: Of the answer.
        steps: Batches of 32, flipped, turned and exposed at random.
        seed: Decides everything, on one machine and number of threads.
    """
    torch = prepare_torch()
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(6,)))
    shares = 1 / np.maximum(np.bincount(labels, minlength=n_classes), 1)[labels]
    chances = shares / shares.sum()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _network(torch, n_classes).to(memory_format=torch.channels_last)  # faster on processors
    optimiser = torch.optim.AdamW(network.parameters(), lr=2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        chosen = rng.choice(len(labels), _BATCH, p=chances)
        batch = torch.from_numpy(_exposed(pixels[chosen], rng))
        loss = torch.nn.functional.cross_entropy(network(batch), torch.from_numpy(labels[chosen].astype(np.int64)))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    network.eval()

    def predict(shown: NDArray[np.uint8]) -> NDArray[np.float64]:
        with torch.inference_mode():
            parts = [network(torch.from_numpy(_scaled(shown[k : k + 64]))).softmax(1) for k in range(0, len(shown), 64)]
            return np.asarray(torch.cat(parts).double().numpy())

    return predict


def _network(torch: Any, n_classes: int) -> Any:
    nn = torch.nn
    layers: list[Any] = []
    for before, after in ((1, 16), (16, 32), (32, 64), (64, 64)):
        layers += [nn.Conv2d(before, after, 3, stride=2, padding=1), nn.GroupNorm(4, after), nn.ReLU()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, n_classes))


def _exposed(pixels: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.float32]:
    """(N, 1, S, S) float32, each picture flipped, turned by quarters and exposed anew."""
    out = np.empty((len(pixels), 1, *pixels.shape[1:]), dtype=np.float32)
    for k, picture in enumerate(pixels):
        turned = np.rot90(picture[:, :: (1, -1)[int(rng.integers(2))]], int(rng.integers(4))).astype(np.float32) / 255
        gamma, gain = np.exp(rng.uniform(-_GAMMA, _GAMMA)), np.exp(rng.uniform(-_GAIN, _GAIN))
        noise = rng.standard_normal(turned.shape, dtype=np.float32) * np.float32(_NOISE * rng.random())
        out[k, 0] = np.clip(np.float32(gain) * turned ** np.float32(gamma) + noise, 0, 1)
    return out


def _scaled(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    return np.asarray(pixels[:, None], dtype=np.float32) / np.float32(255)


def _shrunk(picture: Picture) -> NDArray[np.uint8]:
    """(S, S) grey pixels, by the mean over areas."""
    image = Image.fromarray(picture.array()).convert("L")
    return np.asarray(image.resize((SIDE_PX, SIDE_PX), Image.Resampling.BOX))


def _stage_items(items: Sequence[ExamItem]) -> dict[float, list[int]]:
    """Places of the items that a stage of one picture of known size answers, by field of view [mm]."""
    by_field: dict[float, list[int]] = defaultdict(list)
    for i, item in enumerate(items):
        if stage_answers(item) and len(item.question.pictures) == 1 and item.fov_mm is not None:
            by_field[item.fov_mm].append(i)
    return by_field


def _shelves(data: Path) -> dict[float, Shelf]:
    """By field of view [mm]: the pictures of the train split, each once, with their visible stage."""
    found: dict[float, dict[str, tuple[NDArray[np.uint8], str]]] = defaultdict(dict)
    for row in islice(_stage_rows(data), MOST_ROWS):
        item = item_of_row(row)
        stage = item.truth.lower().replace(" ", "-")  # choices name stages in words: "late NPDR"
        if item.fov_mm is not None and len(item.question.pictures) == 1 and stage in STAGES:
            picture = item.question.pictures[0]
            found[item.fov_mm][picture.sha256] = (_shrunk(picture), stage)
    if not found:
        msg = f"{data} has no train split with the programs {' or '.join(_PROGRAMS)}; give a folder that chiasm build wrote"
        raise InvalidInput(msg)
    shelves = {}
    for fov_mm, known in found.items():
        pixels, labels = np.array([p for p, _ in known.values()]), [name for _, name in known.values()]
        shelves[fov_mm] = Shelf(pixels, tuple(labels), _digest(pixels, labels))
    return shelves


def _stage_rows(data: Path) -> Iterator[dict[str, Any]]:
    for file in item_files(data):
        yield from item_rows(file, {"program": _PROGRAMS, "split": ("train",)})


def _digest(pixels: NDArray[np.uint8], labels: Sequence[str]) -> str:
    return hashlib.sha256(pixels.tobytes() + "\0".join(labels).encode()).hexdigest()


def _key(kind: str, seed: int, data: str, picture: str) -> str:
    return hashlib.sha256(f"{kind} {_VERSION} {seed} {data} {picture}".encode()).hexdigest()


def _reply(chances: dict[str, float]) -> Reply:
    return Reply(f"<answer>{max(chances, key=lambda name: chances[name])}</answer>", chances)
