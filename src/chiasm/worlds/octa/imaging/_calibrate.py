"""Fit a device profile to a handful of unlabelled images, by matching distributions of image statistics.

1. Look at the images: what cannot be used is named, one by one, with the reason.
2. Render a fixed set of eyes with the start profile, always with the same draws, so that statistics change smoothly.
3. Transfer: curves of the device's processing, by distributions of detail and grey (`_transfer_fit`).
4. Means: Gauss-Newton steps (`scipy.optimize.lsq_linear`, soft-L1 weights) on (synthetic mean - real mean) / real sd of
   every statistic and measured biomarker, outer tenths drawn in, families weighing the same, with a weak pull towards the
   start where the images do not tell; the transfer is fitted again wherever parameters go, also to find the slopes (variable
   projection: Golub and Pereyra 1973), or parameters would mend what the transfer mends; a step that does not help is halved.
5. Spreads: non-negative least squares on variances: what the eyes' own variety does not explain is shared out among the
   parameters by how strongly they move each statistic; what bands still lack becomes the modes of the transfer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chiasm.errors import InvalidInput
from chiasm.worlds.octa.imaging._eye import Eye
from chiasm.worlds.octa.imaging._flow import Flow, project
from chiasm.worlds.octa.imaging._image import develop, finish
from chiasm.worlds.octa.imaging._inspect import ImageProblem, inspect_images
from chiasm.worlds.octa.imaging._matched import matched_names, matched_statistics
from chiasm.worlds.octa.imaging._params import tunable
from chiasm.worlds.octa.imaging._profile import Profile, Spread
from chiasm.worlds.octa.imaging._sample import sample_imaging
from chiasm.worlds.octa.imaging._statistics import middle
from chiasm.worlds.octa.imaging._transfer import Transfer
from chiasm.worlds.octa.imaging._transfer_fit import fit_transfer, measure_pixels, with_modes

Table = NDArray[np.float64]
Pixels = NDArray[np.uint8]

MINIMUM_IMAGES = 10
"""Fewer cannot say how images of a device vary."""

WANDER: dict[str, float] = {
    "large_gain": 0.5,
    "capillary_gain": 0.6,
    "deep_gain": 0.6,
    "bead_sd": 0.5,
    "bead_um": 0.35,
    "missing_share": 0.6,
    "missing_um": 0.4,
    "lobule_sd": 0.5,
    "lobule_um": 0.3,
    "tissue_level": 0.7,
    "pit_floor": 0.7,
    "pit_scale": 0.4,
    "texture_gain": 0.7,
    "texture_sd": 0.4,
    "texture_um": 0.35,
    "streak_um": 0.5,
    "wander": 0.5,
    "wander_um": 0.5,
    "psf_um": 0.25,
    "anisotropy": 0.1,
    "illumination_sd": 0.5,
    "illumination_mm": 0.3,
    "vignette": 0.7,
    "speckle_sd": 0.6,
    "shot_sd": 0.6,
    "pixel_sd": 0.5,
    "floor_level": 0.7,
    "floor_pit": 0.4,
    "floor_sd": 0.4,
    "grain_px": 0.25,
    "noise_skew": 0.4,
    "row_drift": 0.7,
    "col_drift": 0.7,
    "drift_px": 0.5,
    "row_sd": 0.6,
    "col_sd": 0.6,
    "peak_share": 0.4,
    "gamma": 0.25,
    "black_share": 0.8,
}
"""The fitted parameters, each with the log-sd by which devices are expected to differ from the start profile."""

_STEP = 0.08
"""Log step of finite differences: small against the ranges above, large against the noise of pixels."""
_PULL = 0.15
"""Weight of the pull towards the start."""
_STRIDE = 1.0
"""Longest step of a parameter, in its log-sd of `WANDER`."""
SLOPE_EYES = 12
"""Eyes that say how statistics change with a parameter; where they stand is said by all."""


@dataclass(frozen=True)
class Progress:
    """Where a calibration stands."""

    evaluations: int
    elapsed_s: float
    cost: float


@dataclass(frozen=True, eq=False)
class Calibration:
    """What a calibration found.

    Attributes:
        profile: The fitted profile.
        start: The one it began from.
        before: Mean distance of the statistics' distributions, start against real, by family; 0 is equal.
        after: The same for the fitted profile.
        worst: The statistics that still differ most: (family, name, distance).
        problems: Images that were left out.
        n_images: Images that were used.
        evaluations: Times that all eyes were rendered.
        elapsed_s: Wall-clock seconds.
    """

    profile: Profile
    start: Profile
    before: dict[str, float]
    after: dict[str, float]
    worst: tuple[tuple[str, str, float], ...]
    problems: tuple[ImageProblem, ...]
    n_images: int
    evaluations: int
    elapsed_s: float


def calibrate(
    images: Sequence[NDArray[Any]],
    eyes: Sequence[Eye],
    start: Profile,
    *,
    name: str,
    names: Sequence[str] | None = None,
    use_the_rest: bool = False,
    rounds: int = 6,
    seed: int = 0,
    progress: Callable[[Progress], None] | None = None,
) -> Calibration:
    """Fit a profile to real images.

    Args:
        images: At least 10 square greyscale images (H, W) uint8 of one size and one kind of scan.
        eyes: What is rendered for comparison: eyes grown for this field, in the mix of patients of the images; 32 suffice.
        start: Where to begin, and the source of what is not fitted (artefact rates, slabs, `saturation_mm_s`).
        name: Of the new profile.
        names: How to name each image in messages; None numbers them.
        use_the_rest: Whether to go on without unusable images; else they are an error.
        rounds: Steps of the least-squares search; each renders `SLOPE_EYES` eyes about 40 times.
        seed: Of the renders.
        progress: Called after every evaluation.

    Raises:
        InvalidInput: Unusable images (each named with its reason), fewer than 10 usable ones, eyes of another field, or a
            start whose renders show nothing to measure.

    An image or render in which a biomarker cannot be had has no part in that biomarker's mean, spread and distribution.
    """
    began = time.monotonic()
    problems = inspect_images(images, names)
    if problems and not use_the_rest:
        listed = "\n".join(f"  {p.name}: {p.reason}" for p in problems)
        msg = f"{len(problems)} of {len(images)} images cannot be used:\n{listed}\nremove them, or say that the rest shall be used"
        raise InvalidInput(msg)
    bad = {p.index for p in problems}
    usable = [np.asarray(pixels) for i, pixels in enumerate(images) if i not in bad]
    if len(usable) < MINIMUM_IMAGES:
        msg = f"calibration needs at least {MINIMUM_IMAGES} usable images, got {len(usable)} of {len(images)}"
        raise InvalidInput(msg)
    start = Profile.model_validate({**start.model_dump(), "name": name, "size_px": len(usable[0])})
    real = np.array([matched_statistics(pixels, start.fov_mm) for pixels in usable])
    fit = _Fit(tuple(eyes), start, usable, real, seed, progress, began)
    fitted = fit.spreads(fit.means(rounds))
    tables = [fit.render(profile) for profile in (start, fitted)]
    before, after = (family_distances(table, real) for table in tables)
    distances = distribution_distances(tables[1], real)
    order = np.argsort(-distances)[:12]
    worst = tuple((*matched_names()[i], float(distances[i])) for i in order)
    return Calibration(
        fitted, start, before, after, worst, tuple(problems), len(usable), fit.evaluations, time.monotonic() - began
    )


def distribution_distances(synthetic: Table, real: Table) -> Table:
    """(S,) mean difference of quantiles of each statistic, in real standard deviations."""
    levels = np.linspace(0.05, 0.95, 19)
    gap = np.abs(np.nanquantile(synthetic, levels, axis=0) - np.nanquantile(real, levels, axis=0)).mean(axis=0)
    return np.asarray(gap / _scale(real), dtype=np.float64)


def family_distances(synthetic: Table, real: Table) -> dict[str, float]:
    """Mean of `distribution_distances` by family of statistics."""
    distances = distribution_distances(synthetic, real)
    families = np.array([family for family, _ in matched_names()])
    return {f: float(distances[families == f].mean()) for f in dict.fromkeys(families.tolist())}


@dataclass
class _Fit:
    """The search: renders the eyes with common draws and compares their statistics with the real ones."""

    eyes: tuple[Eye, ...]
    start: Profile
    images: list[NDArray[Any]]
    real: Table
    seed: int
    progress: Callable[[Progress], None] | None
    began: float
    evaluations: int = 0
    flows: list[Flow] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.detail = measure_pixels(self.images)
        self.flows = [project(eye, self._draw(self.start, i)) for i, eye in enumerate(self.eyes)]
        families = np.array([family for family, _ in matched_names()])
        size = {f: int((families == f).sum()) for f in set(families.tolist())}
        self.weight = np.array([1 / np.sqrt(size[f]) for f in families.tolist()])
        self.names = tuple(WANDER)
        self.wander = np.array(list(WANDER.values()))
        limits = tunable()
        origin = np.log([max(self.start.mean(k), 1e-3) for k in self.names])
        self.low = np.log([max(limits[k][0], 5e-4) for k in self.names]) - origin
        self.high = np.log([limits[k][1] for k in self.names]) - origin

    def render(self, profile: Profile, eyes: int | None = None) -> Table:
        """(eyes, S) statistics of the first eyes (None: all) imaged by this profile; NaN where a biomarker cannot be had."""
        rows = []
        for i, eye in enumerate(self.eyes[:eyes]):
            params = self._draw(profile, i)
            rows.append(matched_statistics(finish(develop(eye, params, self.flows[i]), params).pixels, profile.fov_mm))
        self.evaluations += 1
        return np.array(rows)

    def process(self, profile: Profile, *, eyes: int | None = None, rounds: int = 4) -> tuple[Profile, list[Pixels]]:
        """The profile with its transfer fitted by the first eyes, without modes, its parameters as they are; the renders."""
        plain = profile.model_copy(update={"transfer": profile.transfer.model_copy(update={"modes": ()})})
        drawn = [self._draw(plain, i) for i in range(len(self.eyes[:eyes]))]
        recorded = [develop(eye, p, flow) for eye, p, flow in zip(self.eyes, drawn, self.flows, strict=False)]

        def finished(i: int, transfer: Transfer) -> Pixels:
            return finish(recorded[i], drawn[i].model_copy(update={"transfer": transfer})).pixels

        self.evaluations += 1
        transfer, made = fit_transfer(
            [r.noisy for r in recorded], finished, self.detail, start=plain.transfer, rounds=rounds
        )
        update = {"transfer": plain.transfer.model_copy(update=transfer.model_dump())}
        return profile.model_copy(update=update), made

    def means(self, rounds: int) -> Profile:
        """The profile whose statistics agree in mean, whatever the transfer: it is fitted anew wherever parameters go."""
        x = np.clip(np.zeros(len(self.names)), self.low + 1e-6, self.high - 1e-6)
        profile, made = self.process(self._moved(self.start, x), rounds=8)
        gap = self._gap(made)
        if np.isnan(gap).any():
            lacking = ", ".join(name for (_, name), g in zip(matched_names(), gap.tolist(), strict=True) if np.isnan(g))
            msg = (
                f"{lacking} cannot be measured in any image, or in any render of the start profile: begin with another"
            )
            raise InvalidInput(msg)
        for _ in range(rounds):
            step = self._step(x, gap, self._slopes(profile, x))
            for shrink in (1.0, 0.5, 0.25):
                trial, made = self.process(self._moved(profile, shrink * step))
                moved = self._gap(made)
                # Where a biomarker can be measured in no render any more, the cost is NaN, which is never less.
                if self._cost(x + shrink * step, moved) < self._cost(x, gap):
                    x, profile, gap = x + shrink * step, trial, moved
                    break
            else:
                break
        return profile

    def _step(self, x: Table, gap: Table, slopes: Table) -> Table:
        """One Gauss-Newton step, within bounds and no longer than `_STRIDE`."""
        from scipy.optimize import lsq_linear  # needed to calibrate alone, as `nnls` below

        # Soft-L1: a statistic that cannot be matched shall not drag all others along.
        soft = self.weight / (1 + gap**2) ** 0.25
        pull = _PULL / self.wander
        system = np.vstack([slopes * soft[:, None], np.diag(pull)])
        wanted = np.concatenate([-gap * soft, -pull * x])
        low = np.maximum(self.low - x, -_STRIDE * self.wander) - 1e-9
        high = np.minimum(self.high - x, _STRIDE * self.wander) + 1e-9
        return np.asarray(lsq_linear(system, wanted, bounds=(low, high)).x)

    def _cost(self, x: Table, gap: Table) -> float:
        soft = 2 * (np.sqrt(1 + gap**2) - 1)
        cost = float((self.weight**2 * soft).sum() + ((_PULL * x / self.wander) ** 2).sum())
        if self.progress is not None:
            self.progress(Progress(self.evaluations, time.monotonic() - self.began, cost))
        return cost

    def spreads(self, profile: Profile) -> Profile:
        """Share out the variance that the eyes alone do not explain among the parameters, then among modes of the transfer."""
        from scipy.optimize import nnls

        still = self._with_sds(profile, np.zeros(len(self.names)))
        scale = _scale(self.real)
        base = self.render(still)
        # Variances of few images miss by a half either way: lacks and excesses must both count, or all spreads grow.
        need = (np.nanvar(self.real, axis=0) - np.nanvar(base, axis=0)) / scale**2
        moved = [self.render(self._moved(still, _STEP * unit), SLOPE_EYES) for unit in np.eye(len(self.names))]
        slopes = np.stack([(middle(m) - middle(base[:SLOPE_EYES])) / scale / _STEP for m in moved], axis=1)
        # Where the images do not tell, a parameter varies as it does from the start.
        usual = np.array([profile.parameters[k].sd / max(profile.parameters[k].mean, 1e-3) for k in self.names])
        system = np.vstack([slopes**2 * self.weight[:, None], 3 * np.eye(len(self.names))])
        variance, _ = nnls(system, np.concatenate([need * self.weight, 3 * usual**2]))
        varied, made = self.process(self._with_sds(profile, np.minimum(np.sqrt(variance), 0.6 * self.wander)))
        return varied.model_copy(update={"transfer": with_modes(varied.transfer, self.detail, made)})

    def _draw(self, profile: Profile, index: int) -> Any:
        # Artefacts are not fitted: in a dozen renders, one of them would decide a mean.
        return sample_imaging(np.random.default_rng([self.seed, index]), profile, artefacts="none")

    def _moved(self, profile: Profile, shifts: Table) -> Profile:
        """The profile with means moved by `shifts` in the log, spreads in proportion."""
        parameters = dict(profile.parameters)
        limits = tunable()
        for k, shift in zip(self.names, shifts.tolist(), strict=True):
            old = profile.parameters[k]
            mean = float(np.clip(max(old.mean, 1e-3) * np.exp(shift), *limits[k]))
            parameters[k] = Spread(mean=mean, sd=old.sd * mean / max(old.mean, 1e-3))
        return profile.model_copy(update={"parameters": parameters})

    def _with_sds(self, profile: Profile, relative: Table) -> Profile:
        parameters = dict(profile.parameters)
        for k, sd in zip(self.names, relative.tolist(), strict=True):
            mean = profile.parameters[k].mean
            parameters[k] = Spread(mean=mean, sd=float(sd * mean))
        return profile.model_copy(update={"parameters": parameters})

    def _gap(self, made: Sequence[Pixels]) -> Table:
        """(S,) mean statistics of renders less those of the images, in standard deviations of the images."""
        found = middle(np.array([matched_statistics(pixels, self.start.fov_mm) for pixels in made]))
        return np.asarray((found - middle(self.real)) / _scale(self.real))

    def _slopes(self, profile: Profile, x: Table) -> Table:
        """(S, P) finite differences of the standardised statistics per log parameter, the transfer following each."""
        profile, made = self.process(profile, eyes=SLOPE_EYES)
        base = self._gap(made)
        columns = []
        for j in range(len(x)):
            step = _STEP if x[j] + _STEP < self.high[j] else -_STEP
            shifts = np.zeros(len(x))
            shifts[j] = step
            columns.append(
                (self._gap(self.process(self._moved(profile, shifts), eyes=SLOPE_EYES, rounds=2)[1]) - base) / step
            )
            self._cost(x, base)
        return np.stack(columns, axis=1)


def _scale(real: Table) -> Table:
    """Spread of each statistic among real images, kept from zero."""
    return np.asarray(np.nanstd(real, axis=0) + 0.01 * np.abs(np.nanmedian(real, axis=0)) + 1e-3)
