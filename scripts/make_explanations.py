"""Make the three explanations of docs/questions.md: the picture with the evidence drawn in, and the texts beside it.

python scripts/make_explanations.py
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import binary_dilation
from skimage.segmentation import find_boundaries

from chiasm.case import Case
from chiasm.questions import Item, Style, ask
from chiasm.worlds.octa import OctaRequest, OctaWorld, Shot

DOCS: Final = Path(__file__).parents[1] / "docs"
SEED: Final = 12
GAP_PX: Final = 8
EXAMPLES: Final[tuple[tuple[str, Style], ...]] = (
    ("early-npdr", "short"),
    ("late-npdr", "findings"),
    ("pdr", "teaching"),
)
COLOURS: Final = {
    "foveal avascular zone": (70, 200, 110),
    "capillary dropout": (255, 160, 40),
    "microaneurysm": (255, 240, 60),
    "intraretinal microvascular abnormality": (60, 220, 230),
    "neovascularization": (240, 80, 235),
}
GREYS: Final = 128
WHITE: Final = (255, 255, 255)
ROOM_PX: Final = {"microaneurysm": 3}
"""Outlines stay clear of what they surround, small things by more [px]."""


class Explained(NamedTuple):
    """One eye and what is said of it."""

    case: Case
    item: Item


def explained(stage: str, style: Style, number: int) -> Explained:
    """An eye of a stage, explained in a style."""
    world = OctaWorld(OctaRequest(case_id=f"example-{number}", stage=stage, shots=(Shot(artefacts="none"),)))
    rng = np.random.default_rng(np.random.SeedSequence(SEED, spawn_key=(number,)))
    case = world.render(world.sample(rng))
    item = ask(case, "explain-stage", rng, form="free", style=style)
    if not isinstance(item, Item):
        msg = f"example {number} is not asked: {item.label}; choose another SEED"
        raise ValueError(msg)
    return Explained(case, item)


def drawn(example: Explained) -> NDArray[np.uint8]:
    """(H, W) indices into `palette`: the image, and the outline of every finding that the explanation rests on."""
    picture = example.case.view(example.item.view_ids[0]).pixels // 2
    findings = {finding.finding_id: finding for finding in example.case.findings}
    for evidence in example.item.evidence:
        finding = findings[evidence.finding_id]
        region = finding.region(evidence.view_id)
        if finding.term not in COLOURS or region is None or region.mask is None:
            continue
        mask = binary_dilation(region.mask.to_array(), iterations=ROOM_PX.get(finding.term, 1))
        picture[find_boundaries(mask, mode="thick")] = GREYS + list(COLOURS).index(finding.term)
    return picture


def palette() -> list[int]:
    """Greys, then the colours: speckle takes half the bytes of full colour, and no outline fades into grey."""
    greys = [(2 * level, 2 * level, 2 * level) for level in range(GREYS)]
    return [value for colour in [*greys, *COLOURS.values(), WHITE] for value in colour]


def main() -> None:
    """Write the picture, and the texts between the marks of the document."""
    examples = [explained(stage, style, n) for n, (stage, style) in enumerate(EXAMPLES)]
    pictures = [drawn(example) for example in examples]
    gap = np.full((pictures[0].shape[0], GAP_PX), GREYS + len(COLOURS), np.uint8)
    page = np.concatenate([part for picture in pictures for part in (picture, gap)][:-1], axis=1)
    path = DOCS / "pictures" / "explanations.png"
    image = Image.fromarray(page, mode="P")
    image.putpalette(palette())
    image.save(path, optimize=True)
    texts = [
        f"**{place}** (`{e.item.style}`): {e.item.reasoning} **Answer: {e.item.answer_text}.**"
        for place, e in zip(("Left", "Middle", "Right"), examples, strict=True)
    ]
    document = DOCS / "questions.md"
    marked = re.compile(r"(<!-- explanations -->\n).*?(<!-- /explanations -->)", re.DOTALL)
    text, n = marked.subn(lambda m: m[1] + "\n\n".join(texts) + "\n" + m[2], document.read_text(encoding="utf-8"))
    if n != 1:
        msg = f"{document} must hold one pair of the marks <!-- explanations --> and <!-- /explanations -->"
        raise ValueError(msg)
    document.write_text(text, encoding="utf-8")
    print(path, path.stat().st_size, "bytes")
    print("\n\n".join(texts))


if __name__ == "__main__":
    main()
