"""Semi-real localisation: capillaries erased in a known region of a real image of a healthy eye.

No public OCTA of both fields has lesion labels, so where a model says dropout lies cannot be checked on real disease. Here the
image, its noise and its artefacts are real, and one thing is not: inside a drawn region the capillaries are replaced by the
image's own texture where nothing flows. Figures from it are always called semi-real.

Erasing, in steps:
1. The texture: quantiles and correlation length of the pixels inside the foveal avascular zone, shrunk from its border.
2. The region: a disc with an uneven border (three harmonics), in one of eight directions from the fovea, off the zone, inside
   the field; its mask is what the questions are about.
3. The filling: smoothed noise of that correlation length, mapped to those quantiles. Large vessels (the strongest ridges)
   stay, as they do in capillary non-perfusion.
4. The seam: the filling is blended in over one and a half pixels.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterable
from dataclasses import replace
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation, binary_erosion, distance_transform_edt, gaussian_filter, label

from chiasm.case import Case, Finding, Mask, Origin, Region, View, Visibility
from chiasm.errors import InvalidInput, Unanswerable
from chiasm.evaluation._question import Exam, ExamItem, Pairing, make_exam
from chiasm.evaluation._real import dr_item, exam_item_of
from chiasm.measure import Scale, as_grey, line_strength, segment_faz
from chiasm.questions import Item, ask

DIRECTIONS: Final = 8
SHARE: Final = (0.035, 0.1)
"""Of the field that is erased: above the 2 % from which the written rule calls non-perfusion DR."""
SHORTEST_UM: Final = 90.0
"""Ridges that cover less than a square of this side are no arterioles, and go with the capillaries."""
LARGE_VESSEL_SHARE: Final = 0.06
"""The strongest ridges that are kept: about the share of the field under arterioles and venules."""
_SEAM_PX: Final = 1.5
_FEWEST_PIXELS: Final = 60


class Texture(NamedTuple):
    """What an image looks like where nothing flows."""

    quantiles: NDArray[np.float64]
    """(101,) of grey level, 0 to 100 %."""
    correlation_px: float
    """Sigma of the Gaussian that gives noise the same correlation between neighbouring pixels."""


class Erased(NamedTuple):
    """An image with a region of capillaries gone."""

    pixels: NDArray[np.uint8]
    region: NDArray[np.bool_]
    """(H, W), all of the region, kept vessels included."""


def flow_free_texture(pixels: NDArray[np.uint8], faz: NDArray[np.bool_]) -> Texture:
    """Measure the texture of the foveal avascular zone.

    Raises:
        Unanswerable: Too few pixels lie inside it.
    """
    inside = binary_erosion(faz, iterations=3)
    if inside.sum() < _FEWEST_PIXELS:
        inside = binary_erosion(faz)
    if inside.sum() < _FEWEST_PIXELS:
        msg = f"the foveal avascular zone has {int(inside.sum())} pixels inside its border; its texture needs {_FEWEST_PIXELS}"
        raise Unanswerable(msg)
    values = pixels.astype(np.float64)
    centred = np.where(inside, values - values[inside].mean(), 0.0)
    pairs = inside[:, 1:] & inside[:, :-1]
    spread = float((centred[inside] ** 2).mean())
    product = float((centred[:, 1:] * centred[:, :-1])[pairs].mean()) if pairs.any() else 0.0
    rho = min(max(product / spread if spread > 0 else 0.0, 0.02), 0.95)
    # Gaussian-filtered white noise has the neighbour correlation exp(-1 / (4 sigma^2))
    sigma = math.sqrt(-1 / (4 * math.log(rho)))
    return Texture(np.quantile(values[inside], np.linspace(0, 1, 101)), sigma)


def erase(
    pixels: NDArray[np.uint8],
    region: NDArray[np.bool_],
    keep: NDArray[np.bool_],
    texture: Texture,
    rng: np.random.Generator,
) -> NDArray[np.uint8]:
    """Fill a region with flow-free texture, but for kept vessels.

    Args:
        pixels: (H, W) uint8.
        region: (H, W) bool.
        keep: (H, W) bool, large vessels.
        texture: Of the image itself.
        rng: Draws the filling.
    """
    noise = gaussian_filter(rng.normal(size=pixels.shape), texture.correlation_px)
    ranks = noise.ravel().argsort().argsort().reshape(pixels.shape) / (noise.size - 1)
    filling = np.interp(ranks, np.linspace(0, 1, 101), texture.quantiles)
    weight = gaussian_filter((region & ~keep).astype(np.float64), _SEAM_PX / 2)
    weight = np.where(keep, 0.0, weight)
    return np.asarray(np.round(pixels * (1 - weight) + filling * weight), dtype=np.uint8)


def erase_somewhere(pixels: NDArray[np.uint8], fov_mm: float, direction: int, rng: np.random.Generator) -> Erased:
    """Erase a drawn region in one of eight directions from the fovea.

    Args:
        pixels: (H, W) uint8, a healthy eye, en face.
        fov_mm: Side of the field [mm].
        direction: 0 (right) counter-clockwise to 7 (lower right), as sectors are named.
        rng: Draws size, distance, border and filling.

    Raises:
        Unanswerable: No foveal avascular zone can be told, or no region of the size fits.
    """
    if not 0 <= direction < DIRECTIONS:
        msg = f"direction must be 0 to {DIRECTIONS - 1}, got {direction}"
        raise InvalidInput(msg)
    faz, keep = _landmarks(pixels, fov_mm)
    texture = flow_free_texture(pixels, faz)
    region = _region(pixels.shape[:2], fov_mm, faz, direction, rng)
    return Erased(erase(pixels, region, keep, texture, rng), region)


def semireal_exam(cases: Iterable[Case], *, seed: int) -> Exam:
    """Questions about real healthy images before and after erasing.

    For each: is there dropout (before and after), in which sector is the largest (after), and the stage (before and after: it
    is healthy as it is, and not healthy with 3.5 to 10 % of the field without capillaries).

    Args:
        cases: Real cases with the fact disease NORMAL; others are passed over.
        seed: Of regions and wording.
    """
    items: list[ExamItem] = []
    problems: list[str] = []
    for case in cases:
        if case.fact_value("disease") != "NORMAL":
            continue
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(zlib.crc32(case.case_id.encode()),)))
        try:
            items += _items_of(case, rng)
        except (Unanswerable, InvalidInput) as error:
            problems.append(f"{case.case_id}: {error}")
    return make_exam("semi-real", items, problems)


def _items_of(case: Case, rng: np.random.Generator) -> list[ExamItem]:
    view = case.views[0]
    fov_mm = view.attributes.get("fov_mm")
    if not isinstance(fov_mm, int | float):
        msg = "the field of view is not known, so that no area can be drawn to size"
        raise Unanswerable(msg)
    faz, _ = _landmarks(view.pixels, float(fov_mm))
    out = _ask(_case(case, view, faz, None, "whole"), "whole", ("dropout-present",))
    erased = erase_somewhere(view.pixels, float(fov_mm), int(rng.integers(DIRECTIONS)), rng)
    changed = view.model_copy(update={"pixels": erased.pixels})
    ill = _case(case, changed, faz, erased.region, "erased")
    out += _ask(ill, "erased", ("dropout-present", "largest-dropout-sector"))
    return out


def _ask(case: Case, state: str, programs: tuple[str, ...]) -> list[ExamItem]:
    items = []
    for program in programs:
        found = ask(case, program, np.random.default_rng(0), form="free")
        if isinstance(found, Item):
            items.append(exam_item_of(found, case))
    truth = "healthy" if state == "whole" else "dr"
    items.append(replace(dr_item(case, case.views[0], truth, {}), task="any-stage"))
    named = []
    for item in items:
        name = f"semi-real {item.task}"
        question = replace(item.question, question_id=f"{name}-{case.case_id}")
        groups = {"image": state}
        pairing = Pairing("semi-real", item.task, case.case_id.removesuffix(state), state != "whole")
        named.append(replace(item, task=name, question=question, groups=groups, pairings=(pairing,)))
    return named


def _case(real: Case, view: View, faz: NDArray[np.bool_], region: NDArray[np.bool_] | None, state: str) -> Case:
    """The real case with the measured zone and the erased region as findings."""
    zone = Finding(
        finding_id="FAZ",
        term="foveal avascular zone",
        laterality=view.laterality,
        regions=(Region(view_id=view.view_id, mask=Mask.from_array(faz)),),
    )
    findings = [zone]
    if region is not None:
        findings.append(
            Finding(
                finding_id="erased",
                term="capillary dropout",
                laterality=view.laterality,
                regions=(Region(view_id=view.view_id, mask=Mask.from_array(region)),),
                visibility={view.view_id: Visibility(visible=True)},
            )
        )
    origin = Origin(
        kind="source",
        name="semi-real",
        version="1",
        file=real.origin.file,
        sha256=real.origin.sha256,
        licence=real.origin.licence,
    )
    return Case(
        case_id=f"{real.case_id} {state}",
        patient_id=real.patient_id,
        views=(view,),
        findings=tuple(findings),
        origin=origin,
    )


def _landmarks(pixels: NDArray[np.uint8], fov_mm: float) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(foveal avascular zone, large vessels)."""
    scale = Scale.from_fov((pixels.shape[0], pixels.shape[1]), fov_mm)
    grey = as_grey(pixels)
    lines = line_strength(grey, scale)
    faz = segment_faz(grey, lines, scale)
    broad = gaussian_filter(grey, scale.px(12.0))  # capillaries blur away, arterioles and venules stay
    keep = broad - gaussian_filter(grey, scale.px(80.0))
    strong = keep > np.quantile(keep, 1 - LARGE_VESSEL_SHARE)
    parts, _ = label(strong, structure=np.ones((3, 3)))
    large = np.bincount(parts.ravel()) >= scale.px(SHORTEST_UM) ** 2
    large[0] = False
    return faz, np.asarray(binary_dilation(large[parts]))


def _region(
    shape: tuple[int, int], fov_mm: float, faz: NDArray[np.bool_], direction: int, rng: np.random.Generator
) -> NDArray[np.bool_]:
    rows, cols = np.nonzero(faz)
    fovea = rows.mean() + 0.5, cols.mean() + 0.5
    px_per_mm = shape[1] / fov_mm
    away = distance_transform_edt(~faz)
    grid_rows, grid_cols = np.ogrid[: shape[0], : shape[1]]
    for _ in range(60):
        radius = math.sqrt(rng.uniform(*SHARE) * shape[0] * shape[1] / math.pi)
        angle = direction * math.pi / 4 + rng.uniform(-0.25, 0.25)
        distance = rng.uniform(0.65, 0.65 + 0.2 * fov_mm) * px_per_mm
        row, col = fovea[0] - distance * math.sin(angle), fovea[1] + distance * math.cos(angle)
        turn = np.arctan2(grid_rows + 0.5 - row, grid_cols + 0.5 - col)
        edge = np.full(turn.shape, radius)
        for k in (2, 3, 5):
            edge = edge + radius * rng.uniform(0.04, 0.14) * np.cos(k * turn + rng.uniform(0, 2 * math.pi))
        region = np.hypot(grid_rows + 0.5 - row, grid_cols + 0.5 - col) < edge
        if region.mean() >= SHARE[0] and not (region & (away < 0.06 * px_per_mm)).any() and not _cut(region):
            return np.asarray(region)
    msg = f"no region of {100 * SHARE[0]:g} to {100 * SHARE[1]:g} % of the field fits in direction {direction} of the fovea"
    raise Unanswerable(msg)


def _cut(region: NDArray[np.bool_]) -> bool:
    """Whether the field's border cuts a region."""
    return bool(region[0].any() or region[-1].any() or region[:, 0].any() or region[:, -1].any())
