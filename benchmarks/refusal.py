"""Is what is no OCTA refused, and what is not? Two hundred foreign pictures, and real healthy eyes.

    CHIASM_DATA=... python benchmarks/refusal.py [--model nano] [--picture P.png]

Foreign: 60 slices of a real CT and 40 of a real MR (`totalsegmentator`), and 100 squares cut from the photographs, microscopy,
fundus picture and printed pages that come with scikit-image. Genuine: the NORMAL images of OCTA-500's half for development.
`chiasm answer` refuses by `measure.familiarity`; with --model, that model is also asked whether the picture is OCTA. None of these
pictures was used to train or to choose anything. Needs the extra `medical`.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from pathlib import Path

import nibabel
import numpy as np
import skimage.data
from numpy.typing import NDArray
from PIL import Image
from skimage.color import rgb2gray
from skimage.transform import resize

from chiasm.case import View
from chiasm.evaluation import Picture, Question, load_exam, load_model
from chiasm.evaluation.statistics import wilson
from chiasm.measure import familiarity
from chiasm.questions import Key, YesNoAnswer, parse_answer, prompt_about

SIDE_PX = 304
SEED = 3
SLICES = {"example_ct.nii.gz": 60, "example_mr_sm.nii.gz": 40}
BUNDLED = (
    "astronaut",
    "brick",
    "camera",
    "cell",
    "chelsea",
    "coffee",
    "coins",
    "colorwheel",
    "grass",
    "gravel",
    "horse",
    "hubble_deep_field",
    "immunohistochemistry",
    "logo",
    "microaneurysms",
    "moon",
    "page",
    "retina",
    "rocket",
    "text",
)
CUTS = 5
IS_OCTA = Key(expects="yesno", answer=YesNoAnswer(yes=True))


def foreign(folder: Path) -> Iterator[tuple[str, NDArray[np.uint8]]]:
    """(kind, (S, S) uint8) of each picture that is not OCTA."""
    rng = np.random.default_rng(SEED)
    for name, count in SLICES.items():
        volume = np.asarray(nibabel.load(folder / name).dataobj, dtype=np.float32)
        for k in np.linspace(0.1, 0.9, count):
            axis = int(rng.integers(3))
            yield name.split("_")[1], _grey(np.take(volume, int(k * volume.shape[axis]), axis))
    for name in BUNDLED:
        whole = np.asarray(getattr(skimage.data, name)())
        for _ in range(CUTS):
            side = int(min(whole.shape[:2]) * rng.uniform(0.5, 1))
            row, col = (int(rng.integers(n - side + 1)) for n in whole.shape[:2])
            cut = whole[row : row + side, col : col + side]
            yield "bundled", _grey(rgb2gray(cut[..., :3]) if cut.ndim == 3 else cut)


def genuine(folder: Path) -> Iterator[NDArray[np.uint8]]:
    """(H, W) uint8 of each NORMAL eye of the half for development."""
    for item in load_exam(f"octa500:{folder}").items:
        if item.truth == "healthy":
            yield item.question.pictures[0].array()


def _grey(plane: NDArray[np.generic]) -> NDArray[np.uint8]:
    plane = np.asarray(plane, dtype=np.float32)
    low, high = np.percentile(plane, (0.5, 99.5))
    scaled = np.clip((plane - low) / max(high - low, 1e-6), 0, 1)
    return np.asarray(np.rint(255 * resize(scaled, (SIDE_PX, SIDE_PX), anti_aliasing=True)), dtype=np.uint8)


def _question(name: str, pixels: NDArray[np.uint8]) -> Question:
    view = View(view_id=name, modality="OCTA en face", pixels=pixels, spacing_mm=(None, None))
    return Question(
        question_id=name,
        prompt=prompt_about(view, "modality-check", IS_OCTA, header="no modality"),
        pictures=(Picture.from_array(pixels),),
        options=("yes", "no"),
    )


def asked(model: str, shown: list[tuple[str, NDArray[np.uint8]]]) -> list[bool]:
    """Whether the model says of each picture that it is no OCTA."""
    questions = [_question(f"{kind} {number}", pixels) for number, (kind, pixels) in enumerate(shown)]
    replies = load_model(model).answer(questions)
    answers = [parse_answer(reply.text or "", IS_OCTA).tolerant.answer for reply in replies]
    return [answer == YesNoAnswer(yes=False) for answer in answers]


def main() -> None:
    """Look, ask, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", help="also ask this model, named as for chiasm evaluate")
    parser.add_argument("--picture", type=Path, help="draw the foreign pictures that were taken for OCTA")
    args = parser.parse_args()
    root = Path(os.environ["CHIASM_DATA"])
    strange = list(foreign(root / "totalsegmentator"))
    shown = strange + [("genuine", pixels) for pixels in genuine(root / "octa500")]
    found = [familiarity(pixels) for _, pixels in shown]
    kinds = np.array([kind for kind, _ in shown])
    verdicts = {"measure.familiarity": [not like.is_octa for like in found]}
    if args.model:
        verdicts[args.model] = asked(args.model, shown)
    for judge, refused in verdicts.items():
        rows = [("not OCTA", kinds != "genuine"), *((k, kinds == k) for k in dict.fromkeys(kinds.tolist()))]
        for label, chosen in rows:
            hits = np.asarray(refused)[chosen]
            low, high = wilson(int(hits.sum()), len(hits))
            print(
                f"{judge}: {label:10s} refused {hits.sum():4d} of {len(hits):4d}: {hits.mean():.3f} ({low:.3f} to {high:.3f})"
            )
    nearest = {k: [like.distance for like, kind in zip(found, kinds, strict=True) if kind == k] for k in set(kinds)}
    print(f"limit {found[0].limit:.1f}; farthest genuine {max(nearest.pop('genuine')):.1f}", end="; ")
    print(f"nearest foreign {min(min(distances) for distances in nearest.values()):.1f}")
    taken = [pixels for (_, pixels), like in zip(strange, found, strict=False) if like.is_octa]
    if args.picture and taken:
        Image.fromarray(np.hstack([np.asarray(Image.fromarray(p).resize((152, 152))) for p in taken[:12]])).save(
            args.picture
        )


if __name__ == "__main__":
    main()
