"""The foveal avascular zone: found in a grey en-face image, or defined on a vessel mask."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from chiasm.errors import Unanswerable
from chiasm.measure._distance import distance_inside, distance_to
from chiasm.measure._scale import Scale

SEARCH_RADIUS_UM: Final = 700.0
"""The FAZ's darkest point is sought this far from the image centre: fixation errs by 0.1 to 0.3 mm, a FAZ by its radius."""
GAP_UM: Final = 40.0
"""Half the widest gap that does not let the FAZ leak between the vessels around it: the gaps there are 50 to 80 um."""
GAP_STEP_UM: Final = 10.0
MAX_AREA_MM2: Final = 1.5
"""Larger regions are not a FAZ but a leak or a field without vessels (healthy maximum 0.53 mm2, Samara 2015)."""


def faz_from_vessels(vessels: NDArray[np.bool_], scale: Scale) -> NDArray[np.bool_]:
    """The FAZ by definition on a vessel mask: exact on truth.

    The vessel-free region that holds the widest vessel-free disc near the image centre, opened by a disc of radius `GAP_UM`;
    the radius grows by `GAP_STEP_UM` until the region neither touches the image border nor exceeds `MAX_AREA_MM2`.

    Args:
        vessels: (H, W) bool.
        scale: Size of a pixel.

    Returns:
        (H, W) bool, True inside the FAZ.

    Raises:
        Unanswerable: No vessel-free region near the centre is enclosed by vessels.
    """
    if not vessels.any():
        msg = "the FAZ is the gap in the vessels, and there are no vessels"
        raise Unanswerable(msg)
    distance = distance_to(vessels)
    near = _near_centre(vessels.shape, scale)
    seed = np.unravel_index(int(np.argmax(np.where(near, distance, -1.0))), vessels.shape)
    gap_um = GAP_UM
    while scale.px(gap_um) < distance[seed]:
        region = _opened(distance, seed, scale.px(gap_um))
        if not _touches_border(region) and region.sum() <= scale.px(1000.0) ** 2 * MAX_AREA_MM2:
            return region
        gap_um += GAP_STEP_UM
    msg = f"no vessel-free region wider than {2 * GAP_UM:g} um near the image centre is enclosed by vessels"
    raise Unanswerable(msg)


def _near_centre(shape: tuple[int, ...], scale: Scale) -> NDArray[np.bool_]:
    row = np.arange(shape[0])[:, None] + 0.5 - shape[0] / 2
    col = np.arange(shape[1])[None, :] + 0.5 - shape[1] / 2
    near: NDArray[np.bool_] = row**2 + col**2 <= scale.px(SEARCH_RADIUS_UM) ** 2
    return near


def _opened(distance: NDArray[np.float32], seed: tuple[np.intp, ...], radius_px: float) -> NDArray[np.bool_]:
    """All discs of a radius that fit the free region and whose centres are connected to the seed."""
    labels, _ = ndimage.label(distance > radius_px)
    centres = labels == labels[seed]
    return np.asarray(distance_to(centres) < radius_px)


def _touches_border(region: NDArray[np.bool_]) -> bool:
    return bool(region[0].any() or region[-1].any() or region[:, 0].any() or region[:, -1].any())


SMOOTH_UM: Final = 20.0
"""Blur that joins the capillaries around the FAZ into an even surround."""
CORE_SMOOTH_UM: Final = 100.0
"""Blur under which the FAZ is the darkest place of the fovea."""
CORE_RADIUS_UM: Final = 120.0
SURROUND_UM: Final = (50.0, 300.0)
"""The surround's brightness is taken this far from the region's edge."""
LEVEL: Final = 0.35
"""Edge of the dark region between the brightness within (0) and around (1): below one half, its border vessels are thin."""
CORE_LEVEL: Final = 0.38
"""The same from the brightness of the core, which is darker than the whole."""
LEAK: Final = 1.25
"""A region this many times as large as the one that the core's brightness gives has leaked into non-perfused tissue."""
SPILL_LEVEL: Final = 0.22
"""Non-perfused tissue beside the FAZ is lighter than this level from the core's brightness."""
SPILL_UM: Final = 60.0
"""Radius of a disc that fits into non-perfused tissue beside the FAZ and not into the FAZ's own rim."""
JOINT_UM: Final = 30.0
"""Lines this near to both decide whether such tissue joins the FAZ openly."""
JOINT_LEVEL: Final = 0.1
"""Mean strength of those lines, between the noise of the darkest part (0) and the border vessels (1), below which it does."""
OPENING_UM: Final = 30.0
MAX_ROUNDS: Final = 20
WINDOW_UM: Final = 900.0
"""Half the side of the window in which the region is sought first: a FAZ of 0.6 mm radius and its surround."""
BORDER_QUANTILE: Final = 0.85
"""Of the line strengths in the ring around the region. Set on rendered eyes: the mean area is then unbiased (1.00, n=120)."""
BORDER_LEVEL: Final = 0.45
"""A line bounds the FAZ if it is stronger than this level between the noise of the core (0) and the border vessels (1)."""
MIN_BORDER_UM2: Final = 3000.0
"""Smaller pieces of line are speckle."""
REACH_UM: Final = 60.0
"""The edge is then sought this far beyond the dark region: three times the blur that drew it in."""
RING_UM: Final = 120.0
"""Width of the ring in which the strength of border vessels is taken."""
CORE_SHARE: Final = 0.4
"""Share of the distance from the darkest point to the edge of the dark region within which no line counts as border."""
CORNER_UM: Final = 30.0
"""Radius to which the corners of the outline are rounded: less than a capillary spacing."""


def segment_faz(grey: NDArray[np.float32], lines: NDArray[np.float32], scale: Scale) -> NDArray[np.bool_]:
    """Estimate the FAZ in a grey en-face image.

    1. The darkest place near the image centre, under a wide blur, is the core.
    2. Region competition: of a slightly blurred image, all that is nearer to the brightness within the region than to that
       around it (`LEVEL`) is the new region; opened by a disc, the component at the core, holes filled; until it stays.
       Non-perfused tissue that the FAZ opens into is lighter, for faint deep capillaries are left in it, but a region that leaks
       into it takes its brightness and leaks on. One that is much larger than with the core's brightness (`LEAK`) is
       therefore replaced by that; and thick lighter parts that join the darkest without a line between are cut off (`_spilt`).
    3. The FAZ is what the vessels around the darkest point enclose: the region, grown a little, since the blur pulled its edge
       inward, is cut where lines stand out; what is connected to that point by more than a gap between border vessels stays,
       with rounded corners.

    Args:
        grey: (H, W) in [0, 1].
        lines: (H, W), `line_strength` of the image.
        scale: Size of a pixel.

    Returns:
        (H, W) bool, True inside.

    Raises:
        Unanswerable: The region leaks to the image border or exceeds `MAX_AREA_MM2`: no FAZ can be told.
    """
    coarse = ndimage.gaussian_filter(grey, scale.px(CORE_SMOOTH_UM))
    near = _near_centre(grey.shape, scale)
    dark = _dark_region(grey, lines, _darkest(coarse, near), scale)
    region = _enclosed(dark, _darkest(coarse, near & dark if (near & dark).any() else dark), lines, scale)
    if _touches_border(region) or region.sum() > scale.px(1000.0) ** 2 * MAX_AREA_MM2:
        msg = "the dark region around the image centre reaches the border or is too large for a FAZ"
        raise Unanswerable(msg)
    return region


def _darkest(coarse: NDArray[np.float32], where: NDArray[np.bool_]) -> tuple[int, int]:
    row, col = divmod(int(np.argmin(np.where(where, coarse, np.inf))), coarse.shape[1])
    return row, col


def _distance_from(point: tuple[int, int], shape: tuple[int, ...]) -> NDArray[np.float64]:
    row, col = np.arange(shape[0])[:, None] - point[0], np.arange(shape[1])[None, :] - point[1]
    return np.asarray(np.hypot(row, col))


def _dark_region(
    grey: NDArray[np.float32], lines: NDArray[np.float32], core: tuple[int, int], scale: Scale
) -> NDArray[np.bool_]:
    fine = ndimage.gaussian_filter(grey, scale.px(SMOOTH_UM))
    from_core = _distance_from(core, grey.shape)
    disc: NDArray[np.bool_] = from_core <= scale.px(CORE_RADIUS_UM)
    whole = _compete(fine, from_core, disc, scale, None)
    darkness = float(np.median(fine[disc]))
    sure = _compete(fine, from_core, disc, scale, darkness)
    found = sure if whole.sum() > LEAK * sure.sum() else whole
    try:
        darkest = _compete(fine, from_core, disc, scale, darkness, SPILL_LEVEL)
    except Unanswerable:  # nothing is so dark over the width of a FAZ, so nothing is lighter than that
        return found
    return found & ~_spilt(found, darkest, lines, scale)


def _spilt(
    found: NDArray[np.bool_], darkest: NDArray[np.bool_], lines: NDArray[np.float32], scale: Scale
) -> NDArray[np.bool_]:
    """What of a region is lighter than its darkest part, too thick to be its rim, and joins it where no line runs.

    Where lines run they decide later what is enclosed; where there are none, only the step in brightness can.
    """
    beyond = found & ~darkest
    pieces, n = ndimage.label(distance_inside(beyond) > scale.px(SPILL_UM))
    near = distance_to(darkest) <= scale.px(JOINT_UM)
    noise = float(np.median(lines[darkest]))
    outward = distance_to(found)
    ring = (outward > 0) & (outward < scale.px(RING_UM))
    spilt = np.zeros_like(found)
    if n == 0 or not ring.any():
        return spilt
    border = float(np.quantile(lines[ring], BORDER_QUANTILE))
    for piece in range(1, n + 1):
        whole = beyond & (distance_to(pieces == piece) <= scale.px(SPILL_UM))
        joint = near & (distance_to(whole) <= scale.px(JOINT_UM)) & ~darkest
        if joint.any() and float(lines[joint].mean()) < noise + JOINT_LEVEL * (border - noise):
            spilt |= whole
    return spilt


def _compete(
    fine: NDArray[np.float32],
    from_core: NDArray[np.float64],
    disc: NDArray[np.bool_],
    scale: Scale,
    core: float | None,
    level: float = CORE_LEVEL,
) -> NDArray[np.bool_]:
    """Region competition from a first region, against the brightness of the core; None: of the region itself.

    It looks at a window around the core, and at the whole image only where the region's surround leaves that: the same region,
    since nothing farther away has a part in it.
    """
    around = float(np.median(fine))  # at first the whole field: a ring around the core may still lie in a wide FAZ
    window = _window(from_core, scale.px(WINDOW_UM))
    kept = _window(from_core, scale.px(WINDOW_UM - SURROUND_UM[1]) - 1.0)
    inner = np.zeros(fine.shape, dtype=np.bool_)
    inner[kept] = True
    found = _settle(fine[window], from_core[window], disc[window], inner[window], around, scale, core, level)
    if found is None:
        found = _settle(fine, from_core, disc, np.ones_like(disc), around, scale, core, level)
        window = (slice(None), slice(None))
    if found is None:
        msg = "no dark region wide enough to be a FAZ near the image centre"
        raise Unanswerable(msg)
    region = np.zeros_like(disc)
    region[window] = found
    return region


def _window(from_core: NDArray[np.float64], half_px: float) -> tuple[slice, slice]:
    """The square around the core within the image."""
    row, col = np.unravel_index(int(np.argmin(from_core)), from_core.shape)
    half = int(half_px)
    return slice(max(int(row) - half, 0), int(row) + half + 1), slice(max(int(col) - half, 0), int(col) + half + 1)


def _settle(
    fine: NDArray[np.float32],
    from_core: NDArray[np.float64],
    region: NDArray[np.bool_],
    inner: NDArray[np.bool_],
    around: float,
    scale: Scale,
    core: float | None,
    core_level: float,
) -> NDArray[np.bool_] | None:
    """The rounds of the competition; None where no region is wide enough, or one leaves the inner part of the window."""
    for _ in range(MAX_ROUNDS):
        within, level = (float(np.median(fine[region])), LEVEL) if core is None else (core, core_level)
        dark = fine < within + level * (around - within)
        labels, n = ndimage.label(distance_inside(dark) > scale.px(OPENING_UM))
        if n == 0:
            return None
        nearest = int(np.argmin(np.where(labels > 0, from_core, np.inf)))
        grown = _filled(distance_to(labels == labels.ravel()[nearest]) <= scale.px(OPENING_UM))
        if (grown & ~inner).any():
            return None
        same = bool((grown == region).all())
        region = grown
        if same:
            break
        away = distance_to(region)
        surround = (away > scale.px(SURROUND_UM[0])) & (away < scale.px(SURROUND_UM[1]))
        around = float(np.median(fine[surround] if surround.any() else fine))
    return region


def _filled(region: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The region and its holes, that is, all that no path through other pixels leads to from the image's border.

    `ndimage.binary_fill_holes` gives the same, step by step from the border, and was a seventh of a measurement.
    """
    outside, n = ndimage.label(~region)
    border = np.zeros(n + 1, dtype=np.bool_)
    for edge in (outside[0], outside[-1], outside[:, 0], outside[:, -1]):
        border[edge] = True
    border[0] = False
    return np.asarray(~border[outside])


def _enclosed(
    dark: NDArray[np.bool_], core: tuple[int, int], lines: NDArray[np.float32], scale: Scale
) -> NDArray[np.bool_]:
    """Cut the dark region, grown a little, along the lines that enclose its darkest point."""
    outward = distance_to(dark)
    deep = _distance_from(core, dark.shape) <= max(1.5, CORE_SHARE * float(distance_inside(dark)[core]))
    noise = float(np.median(lines[deep]))
    ring = (outward > 0) & (outward < scale.px(RING_UM))
    if not ring.any():
        msg = "the dark region fills the whole image"
        raise Unanswerable(msg)
    border = float(np.quantile(lines[ring], BORDER_QUANTILE))
    walls = lines > noise + BORDER_LEVEL * (border - noise)
    pieces, _ = ndimage.label(walls, structure=np.ones((3, 3)))
    walls &= (np.bincount(pieces.ravel()) >= MIN_BORDER_UM2 / scale.filter_um**2)[pieces]
    free = deep | (~walls & (outward <= scale.px(REACH_UM)))
    labels, _ = ndimage.label(deep | (distance_inside(free) > scale.px(GAP_UM)))
    opened = distance_to(labels == labels[core]) <= scale.px(GAP_UM)
    corner = scale.px(CORNER_UM)
    closed = distance_inside(distance_to(opened) <= corner) > corner
    return _filled(closed | opened)
