"""All disease of one eye: parameters, sampling by stage, and putting it on a grown eye."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from chiasm.case import VesselGraph
from chiasm.errors import UnknownName
from chiasm.worlds.octa.anatomy import Anatomy, AnatomyParams
from chiasm.worlds.octa.pathology._dropout import DropoutParams, plan_dropout, sample_dropout
from chiasm.worlds.octa.pathology._faz import FazParams, faz_outline, plan_faz, sample_faz
from chiasm.worlds.octa.pathology._ground import Change, Ground, combine
from chiasm.worlds.octa.pathology._irma import IrmaParams, plan_irma, sample_irma
from chiasm.worlds.octa.pathology._lesion import FAMILIES, DiseasedEye, Family, Lesion
from chiasm.worlds.octa.pathology._microaneurysm import (
    MicroaneurysmParams,
    no_blobs,
    plan_microaneurysm,
    sample_microaneurysm,
)
from chiasm.worlds.octa.pathology._neovascularization import (
    NeovascularizationParams,
    plan_neovascularization,
    sample_neovascularization,
)
from chiasm.worlds.octa.pathology._rarefaction import RarefactionParams, plan_rarefaction, sample_rarefaction
from chiasm.worlds.octa.pathology._scene import Scene
from chiasm.worlds.octa.pathology._tortuosity import TortuosityParams, plan_tortuosity, sample_tortuosity

Stage = Literal["healthy", "early-npdr", "late-npdr", "pdr"]
STAGES: tuple[Stage, ...] = get_args(Stage)


class PathologyParams(BaseModel):
    """Everything that disease does to one eye; None where a process is absent."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    stage: Stage = "healthy"
    """Stage that was sampled for; the stage of the record follows from what was realised, by the written rule."""
    faz: FazParams | None = None
    dropout: DropoutParams | None = None
    rarefaction: RarefactionParams | None = None
    microaneurysm: MicroaneurysmParams | None = None
    irma: IrmaParams | None = None
    neovascularization: NeovascularizationParams | None = None
    tortuosity: TortuosityParams | None = None
    hidden: tuple[Family, ...] = Field(default=())
    """Processes that are planned, so that nothing else moves, but not carried out (counterfactual twins)."""

    def without(self, *families: str) -> PathologyParams:
        """The same eye without some families, identical elsewhere.

        Raises:
            UnknownName: No such family.
        """
        for name in families:
            if name not in FAMILIES:
                raise UnknownName("lesion family", name, FAMILIES)
        hidden = tuple(f for f in FAMILIES if f in self.hidden or f in families)
        return self.model_copy(update={"hidden": hidden})


class StageRange(BaseModel):
    """From what a stage draws its severities. Pairs are (low, high) of uniform draws."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    nonperfused: tuple[float, float]
    """Share of the field lost to dropout outside the FAZ."""
    skew: float = 1.0
    """Exponent on the uniform draw; above 1 small areas are commoner."""
    loss: tuple[float, float] = (0.6, 1.0)
    """Share of capillary length lost inside regions."""
    rarefaction: tuple[float, float]
    """Mean share of single capillaries lost elsewhere."""
    microaneurysms: tuple[int, int]
    irma: tuple[int, int]
    tufts: tuple[int, int]
    faz: tuple[float, float]
    """Severity of FAZ change."""
    tortuosity: tuple[float, float]
    """Gain; rises through NPDR and falls in PDR (Lee 2018)."""


STAGE_RANGES: dict[Stage, StageRange] = {
    "healthy": StageRange(
        nonperfused=(0.0, 0.0),
        rarefaction=(0.0, 0.0),
        microaneurysms=(0, 0),
        irma=(0, 0),
        tufts=(0, 0),
        faz=(0.0, 0.0),
        tortuosity=(0.0, 0.2),
    ),
    "early-npdr": StageRange(
        nonperfused=(0.02, 0.076),
        skew=1.3,
        loss=(0.45, 0.9),
        rarefaction=(0.02, 0.07),
        microaneurysms=(1, 8),
        irma=(0, 0),
        tufts=(0, 0),
        faz=(0.0, 0.7),
        tortuosity=(0.1, 0.5),
    ),
    "late-npdr": StageRange(
        nonperfused=(0.06, 0.2),
        skew=1.5,
        loss=(0.6, 0.98),
        rarefaction=(0.03, 0.09),
        microaneurysms=(4, 25),
        irma=(1, 4),
        tufts=(0, 0),
        faz=(0.2, 1.1),
        tortuosity=(0.3, 1.0),
    ),
    "pdr": StageRange(
        nonperfused=(0.1, 0.3),
        skew=1.4,
        loss=(0.7, 1.0),
        rarefaction=(0.03, 0.1),
        microaneurysms=(4, 40),
        irma=(0, 4),
        tufts=(1, 2),
        faz=(0.4, 1.4),
        tortuosity=(0.1, 0.7),
    ),
}
"""Ranges per stage in a 3x3 mm field (A.10.5 of the cited review of scales); counts grow with the field's area."""


def sample_pathology(rng: np.random.Generator, stage: str, anatomy: AnatomyParams) -> PathologyParams:
    """Draw the disease of an eye of a given stage.

    Args:
        rng: Source of randomness.
        stage: One of `STAGES`.
        anatomy: The eye; only its field and fovea are used, nothing is grown.

    Raises:
        UnknownName: No such stage.
    """
    if stage not in STAGE_RANGES:
        raise UnknownName("stage", stage, STAGES)
    ranges = STAGE_RANGES[stage]
    scene = Scene.of(anatomy)
    gain = float(rng.uniform(*ranges.tortuosity))
    tortuosity = sample_tortuosity(rng, gain)
    if stage == "healthy":
        return PathologyParams(stage=stage, tortuosity=tortuosity)
    low, high = ranges.nonperfused
    severity = low + (high - low) * float(rng.random()) ** ranges.skew
    dropout = sample_dropout(rng, severity, scene, ranges.loss)
    # Counts are for 9 mm2; a wider field shows more, but lesions crowd towards the macula.
    crowd = max(1.0, (anatomy.fov_mm / 3.0) ** 2 * 0.6)
    count = lambda pair: int(rng.integers(pair[0], pair[1] + 1))  # noqa: E731
    aneurysms = round(count(ranges.microaneurysms) * crowd)
    return PathologyParams(
        stage=stage,
        faz=sample_faz(rng, float(rng.uniform(*ranges.faz))),
        dropout=dropout,
        rarefaction=sample_rarefaction(rng, float(rng.uniform(*ranges.rarefaction))),
        microaneurysm=sample_microaneurysm(rng, aneurysms, scene, dropout),
        irma=sample_irma(rng, count(ranges.irma), scene, dropout),
        neovascularization=sample_neovascularization(rng, count(ranges.tufts), scene, dropout),
        tortuosity=tortuosity,
    )


def apply_pathology(anatomy: Anatomy, params: PathologyParams) -> DiseasedEye:
    """Put disease on a grown eye. Pure: the same eye and parameters give the same bits.

    See `_ground` for the rule that makes twins exact, and for flow under disease.
    """
    ground = Ground.of(anatomy)
    changes = [c for c in _plan(ground, params) if c.family not in params.hidden]
    graph = combine(ground, changes)
    lesions = tuple(lesion for change in changes for lesion in change.lesions)
    faz = [c for c in changes if c.family == "faz" and c.removed is not None]
    outline = faz_outline(ground, faz[0].removed) if faz and faz[0].removed is not None else anatomy.faz_outline_um
    blobs = next((c.blobs for c in changes if c.blobs is not None), no_blobs())
    unplaced = tuple((c.family, index, why) for c in changes for index, why in c.unplaced)
    share = _nonperfused_share(graph, lesions, outline)
    return DiseasedEye(anatomy, graph, lesions, blobs, outline, share, unplaced)


def apply_families(
    anatomy: Anatomy, params: PathologyParams, families: Iterable[Family]
) -> tuple[VesselGraph, tuple[Lesion, ...]]:
    """Only some processes, as a pure step from a grown eye to (graph, lesions)."""
    wanted = set(families)
    eye = apply_pathology(anatomy, params.without(*(f for f in FAMILIES if f not in wanted)))
    return eye.graph, eye.lesions


def _plan(ground: Ground, params: PathologyParams) -> list[Change]:
    """Every process's change to the healthy eye, hidden ones included."""
    changes: list[Change] = []
    if params.faz is not None:
        changes.append(plan_faz(ground, params.faz))
    if params.dropout is not None:
        changes.append(plan_dropout(ground, params.dropout))
    if params.rarefaction is not None:
        changes.append(plan_rarefaction(ground, params.rarefaction))
    spared = np.ones(ground.graph.n_edges, np.bool_)
    for change in changes:
        if change.removed is not None:
            spared &= ~change.removed
    if params.microaneurysm is not None:
        changes.append(plan_microaneurysm(ground, params.microaneurysm, spared))
    if params.irma is not None:
        changes.append(plan_irma(ground, params.irma))
    if params.neovascularization is not None:
        changes.append(plan_neovascularization(ground, params.neovascularization))
    if params.tortuosity is not None:
        changes.append(plan_tortuosity(ground, params.tortuosity))
    return changes


def _nonperfused_share(graph: VesselGraph, lesions: tuple[Lesion, ...], outline: NDArray[np.float64]) -> float:
    """Share of the field that dropout covers outside the FAZ."""
    from skimage.draw import polygon2mask

    n = round(graph.fov_um / 10.0)
    lost = np.zeros((n, n), np.bool_)
    for lesion in lesions:
        if lesion.family == "dropout":
            lost |= lesion.region.mask(graph.fov_um, (n, n))
    if not lost.any():
        return 0.0
    faz = polygon2mask((n, n), outline / (graph.fov_um / n) - 0.5)
    return float((lost & ~faz).mean())
