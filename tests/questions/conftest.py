"""Plausible random OCTA cases, drawn without any world, as the worlds write them."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from chiasm.case import Case, Fact, Finding, Laterality, Mask, Origin, Quantity, Region, View, Visibility
from chiasm.questions import STYLES as ALL_STYLES
from chiasm.questions import Asking, ask_all, pair_twins

SIZE = 304
FOV_MM = 3.0
STAGES = ("healthy", "early-npdr", "late-npdr", "pdr")


class Eye:
    """Draws the findings of one eye at one visit."""

    def __init__(self, rng: np.random.Generator, laterality: Laterality, visit: int, severity: int) -> None:
        self.rng, self.laterality, self.visit, self.severity = rng, laterality, visit, severity
        self.view_id = f"{laterality.value.lower()}-v{visit}-inner"
        self.mm = FOV_MM / SIZE
        self.fovea = tuple(SIZE / 2 + rng.normal(0, 6, 2))
        self.findings: list[Finding] = []
        self.taken = np.zeros((SIZE, SIZE), bool)
        self.facts: list[Fact] = []

    def add(
        self, term: str, region: Region | None, quantities: list[Quantity], visible: bool = True, **attributes: str
    ) -> None:
        number = sum(f.term == term for f in self.findings)
        self.findings.append(
            Finding(
                finding_id=f"{self.laterality.value}{self.visit}-{term.replace(' ', '-')}-{number}",
                term=term,
                laterality=self.laterality,
                visit=self.visit,
                regions=() if region is None else (region,),
                attributes=attributes,
                quantities=tuple(quantities),
                visibility={self.view_id: Visibility(visible=visible)},
            )
        )

    def blob(self, row: float, col: float, radius_px: float, ragged: float = 0.0) -> np.ndarray:
        reach = int(radius_px * (1 + ragged)) + 2
        r0, r1 = max(int(row) - reach, 0), min(int(row) + reach + 1, SIZE)
        c0, c1 = max(int(col) - reach, 0), min(int(col) + reach + 1, SIZE)
        rows, cols = np.mgrid[r0:r1, c0:c1] + 0.5
        angle = np.arctan2(rows - row, cols - col)
        edge = radius_px * (1 + ragged * np.cos(3 * angle + self.rng.uniform(0, 6)))
        mask = np.zeros((SIZE, SIZE), bool)
        mask[r0:r1, c0:c1] = np.hypot(rows - row, cols - col) <= edge
        return mask

    def place(self, lo_mm: float, hi_mm: float) -> tuple[float, float]:
        angle, distance = self.rng.uniform(0, 2 * np.pi), self.rng.uniform(lo_mm, hi_mm) / self.mm
        row, col = self.fovea[0] + distance * np.sin(angle), self.fovea[1] + distance * np.cos(angle)
        return float(np.clip(row, 8, SIZE - 8)), float(np.clip(col, 8, SIZE - 8))

    def region(self, mask: np.ndarray, **more: object) -> Region:
        rows, cols = np.nonzero(mask)
        box = ((float(rows.min()), float(cols.min())), (float(rows.max() + 1), float(cols.max() + 1)))
        return Region(view_id=self.view_id, mask=Mask.from_array(mask), box=box, **more)

    def grow(self) -> None:
        rng, s = self.rng, self.severity
        faz_mm = np.clip(rng.normal(0.29 + 0.03 * s, 0.05), 0.15, 0.5)
        mask = self.blob(*self.fovea, faz_mm / self.mm, 0.1)
        self.taken |= mask
        area = mask.sum() * self.mm**2
        circularity = float(np.clip(rng.normal(0.7 - 0.05 * s, 0.07), 0.3, 0.95))
        zone = [
            Quantity(name="area", value=area, unit="mm2"),
            Quantity(name="circularity", value=circularity, unit="1"),
        ]
        self.add("foveal avascular zone", self.region(mask), zone)
        self.add("fovea", Region(view_id=self.view_id, points=(self.fovea,)), [])
        for _ in range((0, rng.integers(0, 3), rng.integers(1, 5), rng.integers(2, 6))[s]):
            self.dropout(faz_mm)
        for _ in range((0, rng.integers(0, 7), rng.integers(2, 18), rng.integers(3, 26))[s]):
            self.microaneurysm(faz_mm)
        for _ in range((0, 0, rng.integers(0, 4), rng.integers(0, 4))[s]):
            self.line("intraretinal microvascular abnormality", faz_mm)
        for _ in range((0, 0, 0, rng.integers(1, 3))[s]):
            self.new_vessel(faz_mm)
        if rng.random() < 0.25 + 0.1 * s:
            value = float(1.05 + rng.gamma(2.0, 0.045))
            grade = str(rng.choice(["mild", "moderate", "marked"]))
            self.add("vascular tortuosity", None, [Quantity(name="tortuosity", value=value, unit="1")], grade=grade)
        self.artefact()
        self.state()

    def dropout(self, faz_mm: float) -> None:
        row, col = self.place(faz_mm + 0.35, 1.35)
        mask = self.blob(row, col, self.rng.uniform(0.12, 0.3 + 0.09 * self.severity) / self.mm, 0.15) & ~self.taken
        if mask.sum() < 30:
            return
        self.taken |= mask
        area = float(mask.sum() * self.mm**2)
        quantities = [
            Quantity(name="area", value=area, unit="mm2"),
            Quantity(name="share of field", value=100 * mask.mean(), unit="%"),
            Quantity(name="vessel length lost", value=self.rng.uniform(40, 100), unit="%"),
        ]
        self.add(
            "capillary dropout",
            self.region(mask),
            quantities,
            completeness=str(self.rng.choice(["partial", "complete"])),
        )

    def microaneurysm(self, faz_mm: float) -> None:
        row, col = self.place(faz_mm, 1.6)
        diameter = float(self.rng.uniform(20, 110))
        mask = self.blob(row, col, max(diameter / 2000 / self.mm, 1.0))
        distance = float(np.hypot(row - self.fovea[0], col - self.fovea[1]) * self.mm)
        quantities = [
            Quantity(name="diameter", value=diameter, unit="um"),
            Quantity(name="distance to fovea", value=distance, unit="mm"),
        ]
        shape = str(self.rng.choice(["saccular", "fusiform", "focal bulge"]))
        layer = str(self.rng.choice(["SVC", "ICP", "DCP"]))
        visible = bool(self.rng.random() < 0.8)
        self.add(
            "microaneurysm", self.region(mask, points=((row, col),)), quantities, visible, shape=shape, layer=layer
        )

    def line(self, term: str, faz_mm: float) -> None:
        row, col = self.place(faz_mm + 0.2, 1.3)
        mask = self.blob(row, col, 0.08 / self.mm, 0.3)
        quantities = [
            Quantity(name="length", value=float(self.rng.uniform(0.2, 0.9)), unit="mm"),
            Quantity(name="calibre", value=float(self.rng.uniform(12, 32)), unit="um"),
        ]
        self.add(term, self.region(mask, polyline=((row - 3, col), (row, col), (row + 3, col))), quantities)

    def new_vessel(self, faz_mm: float) -> None:
        mask = self.blob(*self.place(faz_mm + 0.3, 1.4), self.rng.uniform(0.06, 0.16) / self.mm, 0.4)
        area = Quantity(name="area", value=float(mask.sum() * self.mm**2), unit="mm2")
        self.add("neovascularization", self.region(mask), [area], layer="vitreous")

    def artefact(self) -> None:
        draw = self.rng.random()
        if draw < 0.45:
            return
        term = str(self.rng.choice(["motion artefact", "shadow", "defocus", "low signal", "segmentation error"]))
        severity = str(self.rng.choice(["mild", "moderate", "severe"], p=[0.45, 0.35, 0.2]))
        radius = {"mild": 0.25, "moderate": 0.6, "severe": 0.95}[severity]
        row, col = self.place(0.2, 1.2)
        self.add(term, self.region(self.blob(row, col, radius / self.mm)), [], severity=severity)

    def state(self) -> None:
        from chiasm.measure import StageEvidence, stage

        share = sum(f.quantity("share of field").value for f in self.findings if f.term == "capillary dropout")
        visible = [f.term for f in self.findings if f.visible_in(self.view_id)]
        worst = [f.attributes["severity"] for f in self.findings if "severity" in f.attributes]
        evidence = StageEvidence(
            n_ma=visible.count("microaneurysm"),
            n_irma=visible.count("intraretinal microvascular abnormality"),
            n_nv=visible.count("neovascularization"),
            nonperfusion_fraction=share / 100,
        )
        quality = "good" if not worst or worst == ["mild"] else "poor" if "severe" in worst else "acceptable"
        eye = {"laterality": self.laterality, "visit": self.visit}
        self.facts += [
            Fact(name="stage", value=STAGES[self.severity], **eye),
            Fact(name="stage_visible", value=stage(evidence).stage.value, view_id=self.view_id),
            Fact(name="nonperfusion", value=share, unit="%", **eye),
            Fact(name="nonperfusion_visible", value=share, unit="%", view_id=self.view_id),
            Fact(
                name="resolved_vessel_area_density",
                value=float(0.39 - 0.01 * self.severity + self.rng.normal(0, 0.02)),
                unit="1",
                view_id=self.view_id,
            ),
            Fact(
                name="resolved_skeleton_density",
                value=float(19 - self.severity + self.rng.normal(0, 1.5)),
                unit="1/mm",
                view_id=self.view_id,
            ),
            Fact(name="fractal_dimension", value=float(1.7 + self.rng.normal(0, 0.03)), unit="1", view_id=self.view_id),
            Fact(name="quality", value=quality, view_id=self.view_id),
        ]

    def view(self) -> View:
        pixels = self.rng.integers(20, 200, (SIZE, SIZE), dtype=np.uint8)
        return View(
            view_id=self.view_id,
            modality="OCTA en face",
            pixels=pixels,
            spacing_mm=(self.mm, self.mm),
            laterality=self.laterality,
            visit=self.visit,
            attributes={"slab": "inner retina", "fov_mm": FOV_MM},
        )


def draw_case(seed: int, eyes: tuple[tuple[Laterality, int], ...] | None = None) -> Case:
    """One patient; by default one eye at one visit, a third of them with a second eye or visit."""
    rng = np.random.default_rng([seed, 77])
    severity = int(rng.choice(4, p=[0.35, 0.25, 0.25, 0.15]))
    side = Laterality.OD if rng.random() < 0.5 else Laterality.OS
    other = Laterality.OS if side is Laterality.OD else Laterality.OD
    if eyes is None:
        draw = rng.random()
        eyes = ((side, 0),) if draw < 0.67 else ((side, 0), (side, 1)) if draw < 0.84 else ((side, 0), (other, 0))
    drawn = []
    for laterality, visit in eyes:
        step = int(rng.choice(3, p=[0.2, 0.5, 0.3])) - 1 if drawn else 0
        drawn.append(Eye(rng, laterality, visit, int(np.clip(severity + step, 0, 3))))
        drawn[-1].grow()
    return Case(
        case_id=f"case-{seed:06d}",
        patient_id=f"patient-{seed:06d}",
        views=tuple(eye.view() for eye in drawn),
        findings=tuple(f for eye in drawn for f in eye.findings),
        facts=(
            *(f for eye in drawn for f in eye.facts),
            Fact(name="age", value=int(rng.integers(30, 80)), unit="years"),
        ),
        origin=Origin(kind="world", name="drawn for tests", version="1", params={"seed": seed}),
    )


def draw_twin(seed: int, without: str = "microaneurysm") -> Case:
    """An eye and its twin without one kind of finding, as one case."""
    case = draw_case(seed, ((Laterality.OD, 0),))
    kept = tuple(f for f in case.findings if f.term != without)
    facts = (*case.facts, Fact(name="twin", value=f"without {without}"))
    return pair_twins(
        case, case.model_copy(update={"case_id": f"{case.case_id}-twin", "findings": kept, "facts": facts})
    )


@pytest.fixture(scope="session")
def twins() -> list[Case]:
    """Forty eyes with a twin without microaneurysms or without dropout."""
    return [draw_twin(seed, ("microaneurysm", "capillary dropout")[seed % 2]) for seed in range(40)]


@pytest.fixture(scope="session")
def cases() -> list[Case]:
    """A hundred and twenty cases."""
    return [draw_case(seed) for seed in range(120)]


@pytest.fixture(scope="session")
def make_case() -> Callable[..., Case]:
    """The drawing function."""
    return draw_case


@pytest.fixture(scope="session")
def askings(cases: list[Case]) -> list[Asking]:
    """Every program asked once of each case."""
    return [ask_all(case, n, style=ALL_STYLES[n % len(ALL_STYLES)]) for n, case in enumerate(cases)]


# Hand-written explanations.
CODES = {
    "drop": "capillary dropout",
    "ma": "microaneurysm",
    "irma": "intraretinal microvascular abnormality",
    "nv": "neovascularization",
    "tort": "vascular tortuosity",
    "faz": "foveal avascular zone",
    "img": "image",
    "motion": "motion artefact",
    "shadow": "shadow",
    "defocus": "defocus",
    "signal": "low signal",
    "seg": "segmentation error",
    "projection": "projection artefact",
    "decentration": "decentration",
}
CODED_LESIONS = ("drop", "ma", "irma", "nv", "tort")
Triple = tuple[str, str, bool | float | str]


class Explanation(NamedTuple):
    """One hand-written text."""

    text: str
    eye: str
    claims: frozenset[Triple]


def read_explanations(name: str) -> list[Explanation]:
    """The records of a file beside this one: hand-written texts, eyes, and the claims that each makes."""
    found: list[Explanation] = []
    text: list[str] = []
    eye = "none"
    for line in (Path(__file__).parent / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("#") or (not line.strip() and not text):
            continue
        if line.startswith("T: "):
            text, eye = [line[3:]], "none"
        elif line.startswith("E: "):
            eye = line[3:].strip()
        elif line.startswith("G:"):
            found.append(Explanation("\n".join(text), eye, frozenset(_claims(line[2:]))))
            text = []
        else:
            text.append(line)
    return found


def _claims(line: str) -> list[Triple]:
    claims: list[Triple] = []
    for piece in filter(None, (p.strip() for p in line.split(";"))):
        code, _, rest = piece.partition(" ")
        if code.startswith("stage="):
            claims.append(("diabetic retinopathy", "stage", piece.partition("=")[2]))
        elif code[-1] in "+-":
            claims.append((CODES[code[:-1]], "present", code[-1] == "+"))
        else:
            attribute, _, values = rest.partition("=")
            if code in CODED_LESIONS and attribute != "absent in":
                claims.append((CODES[code], "present", True))
            name = "count" if attribute == "n" else attribute
            claims += [(CODES[code], name, _value(v.strip())) for v in values.split(",")]
    return claims


def _value(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


@pytest.fixture(scope="session")
def explanations() -> tuple[list[Explanation], ...]:
    """The six parts of the fixture."""
    return tuple(read_explanations(f"explanations_{part}.txt") for part in "abcdef")
