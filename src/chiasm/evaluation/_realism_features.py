"""What the realism judge looks at: about a hundred stated numbers per image, in named families.

Families marked with * are ones that the calibration of `worlds.octa.imaging` also matches; the others were never fitted, so
that a profile cannot win by tuning to the judge.

    histogram*     moments, percentiles, entropy, clipped shares, number of grey levels
    spectrum*      radial power in log bands, share along rows and columns
    contrast*      spread of differences of Gaussians at scales of 1 to 16 px
    eccentricity*  grey in rings around the centre of the field
    grain*         autocorrelation, tails and patchiness of the contrast bands
    pattern*       local binary patterns at three radii
    cooccurrence   contrast, homogeneity, energy and correlation of grey-level pairs
    runs           lengths of bright and dark runs along rows and along columns, line-to-line steps
    topology*      Euler number and components over thresholds, sizes of dark holes
    vessels*       Hessian ridge strength over scales, orientation coherence, wide-vessel share, skeleton length
    fovea          depth, size, noise and edge of the central dark zone, low-flow share
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from chiasm.errors import InvalidInput

FITTED_FAMILIES = ("histogram", "spectrum", "contrast", "eccentricity", "grain", "pattern", "topology", "vessels")
"""Families that calibration also matches."""

Image = NDArray[np.float64]


def image_features(pixels: NDArray[np.uint8]) -> dict[str, float]:
    """Every feature of one image.

    Args:
        pixels: (H, W) uint8, square, at least 64 px.

    Returns:
        "family.name" -> value, in a fixed order.
    """
    if pixels.ndim != 2 or pixels.dtype != np.uint8 or min(pixels.shape) < 64:
        msg = f"the realism judge takes (H, W) uint8 images of at least 64 px, got {pixels.dtype} {pixels.shape}"
        raise InvalidInput(msg)
    grey = pixels.astype(np.float64) / 255
    values: dict[str, float] = {}
    for family, function in _FAMILIES.items():
        values |= {f"{family}.{name}": float(value) for name, value in function(grey, pixels).items()}
    return values


def feature_table(images: Sequence[NDArray[np.uint8]]) -> tuple[NDArray[np.float64], list[str]]:
    """(n, F) feature values of n images, and the F names."""
    rows = [image_features(pixels) for pixels in images]
    names = list(rows[0])
    return np.array([[row[name] for name in names] for row in rows]), names


def _histogram(grey: Image, pixels: NDArray[np.uint8]) -> dict[str, float]:
    centred = grey - grey.mean()
    sd = max(float(grey.std()), 1e-9)
    counts = np.bincount(pixels.ravel(), minlength=256) / pixels.size
    filled = counts[counts > 0]
    out = {f"p{q}": np.percentile(grey, q) for q in (1, 5, 10, 25, 50, 75, 90, 95, 99)}
    return out | {
        "mean": grey.mean(),
        "sd": sd,
        "skewness": (centred**3).mean() / sd**3,
        "kurtosis": (centred**4).mean() / sd**4,
        "entropy": -(filled * np.log2(filled)).sum(),
        "black": counts[0],
        "white": counts[255],
        "levels": len(filled),
    }


def _spectrum(grey: Image, _: NDArray[np.uint8]) -> dict[str, float]:
    n, m = grey.shape
    window = np.hanning(n)[:, None] * np.hanning(m)[None]
    power = np.abs(np.fft.fft2((grey - grey.mean()) * window)) ** 2 / (window**2).sum()
    row, col = np.abs(np.fft.fftfreq(n))[:, None], np.abs(np.fft.fftfreq(m))[None]
    radius = np.hypot(row, col)
    edges = np.concatenate([np.geomspace(max(0.006, 1.4 / min(n, m)), 0.5, 13), [0.71]])
    out = {}
    for low, high in itertools.pairwise(edges):
        out[f"band {low:.3f}"] = np.log10(power[(radius >= low) & (radius < high)].mean() + 1e-12)
    angle = np.arctan2(np.broadcast_to(row, radius.shape), np.broadcast_to(col, radius.shape))
    for name, low, high in (("low", max(0.01, 0.9 / min(n, m)), 0.05), ("middle", 0.05, 0.2), ("high", 0.2, 0.5)):
        ring = (radius >= low) & (radius < high)
        along, across = ring & (angle < np.pi / 8), ring & (angle > 3 * np.pi / 8)
        out[f"rows over columns {name}"] = np.log10(power[across].mean() / power[along].mean())
        axes = ((row < 1.5 / n) | (col < 1.5 / m)) & ring
        out[f"on axes {name}"] = np.log10(power[axes].mean() / power[ring & ~axes].mean())
    return out


def _contrast(grey: Image, _: NDArray[np.uint8]) -> dict[str, float]:
    return {f"sd {s}": np.log10(band.std() + 1e-9) for s, band in _bands(grey)}


def _eccentricity(grey: Image, _: NDArray[np.uint8]) -> dict[str, float]:
    n, m = grey.shape
    row, col = np.mgrid[:n, :m]
    radius = np.hypot((row + 0.5) / n - 0.5, (col + 0.5) / m - 0.5)
    rings = [grey[(radius >= low) & (radius < low + 0.07)] for low in np.arange(0, 0.69, 0.07)]
    out = {f"ring {i}": ring.mean() for i, ring in enumerate(rings)}
    return out | {f"ring {i} spread": rings[i].std() for i in (0, 2, 4, 8)}


def _grain(grey: Image, _: NDArray[np.uint8]) -> dict[str, float]:
    out: dict[str, float] = {}
    for scale, band in _bands(grey):
        sd = max(float(band.std()), 1e-9)
        out[f"skewness {scale}"] = (band**3).mean() / sd**3
        out[f"kurtosis {scale}"] = np.log10((band**4).mean() / sd**4)
        energy = ndimage.uniform_filter(band**2, 25)
        out[f"patchiness {scale}"] = energy.std() / max(float(energy.mean()), 1e-12)
    high = grey - ndimage.gaussian_filter(grey, 4)
    variance = max(float((high**2).mean()), 1e-12)
    for lag in (1, 2, 3, 4):
        out[f"autocorrelation rows {lag}"] = (high[:-lag] * high[lag:]).mean() / variance
        out[f"autocorrelation columns {lag}"] = (high[:, :-lag] * high[:, lag:]).mean() / variance
    out["autocorrelation diagonal"] = (high[:-1, :-1] * high[1:, 1:]).mean() / variance
    return out


def _pattern(_: Image, pixels: NDArray[np.uint8]) -> dict[str, float]:
    from skimage.feature import local_binary_pattern

    out: dict[str, float] = {}
    for radius in (1, 2, 4):
        codes = local_binary_pattern(pixels, 8, radius, method="uniform").astype(int)
        shares = np.bincount(codes.ravel(), minlength=10) / codes.size
        out |= {f"{radius}.{k}": share for k, share in enumerate(shares)}
    return out


def _cooccurrence(_: Image, pixels: NDArray[np.uint8]) -> dict[str, float]:
    from skimage.feature import graycomatrix, graycoprops

    table = graycomatrix(pixels // 16, [1, 2, 4, 8], [0, np.pi / 2], levels=16, symmetric=True, normed=True)
    out: dict[str, float] = {}
    for name in ("contrast", "homogeneity", "energy", "correlation"):
        values = graycoprops(table, name)
        out |= {f"{name} {d}": values[i].mean() for i, d in enumerate((1, 2, 4, 8))}
        out[f"{name} anisotropy"] = values[0, 0] - values[0, 1]
    return out


def _runs(grey: Image, _: NDArray[np.uint8]) -> dict[str, float]:
    out: dict[str, float] = {}
    for share in (25, 50, 75, 90):
        above = grey > np.percentile(grey, share)
        for axis, name in ((0, "columns"), (1, "rows")):
            changes = max(1, int((np.diff(above, axis=axis)).sum()))
            out[f"mean run p{share} {name}"] = grey.size / changes
    for axis, name in ((1, "rows"), (0, "columns")):
        line = np.diff(grey.mean(axis=axis))
        steps = np.abs(np.diff(grey, axis=1 - axis)).mean(axis=axis)
        out[f"line sd {name}"] = line.std()
        out[f"line worst {name}"] = np.abs(line).max() / max(float(line.std()), 1e-9)
        out[f"step worst {name}"] = steps.max() / max(float(np.median(steps)), 1e-9)
        out[f"step least {name}"] = steps.min() / max(float(np.median(steps)), 1e-9)
        out[f"step spread {name}"] = steps.std() / max(float(steps.mean()), 1e-9)
    border = np.concatenate([grey[:3].ravel(), grey[-3:].ravel(), grey[:, :3].ravel(), grey[:, -3:].ravel()])
    out["border over inside"] = border.mean() / max(float(grey[8:-8, 8:-8].mean()), 1e-9)
    return out


def _topology(grey: Image, _: NDArray[np.uint8]) -> dict[str, float]:
    from skimage.measure import euler_number

    out: dict[str, float] = {}
    for sd in (0.0, 1.0, 2.0):
        smooth = ndimage.gaussian_filter(grey, sd) if sd else grey
        for share in (20, 40, 60, 80):
            above = smooth > np.percentile(smooth, share)
            out[f"Euler s{sd:g} p{share}"] = euler_number(above, connectivity=1) / grey.size * 1e4
    smooth = ndimage.gaussian_filter(grey, 1)
    local = smooth < 0.7 * ndimage.gaussian_filter(grey, 8)
    labels, count = ndimage.label(local)
    sizes = np.bincount(labels.ravel())[1:] if count else np.array([0])
    out["holes"] = count / grey.size * 1e4
    out |= {f"hole size p{q}": np.log10(np.percentile(sizes, q) + 1) for q in (50, 90, 99)}
    return out


def _vessels(grey: Image, _: NDArray[np.uint8]) -> dict[str, float]:
    from skimage.morphology import skeletonize

    out: dict[str, float] = {}
    for scale in (1.0, 1.5, 2.5, 4.0):
        rr, cc, rc = (
            ndimage.gaussian_filter(grey, scale, order=order) * scale**2 for order in ((2, 0), (0, 2), (1, 1))
        )
        half, root = (rr + cc) / 2, np.hypot((rr - cc) / 2, rc)
        ridge = np.maximum(-(half - root), 0)
        out |= {f"ridge {scale:g} p{q}": np.percentile(ridge, q) for q in (50, 90, 99)}
        out[f"line over blob {scale:g}"] = np.log10((root**2).mean() / max(float((half**2).mean()), 1e-12))
        if scale == 1.5:
            direction = 0.5 * np.arctan2(2 * rc, rr - cc)
            out["ridges along rows"] = (ridge * np.cos(2 * direction)).sum() / max(float(ridge.sum()), 1e-9)
    gr, gc = (ndimage.gaussian_filter(grey, 1, order=order) for order in ((1, 0), (0, 1)))
    for window in (3.0, 8.0):
        a, b, c = (ndimage.gaussian_filter(x, window) for x in (gr * gr, gc * gc, gr * gc))
        coherence = np.hypot(a - b, 2 * c) / (a + b + 1e-9)
        out |= {f"coherence {window:g} p{q}": np.percentile(coherence, q) for q in (25, 50, 90)}
    smooth = ndimage.gaussian_filter(grey, 2)
    wide = smooth > 0.62
    out["wide share"] = wide.mean()
    out["wide skeleton"] = skeletonize(wide).sum() / np.sqrt(grey.size)
    labels, count = ndimage.label(wide)
    sizes = np.sort(np.bincount(labels.ravel())[1:]) if count else np.array([0])
    out["wide pieces"] = count
    out["wide largest"] = sizes[-1] / grey.size
    out["wide depth p90"] = np.percentile(ndimage.distance_transform_edt(wide)[wide], 90) if wide.any() else 0.0
    thin = ndimage.gaussian_filter(grey, 1) - ndimage.gaussian_filter(grey, 4) > 0.03
    out["thin skeleton"] = skeletonize(thin).sum() / grey.size
    return out


def _fovea(grey: Image, _: NDArray[np.uint8]) -> dict[str, float]:
    n, m = grey.shape
    smooth = ndimage.gaussian_filter(grey, n / 75)
    middle = smooth[n // 3 : -(n // 3), m // 3 : -(m // 3)]
    row, col = np.unravel_index(int(np.argmin(middle)), middle.shape)
    row, col = int(row) + n // 3, int(col) + m // 3
    typical = float(np.median(grey))
    labels, _count = ndimage.label(smooth < 0.5 * typical)
    here = labels == labels[row, col] if labels[row, col] else np.zeros_like(labels, dtype=bool)
    k = max(3, n // 40)
    core = grey[row - k : row + k + 1, col - k : col + k + 1]
    rr, cc = np.mgrid[:n, :m]
    radius = np.hypot(rr - row, cc - col) / n
    profile = [float(grey[(radius >= low) & (radius < low + 0.02)].mean()) for low in np.arange(0, 0.3, 0.02)]
    share = here.mean()
    edge = float((here ^ ndimage.binary_erosion(here)).sum())
    return {
        "offset": np.hypot(row / n - 0.5, col / m - 0.5),
        "core mean": core.mean(),
        "core sd": core.std(),
        "core skewness": ((core - core.mean()) ** 3).mean() / max(float(core.std()), 1e-6) ** 3,
        "dark share": share,
        "dark compactness": 4 * np.pi * here.sum() / max(edge, 1.0) ** 2,
        "steepest": np.max(np.diff(profile)),
        "profile 0.1": profile[5],
        "profile 0.2": profile[10],
        "low flow": (ndimage.gaussian_filter(grey, 2) < 0.22).mean(),
        "low flow outside": ((ndimage.gaussian_filter(grey, 2) < 0.22) & (radius > 0.2)).mean(),
    }


def _bands(grey: Image) -> list[tuple[int, Image]]:
    """Differences of Gaussians: (lower scale in px, image)."""
    scales = (0, 1, 2, 4, 8, 16)
    smooth = [ndimage.gaussian_filter(grey, s) if s else grey for s in scales]
    return [(s, smooth[i] - smooth[i + 1]) for i, s in enumerate(scales[:-1])]


_FAMILIES: dict[str, Callable[[Image, NDArray[np.uint8]], dict[str, float]]] = {
    "histogram": _histogram,
    "spectrum": _spectrum,
    "contrast": _contrast,
    "eccentricity": _eccentricity,
    "grain": _grain,
    "pattern": _pattern,
    "cooccurrence": _cooccurrence,
    "runs": _runs,
    "topology": _topology,
    "vessels": _vessels,
    "fovea": _fovea,
}
