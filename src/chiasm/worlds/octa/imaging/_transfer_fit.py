"""Fit the transfer of a device: distributions of detail in renders against those in real images.

What the scanner recorded is rendered once per eye; then, round after round, the curve of every level is moved by the
difference of quantiles between real and rendered detail, the shares by the ratio of the bands' strengths, and the grey
curve by the difference of grey levels, each a mean over images that a few odd ones do not move (pooled pixels let one image
out of focus dull all renders; docs/log.md). How bands' strengths vary from image to image beyond what the renders' own
variety gives is kept as a few modes (principal components).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from chiasm.worlds.octa.imaging._noise import Field
from chiasm.worlds.octa.imaging._profile import DeviceTransfer
from chiasm.worlds.octa.imaging._statistics import middle
from chiasm.worlds.octa.imaging._transfer import BANDS, LEVELS, NODES, TAPS, Transfer, decompose

MODES = 5
"""Principal components of the bands' strengths that are kept."""
_SHARES = np.concatenate([[0.0005, 0.002, 0.006], np.linspace(0.015, 0.985, 98), [0.994, 0.998, 0.9995]])
_GREY_SHARES = np.linspace(0.002, 0.99, 397)
_DAMPING = 0.8
_FINE = 0.15
"""Frequencies above are those of the resampling kernels [cycles/px]."""
_SAMPLED = 20_000
"""Pixels of an image that enter the quantiles."""
_DEALS = 200
"""Random deals of the images that say what chance makes of modes."""

Table = NDArray[np.float64]
Pixels = NDArray[np.uint8]
Modes = tuple[tuple[float, ...], ...]


class Detail(NamedTuple):
    """Detail of a set of n images, B bands; means over images have the outer tenths drawn in (`middle`)."""

    quantiles: Table
    """(LEVELS, Q) mean over images."""
    log_sd: Table
    """(n, B) of each image's bands."""
    grey: Table
    """(G,) mean over images of the quantiles of grey."""
    spectrum: Table
    """(F, F) mean log power per vertical and horizontal frequency, from 0 to 1/2 cycles per pixel."""

    @property
    def strength(self) -> Table:
        """(B,) mean log sd of the bands."""
        return middle(self.log_sd)


def measure_detail(images: Sequence[Field]) -> Detail:
    """Detail of images (n, n) float32 in one unit."""
    step = max(1, images[0].size // _SAMPLED) | 1
    quantiles = np.zeros((len(images), LEVELS, len(_SHARES)))
    log_sd = np.zeros((len(images), len(BANDS)))
    for i, image in enumerate(images):
        for k, level in enumerate(decompose(image)):
            quantiles[i, k] = np.quantile(level.detail.ravel()[i % step :: step], _SHARES)
            log_sd[i, 3 * k : 3 * k + 3] = [np.log(float(band.std()) + 1e-9) for band in level.bands]
    grey = np.array([np.quantile(image.ravel()[i % step :: step], _GREY_SHARES) for i, image in enumerate(images)])
    spectra = np.log(np.array([_spectrum(image) for image in images]) + 1e-12)
    return Detail(middle(quantiles), log_sd, middle(grey), middle(spectra))


def measure_pixels(images: Sequence[Pixels]) -> Detail:
    """Detail of exported images (n, n) uint8, in units of their full range."""
    return measure_detail([_unit(pixels) for pixels in images])


def fit_transfer(
    recorded: Sequence[Field],
    finish: Callable[[int, Transfer], Pixels],
    target: Detail,
    *,
    start: Transfer,
    rounds: int = 6,
) -> tuple[Transfer, list[Pixels]]:
    """The transfer under which finished renders have the detail and grey levels of real images, and those renders.

    Args:
        recorded: (n, n) renders before the transfer.
        finish: Finishes render i with a transfer.
        target: `measure_pixels` of images of the device.
        start: A transfer to begin with.
        rounds: Corrections; 4 to 8 suffice.
    """
    source = measure_detail(recorded)
    nodes = np.array(NODES)
    taps = [np.array(start.rows), np.array(start.columns)]
    scale = np.array([(q[-20] - q[19]) / 2 for q in source.quantiles])
    at = np.array([np.interp(nodes * s, q, _SHARES) for s, q in zip(scale, source.quantiles, strict=True)])
    curves = np.array([_restated(*old) for old in zip(start.curves, start.scale, scale, strict=True)])
    share, grey = np.array(start.share), np.array(start.grey)
    for last in (*(False,) * rounds, True):
        transfer = _sound(taps, scale, curves, share, grey)
        made = [finish(i, transfer) for i in range(len(recorded))]
        if last:
            break
        found = measure_pixels(made)
        taps = _resample(taps, target.spectrum, found.spectrum)
        ratio = target.strength - found.strength
        for k in range(LEVELS):
            bands = slice(3 * k, 3 * k + 3)
            # Bands of one level keep their common strength to the curve; shares take what differs between directions.
            common = float(np.average(ratio[bands], weights=np.exp(2 * target.strength[bands])))
            share[bands] += _DAMPING * (ratio[bands] - common)
            worth = np.exp(found.strength[bands]).mean() / np.exp(source.strength[bands]).mean()
            want, have = (np.interp(at[k], _SHARES, t.quantiles[k]) for t in (target, found))
            inside = (at[k] > _SHARES[0]) & (at[k] < _SHARES[-1])
            curves[k] += _extend(_DAMPING * (want - have) / (worth * scale[k]), nodes, inside)
        grey = grey + _DAMPING * (np.interp(grey, *_rising(found.grey, target.grey)) - grey)
    return transfer, made


def with_modes(transfer: Transfer, target: Detail, made: Sequence[Pixels], usual: Modes = ()) -> DeviceTransfer:
    """The transfer with what the bands' strengths vary in real images beyond renders `made` with it."""
    modes = fit_modes(target.log_sd, measure_pixels(made).log_sd, usual)
    return DeviceTransfer(**{**transfer.model_dump(), "modes": modes})


def fit_modes(real: Table, made: Table, usual: Modes = ()) -> Modes:
    """(up to MODES, or as many as are usual, B) changes of the bands' shares per standard normal draw that renders lack.

    With a few dozen images the difference of two equal covariances has large eigenvalues too. So what devices of this kind
    are known to vary comes first, its variance half as it was and half as the images ask for (one number, which few images
    tell), and of the rest only those count that stand out from differences of images dealt at random, and only by as much.

    Args:
        real: (n, B) log-sd of real images' bands.
        made: (m, B) of renders without modes.
        usual: (k, B) modes of the profile that a fit began from.
    """
    lack = np.cov(real.T) - np.cov(made.T)
    known = np.reshape(usual, (-1, len(lack)))
    shape = known.T @ known
    if power := float((shape**2).sum()):
        variance = max(0.0, 0.5 + 0.5 * float((lack * shape).sum()) / power)
        known, lack = np.sqrt(variance) * known, lack - variance * shape
    values, vectors = np.linalg.eigh(lack)
    both = np.vstack([real - real.mean(axis=0), made - made.mean(axis=0)])
    rng = np.random.default_rng(0)
    chance = []
    for _ in range(_DEALS):
        dealt = rng.permutation(both)
        chance.append(np.linalg.eigvalsh(np.cov(dealt[: len(real)].T) - np.cov(dealt[len(real) :].T))[-1])
    order = [int(k) for k in np.argsort(-values) if values[k] > np.quantile(chance, 0.95)]
    spread = np.sqrt(np.maximum(values - np.median(chance), 0))
    found = np.vstack([known, *(vectors[:, k] * spread[k] for k in order[: max(0, MODES - len(known))])])
    return tuple(tuple(row) for row in np.round(found, 4).tolist())


def _unit(pixels: Pixels) -> Field:
    return np.asarray(pixels, dtype=np.float32) / np.float32(255)


def _restated(curve: tuple[float, ...], old: float, new: float) -> Table:
    """The same curve at the nodes of another scale, straight on beyond its own."""
    nodes = np.array(NODES)
    x, y = nodes * new / old, np.array(curve)
    ends = [(y[k + 1] - y[k]) / (nodes[k + 1] - nodes[k]) for k in (0, -2)]
    inside = np.interp(x, nodes, y)
    inside += np.minimum(x - nodes[0], 0) * ends[0] + np.maximum(x - nodes[-1], 0) * ends[1]
    return np.asarray(inside * old / new)


def _extend(move: Table, nodes: Table, inside: NDArray[np.bool_]) -> Table:
    """Beyond the last node that renders reach, a move goes on in proportion."""
    at = np.flatnonzero(inside)
    out = move.copy()
    out[: at[0]] = move[at[0]] * nodes[: at[0]] / nodes[at[0]]
    out[at[-1] + 1 :] = move[at[-1]] * nodes[at[-1] + 1 :] / nodes[at[-1]]
    return out


def _rising(x: Table, y: Table) -> tuple[Table, Table]:
    """Points of a curve from (0, 0) to (1, 1), one for each x."""
    keep = np.concatenate([[True], np.diff(x) > 1e-6]) & (x > 0) & (x < 1)
    return np.concatenate([[0.0], x[keep], [1.0]]), np.concatenate([[0.0], y[keep], [1.0]])


def _spectrum(image: Field) -> Table:
    n = len(image)
    window = np.hanning(n).astype(np.float32)
    power = np.abs(fft.rfft2((image - image.mean()) * window[:, None] * window)) ** 2
    folded = power[: n // 2 + 1].copy()
    folded[1 : (n + 1) // 2] = (folded[1 : (n + 1) // 2] + power[: n // 2 : -1]) / 2
    return np.asarray(folded, dtype=np.float64)


def _resample(taps: list[Table], target: Table, found: Table) -> list[Table]:
    """Kernels whose responses make up for what differs in the spectrum along each axis at fine detail."""
    frequency = np.linspace(0, 0.5, len(target))
    fine = frequency > _FINE
    gap = 0.5 * (target - found)[fine][:, fine]
    waves = np.cos(2 * np.pi * np.outer(frequency, np.arange(1, TAPS + 1))) - 1
    out = []
    for axis, old in enumerate(taps):
        # Half of what is common to both axes belongs to each.
        lack = gap.mean(axis=1 - axis) - gap.mean() / 2
        response = (1 + waves[fine] @ old) * np.exp(_DAMPING * lack)
        # Below, where the levels and their curves rule, the response stays near one.
        still = np.linspace(0, _FINE, len(lack))
        system = np.vstack([waves[fine], np.cos(2 * np.pi * np.outer(still, np.arange(1, TAPS + 1))) - 1])
        out.append(np.linalg.lstsq(system, np.concatenate([response - 1, np.zeros(len(still))]), rcond=None)[0])
    return out


def _sound(taps: list[Table], scale: Table, curves: Table, share: Table, grey: Table) -> Transfer:
    """Rounded to what a profile keeps; curves never fall, the grey curve runs from 0 to 1."""
    # A curve that stands still would erase detail: it keeps a tenth of the slope of one.
    slopes = np.maximum(np.diff(curves, axis=1), 0.1 * np.diff(NODES))
    middle = NODES.index(0.0)
    whole = np.concatenate([np.zeros((len(curves), 1)), np.cumsum(slopes, axis=1)], axis=1)
    whole += curves[:, [middle]] - whole[:, [middle]]
    rising = np.maximum.accumulate(np.clip(grey, 0, 1))
    rising[0], rising[-1] = 0, 1
    rows, columns = (tuple(round(float(t), 4) for t in np.clip(kernel, -2, 2)) for kernel in taps)
    return Transfer(
        rows=rows,
        columns=columns,
        scale=tuple(float(f"{s:.4g}") for s in scale),
        curves=tuple(tuple(round(float(v), 3) for v in row) for row in np.clip(whole, -100, 100)),
        share=tuple(round(float(v), 4) for v in np.clip(share, -2, 5)),
        grey=tuple(round(float(v), 4) for v in rising),
    )
