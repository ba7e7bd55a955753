"""Make the synthetic pictures of the documentation; no real image enters.

python scripts/make_pictures.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from chiasm.case import Case
from chiasm.worlds.octa import OctaRequest, OctaWorld, Shot

SEED = 10
COLOURS = {
    "artery": (230, 70, 60),
    "vein": (70, 110, 235),
    "foveal avascular zone": (60, 170, 90),
    "capillary dropout": (245, 150, 40),
    "intraretinal microvascular abnormality": (60, 220, 230),
    "neovascularization": (225, 60, 220),
    "microaneurysm": (255, 240, 60),
}


def overlay(case: Case, view_id: str) -> NDArray[np.uint8]:
    """What the case knows about a view, over the dimmed view: (H, W, 3)."""
    picture = np.repeat(case.view(view_id).pixels[..., None] // 3, 3, axis=2).astype(np.float32)
    for name, colour in COLOURS.items():
        strength = 0.35 if name in ("capillary dropout", "foveal avascular zone") else 0.85
        for finding in case.find(name, view_id=view_id, visible=True):
            region = finding.region(view_id)
            if region is not None and region.mask is not None:
                mask = region.mask.to_array()
                picture[mask] = (1 - strength) * picture[mask] + strength * np.array(colour, dtype=np.float32)
    return picture.astype(np.uint8)


def main() -> None:
    """The README's picture: one eye of each stage, and what its case knows."""
    columns = []
    for k, stage in enumerate(("healthy", "early-npdr", "late-npdr", "pdr")):
        world = OctaWorld(OctaRequest(stage=stage, fov_mm=3.0, shots=(Shot(artefacts="none"),)))
        case = world.render(world.sample(np.random.default_rng(np.random.SeedSequence(SEED, spawn_key=(k,)))))
        view = case.views[0]
        grey = np.repeat(view.pixels[..., None], 3, axis=2)
        columns.append(np.concatenate([grey, overlay(case, view.view_id)]))
    out = Path(__file__).parents[1] / "docs" / "pictures" / "stages.png"
    out.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate(columns, axis=1)).save(out, optimize=True)
    print(out)


if __name__ == "__main__":
    main()
