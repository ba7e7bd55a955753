"""The search of a calibration: means by Gauss-Newton steps, spreads by non-negative least squares (see `_calibrate`)."""

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
from chiasm.worlds.octa.imaging._matched import matched_names, matched_statistics
from chiasm.worlds.octa.imaging._params import tunable
from chiasm.worlds.octa.imaging._profile import Profile, Spread
from chiasm.worlds.octa.imaging._sample import sample_imaging
from chiasm.worlds.octa.imaging._statistics import middle
from chiasm.worlds.octa.imaging._transfer import Transfer
from chiasm.worlds.octa.imaging._transfer_fit import fit_transfer, measure_pixels, with_modes

Table = NDArray[np.float64]
Pixels = NDArray[np.uint8]

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
COUNTED = "black_share"
"""Black pixels can be counted: as many are black as in the images, and no slope is needed (docs/log.md)."""

_STEP = 0.08
"""Log step of finite differences: small against the ranges above, large against the noise of pixels."""
_PULL = 0.15
"""Weight of the pull towards the start."""
_STRIDE = 1.0
"""Longest step of a parameter, in its log-sd of `WANDER`."""
LAST_ROUNDS = 3
"""Fits of the transfer and counts of black pixels at the end, in turn: each moves the other a little."""
SLOPE_EYES = 12
"""Eyes that say how statistics change with a parameter; where they stand is said by all."""


@dataclass(frozen=True)
class Progress:
    """Where a calibration stands."""

    evaluations: int
    elapsed_s: float
    cost: float
    """Of the parameters reached so far; NaN before they are known."""


@dataclass
class Search:
    """Renders the eyes with common draws and compares their statistics with the real ones."""

    eyes: tuple[Eye, ...]
    start: Profile
    images: list[NDArray[Any]]
    real: Table
    seed: int
    progress: Callable[[Progress], None] | None
    began: float
    evaluations: int = 0
    cost: float = float("nan")
    flows: list[Flow] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.detail = measure_pixels(self.images)
        self.flows = [project(eye, self._draw(self.start, i)) for i, eye in enumerate(self.eyes)]
        families = np.array([family for family, _ in matched_names()])
        size = {f: int((families == f).sum()) for f in set(families.tolist())}
        self.weight = np.array([1 / np.sqrt(size[f]) for f in families.tolist()])
        self.black = _black(self.images)
        self.names = tuple(name for name in WANDER if name != COUNTED)
        self.wander = np.array([WANDER[name] for name in self.names])
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
        self._tell()
        return np.array(rows)

    def process(self, profile: Profile, *, eyes: int | None = None, rounds: int = 4) -> tuple[Profile, list[Pixels]]:
        """The profile with its transfer fitted by the first eyes, without modes; the renders.

        Its parameters stay as they are, but for the share of black pixels: it goes to where the renders say.
        """
        plain = profile.model_copy(update={"transfer": profile.transfer.model_copy(update={"modes": ()})})
        drawn = [self._draw(plain, i) for i in range(len(self.eyes[:eyes]))]
        recorded = [develop(eye, p, flow) for eye, p, flow in zip(self.eyes, drawn, self.flows, strict=False)]

        def finished(i: int, transfer: Transfer) -> Pixels:
            return finish(recorded[i], drawn[i].model_copy(update={"transfer": transfer})).pixels

        self._tell()
        transfer, made = fit_transfer(
            [r.noisy for r in recorded], finished, self.detail, start=plain.transfer, rounds=rounds
        )
        update = {"transfer": plain.transfer.model_copy(update=transfer.model_dump())}
        share = float(np.clip(profile.mean(COUNTED) + self.black - _black(made), *tunable()[COUNTED]))
        return profile.model_copy(update=update).evolve(**{COUNTED: share}), made

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
        self.cost = self._cost(x, gap)
        for _ in range(rounds):
            step = self._step(x, gap, self._slopes(profile, x))
            for shrink in (1.0, 0.5, 0.25):
                trial, made = self.process(self._moved(profile, shrink * step))
                moved = self._gap(made)
                # Where a biomarker can be measured in no render any more, the cost is NaN, which is never less.
                if (cost := self._cost(x + shrink * step, moved)) < self.cost:
                    x, profile, gap, self.cost = x + shrink * step, trial, moved, cost
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
        return float((self.weight**2 * soft).sum() + ((_PULL * x / self.wander) ** 2).sum())

    def _tell(self) -> None:
        """Count a render of the eyes and report it."""
        self.evaluations += 1
        if self.progress is not None:
            self.progress(Progress(self.evaluations, time.monotonic() - self.began, self.cost))

    def spreads(self, profile: Profile) -> Profile:
        """Share out the variance that the eyes alone do not explain among the parameters, then among modes of the transfer."""
        from scipy.optimize import nnls

        still = self._with_sds(profile, np.zeros(len(self.names)))
        scale = scale_of(self.real)
        base = self.render(still)
        # Variances of few images miss by a half either way: lacks and excesses must both count, or all spreads grow.
        need = (np.nanvar(self.real, axis=0) - np.nanvar(base, axis=0)) / scale**2
        moved = [self.render(self._moved(still, _STEP * unit), SLOPE_EYES) for unit in np.eye(len(self.names))]
        slopes = np.stack([(middle(m) - middle(base[:SLOPE_EYES])) / scale / _STEP for m in moved], axis=1)
        # Where the images do not tell, a parameter varies as it does from the start.
        usual = np.array([profile.parameters[k].sd / max(profile.parameters[k].mean, 1e-3) for k in self.names])
        system = np.vstack([slopes**2 * self.weight[:, None], 3 * np.eye(len(self.names))])
        variance, _ = nnls(system, np.concatenate([need * self.weight, 3 * usual**2]))
        varied = self._with_sds(profile, np.minimum(np.sqrt(variance), 0.6 * self.wander))
        for _ in range(LAST_ROUNDS):
            varied, made = self.process(varied)
        transfer = with_modes(varied.transfer, self.detail, made, self.start.transfer.modes)
        return varied.model_copy(update={"transfer": transfer})

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
        return np.asarray((found - middle(self.real)) / scale_of(self.real))

    def _slopes(self, profile: Profile, x: Table) -> Table:
        """(S, P) finite differences of the standardised statistics per log parameter, the transfer following each."""
        profile, made = self.process(profile, eyes=SLOPE_EYES)
        base = self._gap(made)
        columns = []
        for j in range(len(x)):
            step = _STEP if x[j] + _STEP < self.high[j] else -_STEP
            shifts = np.zeros(len(x))
            shifts[j] = step
            _, made = self.process(self._moved(profile, shifts), eyes=SLOPE_EYES, rounds=2)
            columns.append((self._gap(made) - base) / step)
        return np.stack(columns, axis=1)


def _black(images: Sequence[NDArray[Any]]) -> float:
    """Mean share of black pixels."""
    return float(middle(np.array([[(pixels == 0).mean()] for pixels in images]))[0])


def scale_of(real: Table) -> Table:
    """Spread of each statistic among real images, kept from zero."""
    return np.asarray(np.nanstd(real, axis=0) + 0.01 * np.abs(np.nanmedian(real, axis=0)) + 1e-3)
