"""The rules about a whole data set: leaks between splits, duplicates, and what answers alone would give away."""

from __future__ import annotations

from collections import Counter, defaultdict
from itertools import combinations
from typing import Final

import numpy as np
from scipy.special import chdtrc

from chiasm.corpus._check_rows import FileFindings
from chiasm.corpus._fingerprint import NEAR_BITS, mirrored, near_pairs
from chiasm.corpus._problem import Problems
from chiasm.questions import LETTERS

LETTER_P: Final = 1e-4
"""Letters this unlikely under a uniform draw are an error: one false alarm in 10,000 clean sets."""
_FEW: Final = 30
"""Answers below which balance is not judged."""
_OUTLIER: Final = 8.0
"""Robust standard deviations from the median beyond which an image's grey levels are out of range."""


def check_splits(found: list[FileFindings], problems: Problems) -> None:
    """Ids, patients and questions over the whole set."""
    ids = Counter(i for f in found for i in f.item_ids)
    for name, n in ids.items():
        if n > 1:
            problems.add("item id", name, f"is the id of {n} rows")
    asked = Counter(a for f in found for a in f.asked)
    repeated = sum(n - 1 for n in asked.values())
    if repeated:
        problems.add("repeated question", "the set", f"{repeated} rows repeat the question and images of another row")
    homes: dict[str, set[str]] = defaultdict(set)
    for f in found:
        for patient in f.patients:
            homes[patient].add(f.split)
    for patient, splits in sorted(homes.items()):
        if len(splits) > 1:
            problems.add("patient leak", patient, f"is in {' and '.join(sorted(splits))}")


def check_images(found: list[FileFindings], problems: Problems) -> None:
    """Duplicates, exact and near, and grey levels unlike the others'."""
    first: dict[bytes, tuple[str, str, str]] = {}
    for f in found:
        for sha, patient, where in zip(f.image_sha, f.image_patient, f.image_where, strict=True):
            split, other, there = first.setdefault(sha, (f.split, patient, where))
            if split != f.split or other != patient:
                problems.add(
                    "exact duplicate", where, f"is the image of {there} ({split}, patient {other or 'unknown'})"
                )
    splits = list(dict.fromkeys(f.split for f in found))
    for a, b in combinations(splits, 2):
        _near(a, b, found, problems)
    levels = np.array([x for f in found for x in f.image_mean_sd]).reshape(-1, 2)
    places = [w for f in found for w in f.image_where]
    if len(levels) < _FEW:
        return
    for column, name in enumerate(("mean", "spread")):
        middle = np.median(levels[:, column])
        width = max(1.4826 * float(np.median(np.abs(levels[:, column] - middle))), 1.0)
        for i in np.flatnonzero(np.abs(levels[:, column] - middle) > _OUTLIER * width):
            problems.add(
                "image statistics",
                places[i],
                f"{name} of grey levels {levels[i, column]:.1f}, where the others have {middle:.1f} +- {width:.1f}",
            )


def check_answers(found: list[FileFindings], problems: Problems) -> None:
    """Letters uniform; every answer present in every split, and none nearly always right."""
    letters: dict[int, Counter[str]] = defaultdict(Counter)
    for f in found:
        for (options, letter), n in f.letters.items():
            letters[options][letter] += n
    for options, counts in sorted(letters.items()):
        seen = [counts[LETTERS[i]] for i in range(options)]
        if options > 1 and sum(seen) >= 5 * options:
            p = _uniform_p(seen)
            if p < LETTER_P:
                problems.add("letters", f"{options} options", f"right letters occur {seen} times, p = {p:.1e}")
    answers: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for f in found:
        for (program, kind, answer), n in f.answers.items():
            if kind in ("yesno", "category"):
                answers[program][f.split][answer] += n
    for program, by_split in sorted(answers.items()):
        total = sum(by_split.values(), Counter())
        answer, most = total.most_common(1)[0]
        if total.total() >= _FEW and most / total.total() > 0.95:
            problems.add("classes", program, f"{answer!r} is right in {most} of {total.total()} questions")
        for split, counts in by_split.items():
            missing = sorted(set(total) - set(counts))
            if missing and counts.total() >= _FEW:
                problems.add("classes", program, f"{split} never has the answer {', '.join(map(repr, missing))}")


def _near(a: str, b: str, found: list[FileFindings], problems: Problems) -> None:
    """Near-duplicates between two splits; exact ones are told elsewhere."""
    sides = []
    for split in (a, b):
        of = [f for f in found if f.split == split]
        shas = [sha for f in of for sha in f.image_sha]
        places = [w for f in of for w in f.image_where]
        prints = np.concatenate([f.prints() for f in of])
        sides.append((shas, places, prints))
    (shas, places, prints), (other_shas, other_places, other_prints) = sides
    for how, candidates in (("a near-copy", other_prints), ("a mirrored near-copy", mirrored(other_prints))):
        for pair in near_pairs(prints, candidates, NEAR_BITS):
            if shas[pair.first] != other_shas[pair.second]:
                message = f"is {how} of {other_places[pair.second]} ({pair.bits} of 256 bits differ)"
                problems.add("near duplicate", places[pair.first], message)


def _uniform_p(seen: list[int]) -> float:
    """Probability of counts at least this uneven under a uniform draw (Pearson's chi-square test)."""
    expected = sum(seen) / len(seen)
    statistic = sum((n - expected) ** 2 for n in seen) / expected
    return float(chdtrc(len(seen) - 1, statistic))
