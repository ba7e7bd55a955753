"""The closed ring of capillaries around the FAZ, read off the vessel network."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from chiasm.worlds.octa.anatomy._contact import incidence
from chiasm.worlds.octa.anatomy._sheet import LABEL_FAZ


def capillary_ring(
    pos_um: NDArray[np.float64],
    edges: NDArray[np.integer],
    cells: NDArray[np.integer],
    label: NDArray[np.int64],
    wanted: NDArray[np.bool_],
) -> NDArray[np.float64]:
    """(K, 2) the longest closed ring of capillaries with the FAZ on exactly one side, in order [um].

    Args:
        pos_um: (N, 3) node positions [um].
        edges: (E, 2) node indices.
        cells: (E, 2) tissue points on both sides of each edge, -1 for none.
        label: (P,) labels of the tissue points, `LABEL_FAZ` in the FAZ.
        wanted: (E,) edges to consider.
    """
    use = np.flatnonzero(wanted & (cells[:, 0] >= 0))
    rim = use[(label[cells[use]] == LABEL_FAZ).sum(axis=1) == 1]
    ring_edges = np.asarray(edges[rim], dtype=np.int64)
    first, link = incidence(ring_edges, len(pos_um))
    return np.asarray(pos_um[_chain(ring_edges, first, link), :2])


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def _chain(edges: Any, first: Any, link: Any) -> NDArray[np.int64]:
    """Nodes of the longest walk through edges that form rings (a gap of one broken edge ends a walk)."""
    n = len(edges)
    used = np.zeros(n, np.bool_)
    best = np.empty(0, np.int64)
    walk = np.empty(n + 2, np.int64)
    for start in range(n):
        if used[start]:
            continue
        used[start] = True
        walk[0] = edges[start, 0]
        at = edges[start, 1]
        length = 1
        moving = True
        while moving and at != walk[0]:
            moving = False
            for x in range(first[at], first[at + 1]):
                e = link[x]
                if not used[e]:
                    walk[length] = at
                    length += 1
                    used[e] = True
                    at = edges[e, 0] + edges[e, 1] - at
                    moving = True
                    break
        if at != walk[0]:
            walk[length] = at
            length += 1
        if length > len(best):
            best = walk[:length].copy()
    return best
