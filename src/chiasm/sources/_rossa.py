"""ROSSA (Ning et al. 2023, MIT): clinically noisy OCTA with large-vessel masks drawn by hand.

Layout: `index.csv` (split, image, vessel), paths relative to the root. The field of view is not stated: no spacing. File
names repeat between splits, so a case is named by split and number; patients are not told apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from chiasm.case import Case, Fact, Finding, Laterality, Mask, Origin, Region, View
from chiasm.errors import InvalidInput
from chiasm.sources._image import load_image, load_mask
from chiasm.sources._problems import OnProblem, report
from chiasm.sources._tables import read_table


def read_rossa(root: str | Path, *, on_problem: OnProblem | None = None) -> Iterator[Case]:
    """Cases with the view "octa" and the finding "large vessel", in the order of the index.

    Raises:
        InvalidInput: No index, or (without `on_problem`) an entry cannot be read.
    """
    base = Path(root)
    seen: set[str] = set()
    for row in read_table(base / "index.csv", required=("split", "image", "vessel")):
        name = f"rossa-{row['split']}-{Path(row['image']).stem}"
        if name in seen:
            report(on_problem, row["image"], "images must be listed once, this one is listed again; the first was kept")
            continue
        seen.add(name)
        try:
            yield _case(base, name, row)
        except InvalidInput as error:
            report(on_problem, row["image"], str(error))


def _case(base: Path, name: str, row: dict[str, str]) -> Case:
    loaded = load_image(base / row["image"])
    height, width = loaded.pixels.shape
    mask = load_mask(base / row["vessel"], shape=(height, width))
    view = View(view_id="octa", modality="OCTA en face", pixels=loaded.pixels, laterality=Laterality.UNKNOWN)
    vessels = Finding(
        finding_id="LargeVessel",
        term="large vessel",
        regions=(Region(view_id="octa", mask=Mask.from_array(mask)),),
    )
    origin = Origin(
        kind="source",
        name="rossa",
        version="1",
        file=row["image"],
        sha256=loaded.sha256,
        licence="MIT (Ning et al. 2023, ROSSA)",
    )
    return Case(
        case_id=name,
        patient_id=name,
        views=(view,),
        findings=(vessels,),
        facts=(Fact(name="split", value=row["split"]),),
        origin=origin,
    )
