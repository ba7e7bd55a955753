"""OCTA-25K-IQA-SEG, the part with foveal avascular zone masks (Wang et al. 2021; CC BY 4.0).

Layout: `index.csv` (id, layer, ...), `image/<id>.png`, `mask/<id>.png`. Images were resized to 512 x 512 by the source, and
only the superficial ones have a stated field of view (3 x 3 mm); deep ones get no spacing, so that areas in mm2 are refused.
The collection does not say which images share a patient: each is a patient of its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from chiasm.case import Case, Fact, Finding, Laterality, Mask, Origin, Region, View
from chiasm.errors import InvalidInput
from chiasm.sources._image import load_image, load_mask
from chiasm.sources._problems import OnProblem, report
from chiasm.sources._tables import read_table

_FOV_MM = {"superficial": 3.0}


def read_octa25k_faz(root: str | Path, *, on_problem: OnProblem | None = None) -> Iterator[Case]:
    """Cases with the view "octa" and one finding, the foveal avascular zone's mask, in the order of the index.

    Raises:
        InvalidInput: No index, or (without `on_problem`) an entry cannot be read.
    """
    base = Path(root)
    seen: set[str] = set()
    for row in read_table(base / "index.csv", required=("id", "layer")):
        name = row["id"]
        if name in seen:
            report(on_problem, f"id {name}", "ids must be unique, this one is listed again; the first was kept")
            continue
        seen.add(name)
        try:
            yield _case(base, name, row["layer"])
        except InvalidInput as error:
            report(on_problem, f"id {name}", str(error))


def _case(base: Path, name: str, layer: str) -> Case:
    if layer not in ("superficial", "deep"):
        msg = f"layer must be superficial or deep, got {layer!r}"
        raise InvalidInput(msg)
    loaded = load_image(base / "image" / f"{name}.png")
    height, width = loaded.pixels.shape
    mask = load_mask(base / "mask" / f"{name}.png", shape=(height, width))
    fov_mm = _FOV_MM.get(layer)
    view = View(
        view_id="octa",
        modality="OCTA en face",
        pixels=loaded.pixels,
        spacing_mm=(fov_mm / height, fov_mm / width) if fov_mm else None,
        laterality=Laterality.UNKNOWN,
        attributes={"slab": layer} | ({"fov_mm": fov_mm} if fov_mm else {}),
    )
    zone = Finding(
        finding_id="FAZ",
        term="foveal avascular zone",
        regions=(Region(view_id="octa", mask=Mask.from_array(mask)),),
    )
    origin = Origin(
        kind="source",
        name="octa25k-faz",
        version="1",
        file=f"image/{name}.png",
        sha256=loaded.sha256,
        licence="CC BY 4.0 (Wang et al. 2021, OCTA-25K-IQA-SEG)",
    )
    case_id = f"octa25k-{name}"
    facts = (Fact(name="layer", value=layer),)
    return Case(case_id=case_id, patient_id=case_id, views=(view,), findings=(zone,), facts=facts, origin=origin)
