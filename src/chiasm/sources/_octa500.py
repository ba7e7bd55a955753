"""OCTA-500 (Li et al. 2024, Medical Image Analysis 93:103092): en face OCTA of 500 eyes with disease, age, sex and eye.

Two layouts are read:

- compact: `labels.csv` (id, subset, fov_mm, sex, eye, age, disease, image, vessel), images and masks at the paths it names,
  further masks of a few eyes under `<subset>/extra/gt_<what>/<id>.png`;
- official, as downloaded: folders `OCTA_3M` or `OCTA_3mm` and `OCTA_6M` or `OCTA_6mm`, each with
  `Projection Maps/<projection>/<id>.bmp`, the sheet `Text labels.xlsx` (ID, Sex, OS/OD, Age, Disease) in them or in
  `Label/`, and masks `GT_LargeVessel/<id>.bmp` and the like in the same places. Parts may lie in folders of their own.

In both, ids 10001 to 10300 are 6 x 6 mm and 10301 to 10500 are 3 x 3 mm; one eye per person, so patient and case are one.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from chiasm.case import Case, Fact, Finding, Laterality, Mask, Origin, Region, Term, View, register_term
from chiasm.errors import InvalidInput
from chiasm.sources._image import load_image, load_mask
from chiasm.sources._problems import OnProblem, report
from chiasm.sources._tables import read_table

DISEASES: Final = ("NORMAL", "DR", "AMD", "CNV", "CSC", "RVO", "OTHERS")
PROJECTION: Final = "OCTA(ILM_OPL)"
_LICENCE: Final = (
    "OCTA-500, IEEE DataPort, public research data; cite Li et al. 2024; see its terms before republishing an image"
)
_MASK_TERMS: Final = {
    "LargeVessel": "large vessel",
    "Artery": "artery",
    "Vein": "vein",
    "FAZ": "foveal avascular zone",
    "Capillary": "capillary",
}
register_term(Term("large vessel", "anatomy", "large vessels"))
register_term(Term("capillary", "anatomy", "capillaries"))


class _Eye(NamedTuple):
    eye_id: str
    fov_mm: int
    sex: str
    laterality: str
    age: str
    disease: str
    image: Path
    masks: dict[str, Path]


def read_octa500(
    root: str | Path, *, fov_mm: int | None = None, masks: bool = True, on_problem: OnProblem | None = None
) -> Iterator[Case]:
    """Cases of OCTA-500, one per eye, in order of id.

    Each has the view "octa" (uint8, the ILM to OPL maximum projection, spacing from the field of view), the facts `disease`
    (one of `DISEASES`), `age` [years], `sex`, and the masks that are there as findings.

    Args:
        root: The folder in either layout.
        fov_mm: 3 or 6 for one subset only; None for both.
        masks: Whether to read the masks; without them reading is three times as fast.
        on_problem: Called for each unreadable eye, which is left out; None raises at the first.

    Raises:
        InvalidInput: The folder has neither layout, or (without `on_problem`) an entry cannot be read.
    """
    base = Path(root)
    if fov_mm not in (None, 3, 6):
        msg = f"OCTA-500 has fields of 3 and 6 mm, got {fov_mm}"
        raise InvalidInput(msg)
    eyes = _compact(base) if (base / "labels.csv").is_file() else _official(base, on_problem)
    seen: set[str] = set()
    for eye in sorted(eyes, key=lambda e: e.eye_id):
        if fov_mm is not None and eye.fov_mm != fov_mm:
            continue
        if eye.eye_id in seen:
            report(on_problem, f"id {eye.eye_id}", "ids must be unique, this one is listed again; the first was kept")
            continue
        seen.add(eye.eye_id)
        try:
            case = _case(eye if masks else eye._replace(masks={}), base)
        except InvalidInput as error:
            report(on_problem, f"id {eye.eye_id}", str(error))
            continue
        yield case


def _compact(base: Path) -> list[_Eye]:
    columns = ("id", "subset", "fov_mm", "sex", "eye", "age", "disease", "image", "vessel")
    eyes = []
    for row in read_table(base / "labels.csv", required=columns):
        masks = {"LargeVessel": base / row["vessel"]} if row["vessel"] else {}
        for what in _MASK_TERMS:
            extra = base / row["subset"] / "extra" / f"gt_{what}" / f"{row['id']}.png"
            if extra.is_file():
                masks[what] = extra
        fov = int(row["fov_mm"]) if row["fov_mm"] in ("3", "6") else _fov_of_id(row["id"])
        eyes.append(
            _Eye(row["id"], fov, row["sex"], row["eye"], row["age"], row["disease"], base / row["image"], masks)
        )
    return eyes


def _official(base: Path, on_problem: OnProblem | None) -> list[_Eye]:
    images = {
        p.stem: p
        for pattern in ("", "*/", "*/*/")
        for p in sorted(base.glob(f"{pattern}OCTA_[36]*/Projection Maps/{PROJECTION}/*.bmp"))
    }
    sheets = sorted(p for depth in ("", "*/", "*/*/", "*/*/*/") for p in base.glob(f"{depth}Text labels.*"))
    if not images or not sheets:
        missing = "no 'OCTA_3M/Projection Maps/OCTA(ILM_OPL)/*.bmp' and the like" if sheets else "no 'Text labels.xlsx'"
        msg = f"{base} is not an OCTA-500 folder: no labels.csv, and {missing}; point to the folder that holds the downloads"
        raise InvalidInput(msg)
    masks: dict[str, dict[str, Path]] = {}
    for what in _MASK_TERMS:
        for depth in ("", "*/", "*/*/", "*/*/*/"):
            for path in base.glob(f"{depth}GT_{what}/*.bmp"):
                masks.setdefault(path.stem, {})[what] = path
    eyes = []
    for sheet in dict.fromkeys(sheets):
        for row in read_table(sheet, required=("ID", "Sex", "OS/OD", "Age", "Disease")):
            eye_id = row["ID"]
            if eye_id not in images:
                report(on_problem, f"id {eye_id}", f"is in {sheet.name} but has no {PROJECTION} image")
                continue
            image = images[eye_id]
            eyes.append(
                _Eye(
                    eye_id,
                    _fov_of_id(eye_id),
                    row["Sex"],
                    row["OS/OD"],
                    row["Age"],
                    row["Disease"],
                    image,
                    masks.get(eye_id, {}),
                )
            )
    return eyes


def _fov_of_id(eye_id: str) -> int:
    """The documented ranges; an id outside them has no known field of view."""
    number = int(eye_id) if eye_id.isascii() and eye_id.isdigit() else 0
    if 10001 <= number <= 10300:
        return 6
    if 10301 <= number <= 10500:
        return 3
    msg = f"an OCTA-500 id lies in 10001 to 10500, got {eye_id!r}; its field of view is unknown"
    raise InvalidInput(msg)


def _case(eye: _Eye, base: Path) -> Case:
    disease = eye.disease.upper()
    if disease not in DISEASES:
        msg = f"disease must be one of {', '.join(DISEASES)}, got {eye.disease!r}"
        raise InvalidInput(msg)
    if eye.laterality not in ("OD", "OS"):
        msg = f"eye must be OD or OS, got {eye.laterality!r}"
        raise InvalidInput(msg)
    if not (eye.age.isascii() and eye.age.isdigit() and int(eye.age) <= 120):
        msg = f"age must be a whole number of years, at most 120, got {eye.age!r}"
        raise InvalidInput(msg)
    if eye.fov_mm != _fov_of_id(eye.eye_id):
        msg = f"id {eye.eye_id} belongs to the {_fov_of_id(eye.eye_id)} mm subset, but is listed with {eye.fov_mm} mm"
        raise InvalidInput(msg)
    loaded = load_image(eye.image)
    height, width = loaded.pixels.shape
    side = Laterality(eye.laterality)
    view = View(
        view_id="octa",
        modality="OCTA en face",
        pixels=loaded.pixels,
        spacing_mm=(eye.fov_mm / height, eye.fov_mm / width),
        laterality=side,
        attributes={
            "slab": "inner retina",
            "layers": "ILM-OPL",
            "projection": "maximum",
            "device": "RTVue-XR",
            "fov_mm": float(eye.fov_mm),
        },
    )
    findings = tuple(
        Finding(
            finding_id=what,
            term=_MASK_TERMS[what],
            laterality=side,
            regions=(Region(view_id="octa", mask=Mask.from_array(load_mask(path, shape=(height, width)))),),
        )
        for what, path in sorted(eye.masks.items())
    )
    facts = (
        Fact(name="disease", value=disease, laterality=side),
        Fact(name="age", value=int(eye.age), unit="years"),
        Fact(name="sex", value=eye.sex),
    )
    origin = Origin(
        kind="source",
        name="octa500",
        version="1",
        file=eye.image.relative_to(base).as_posix(),
        sha256=loaded.sha256,
        licence=_LICENCE,
    )
    name = f"octa500-{eye.eye_id}"
    return Case(case_id=name, patient_id=name, views=(view,), findings=findings, facts=facts, origin=origin)
