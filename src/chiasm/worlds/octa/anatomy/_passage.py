"""Which vessels blood can pass: those that lie on a way from one source to another, or back to the same.

A vessel that ends blindly has no way on, and a mesh that hangs on the rest by a single vessel has no way out. Both stand
still, whatever the pressures. Growth takes them away, and so does every disease that makes them.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray


@numba.njit(cache=True)  # type: ignore[untyped-decorator]
def passable(edges: Any, gone: Any, source: Any, first: Any, link: Any) -> NDArray[np.bool_]:
    """(E,) edges that are not `gone` and lie on a way that begins and ends at sources and takes no edge twice.

    Depth-first search for bridges (Tarjan 1974) from all sources at once, as if they were one node.

    Args:
        edges: (E, 2) node indices.
        gone: (E,) edges that are not there.
        source: (N,) nodes from which blood comes or to which it goes.
        first: (N + 1,) the edges at node n are `link[first[n] : first[n + 1]]`.
        link: (2E,).
    """
    n = len(source)
    depth, low = np.where(source, 0, -1), np.zeros(n, np.int64)
    into, following = np.full(n, -1, np.int64), first[:-1].copy()
    stack, order = np.empty(n, np.int64), np.empty(n, np.int64)
    found = 0
    for start in np.flatnonzero(source):
        stack[0], top = start, 1
        while top > 0:
            node = stack[top - 1]
            if following[node] == first[node + 1]:
                top -= 1
                if top > 0:
                    low[stack[top - 1]] = min(low[stack[top - 1]], low[node])
                continue
            e = link[following[node]]
            following[node] += 1
            if gone[e] or e == into[node]:
                continue
            other = edges[e, 0] + edges[e, 1] - node
            if depth[other] >= 0:
                low[node] = min(low[node], depth[other])
                continue
            depth[other] = low[other] = depth[node] + 1
            into[other] = e
            stack[top], order[found] = other, other
            top, found = top + 1, found + 1
    # What hangs on a bridge is cut off, with the bridge: the search meets it before all that lies beyond it.
    wet = source.copy()
    for node in order[:found]:
        before = edges[into[node], 0] + edges[into[node], 1] - node
        wet[node] = wet[before] and low[node] < depth[node]
    out = np.zeros(len(edges), np.bool_)
    for e in range(len(edges)):
        out[e] = not gone[e] and wet[edges[e, 0]] and wet[edges[e, 1]]
    return out
