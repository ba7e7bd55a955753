"""Draw one imaging: parameters from a profile's spreads, artefacts from its rates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from scipy.special import ndtr, ndtri

from chiasm.worlds.octa.imaging._params import Artefact, ArtefactKind, ImagingParams, Severity, Slab, tunable
from chiasm.worlds.octa.imaging._profile import DeviceTransfer, Profile, Spread
from chiasm.worlds.octa.imaging._transfer import BANDS, Transfer

SEVERITIES: tuple[Severity, Severity, Severity] = ("mild", "moderate", "severe")
_MOTION_FORMS = ("blink line", "displacement", "stretch", "doubling", "quilting", "lost rim")
_MOTION_SHARES = (0.04, 0.07, 0.03, 0.01, 0.05, 0.80)
"""After crossed scans are merged a lost rim is what is left of most motion: 8 of 45 NORMAL 6 mm images of OCTA-500 show one, and
none has a row that differs from the next as a blink line does. Of the others displacement leads, doubling is rare (ARVO 2020:
stretching 0.9 %, doubling 0.6 %)."""


def sample_imaging(
    rng: np.random.Generator,
    profile: Profile,
    *,
    fov_mm: float | None = None,
    size_px: int | None = None,
    slab: Slab | None = None,
    artefacts: Literal["profile", "none"] | Sequence[Artefact] = "profile",
) -> ImagingParams:
    """Draw every number of one imaging.

    Args:
        rng: Source of all draws; the micro-structure's seed is one of them.
        profile: The device.
        fov_mm: Field [mm]; None is the profile's.
        size_px: Side of the image [px]; None keeps the profile's pixels per millimetre of its own field, or its size.
        slab: What is projected; None is the profile's first.
        artefacts: "profile" draws them at the profile's rates, "none" has none, a sequence is taken as it is.
    """
    field_mm = profile.fov_mm if fov_mm is None else fov_mm
    values = {name: draw(rng, profile.parameters[name], *limits) for name, limits in tunable().items()}
    chosen = slab or profile.slabs[0]
    noise_seed = int(rng.integers(2**63))
    transfer = draw_transfer(rng, profile.transfer)
    drawn = sample_artefacts(rng, profile, chosen) if artefacts == "profile" else ()
    if not isinstance(artefacts, str):
        drawn = tuple(artefacts)
    return ImagingParams(
        profile=profile.name,
        fov_mm=field_mm,
        size_px=profile.size_px if size_px is None else size_px,
        slab=chosen,
        noise_seed=noise_seed,
        transfer=transfer,
        artefacts=drawn,
        **values,
    )


def draw_transfer(rng: np.random.Generator, device: DeviceTransfer) -> Transfer:
    """The processing of one image: shares moved along the device's modes, each by a normal draw within 2.5 sd."""
    along = [draw(rng, Spread(mean=0, sd=1), -2.5, 2.5) for _ in device.modes]
    moved = np.array(device.share) + sum(
        (z * np.array(mode) for z, mode in zip(along, device.modes, strict=True)), np.zeros(len(BANDS))
    )
    share = tuple(round(float(v), 4) for v in np.clip(moved, -2, 5))
    return Transfer(**{**device.model_dump(exclude={"modes"}), "share": share})


def draw(rng: np.random.Generator, spread: Spread, low: float, high: float) -> float:
    """One value of a normal distribution truncated to [low, high], by inversion: always one uniform draw."""
    uniform = rng.random()
    if spread.sd == 0:
        return spread.mean
    a, b = ndtr((low - spread.mean) / spread.sd), ndtr((high - spread.mean) / spread.sd)
    return float(np.clip(spread.mean + spread.sd * ndtri(a + uniform * (b - a)), low, high))


def sample_artefacts(rng: np.random.Generator, profile: Profile, slab: Slab) -> tuple[Artefact, ...]:
    """Each kind occurs by its own chance; projection tails only where there is something above to project."""
    found = []
    for kind, rate in profile.artefacts.items():
        uniform, severity = rng.random(), SEVERITIES[int(rng.choice(3, p=profile.severity))]
        if kind == "projection artefact" and slab != "dvc":
            continue
        if uniform < rate:
            found.append(sample_artefact(rng, kind, severity))
    return tuple(found)


def sample_artefact(rng: np.random.Generator, kind: ArtefactKind, severity: Severity) -> Artefact:
    """One artefact of a kind and severity, anywhere in the field."""
    grade = SEVERITIES.index(severity)
    position = (float(rng.random()), float(rng.random()))
    seed = int(rng.integers(2**31))
    extent, amount, form, axis = 0.1, 0.5, str(kind), int(rng.random() < 0.5)
    if kind == "motion artefact":
        form = str(rng.choice(_MOTION_FORMS, p=_MOTION_SHARES))
        extent, amount = _motion(rng, form, grade)
    elif kind == "projection artefact":
        amount = float(rng.uniform(*((0.05, 0.15), (0.15, 0.35), (0.35, 0.7))[grade]))
    elif kind == "shadow":
        extent = float(rng.uniform(*((0.05, 0.10), (0.08, 0.18), (0.15, 0.30))[grade]))
        amount = float(rng.uniform(*((0.30, 0.45), (0.45, 0.70), (0.70, 0.95))[grade]))
    elif kind == "defocus":
        form = str(rng.choice(("field", "blob", "edge")))
        extent = float(rng.uniform(0.2, 0.5))
        amount = float(rng.uniform(*((0.20, 0.30), (0.30, 0.50), (0.50, 0.90))[grade]))
    elif kind == "low signal":
        form = str(rng.choice(("edge", "band", "blob")))
        extent = float(rng.uniform(0.15, 0.45))
        amount = float(rng.uniform(*((0.20, 0.35), (0.35, 0.60), (0.60, 0.85))[grade]))
    elif kind == "segmentation error":
        form = str(rng.choice(("blob", "edge")))
        extent = float(rng.uniform(0.08, 0.30))
        amount = float(rng.uniform(*((0.30, 0.50), (0.50, 0.75), (0.75, 1.0))[grade]))
    return Artefact(
        kind=kind,
        form=form,
        severity=severity,
        axis=1 if axis else 0,
        position=position,
        extent=extent,
        amount=amount,
        seed=seed,
    )


def _motion(rng: np.random.Generator, form: str, grade: int) -> tuple[float, float]:
    """(extent, amount) of a motion artefact: half-width of its band and displacement, both in fractions of the field."""
    sign = 1.0 if rng.random() < 0.5 else -1.0
    if form == "blink line":
        return float(((0.002, 0.004, 0.010)[grade]) * rng.uniform(1, 1.8)), sign * float(rng.uniform(0.5, 1.0))
    if form in ("displacement", "doubling"):
        shift = float(rng.uniform(*((0.006, 0.012), (0.012, 0.03), (0.03, 0.07))[grade]))
        return float(rng.uniform(0.01, 0.06) * (1 + grade)), sign * shift
    if form == "lost rim":
        return float(rng.uniform(*((0.02, 0.06), (0.05, 0.12), (0.10, 0.30))[grade])), float(rng.uniform(0.3, 0.7))
    if form == "stretch":
        return float(rng.uniform(0.02, 0.05) * (1 + grade)), float(
            rng.uniform(*((0.2, 0.4), (0.4, 0.8), (0.8, 1.6))[grade])
        )
    return float(rng.uniform(0.04, 0.10) * (1 + grade)), float(
        rng.uniform(*((0.08, 0.15), (0.15, 0.3), (0.3, 0.5))[grade])
    )
