"""A growing list of nodes and edges, and the clean-up that turns it into a vessel network without dead ends."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chiasm.case import Vessel
from chiasm.worlds.octa.anatomy._contact import at_joint, incidence, touching_pairs
from chiasm.worlds.octa.anatomy._passage import passable

ROUNDING_UM = 0.01
"""Contacts are looked for this much beyond the walls, as the graph keeps single precision [um]."""


@dataclass
class Network:
    """Nodes and edges in the making; every field is a list of blocks that `arrays` joins."""

    pos: list[NDArray[np.float64]]
    known: list[NDArray[np.float64]]
    edges: list[NDArray[np.int64]]
    radius: list[NDArray[np.float64]]
    vessel: list[NDArray[np.uint8]]
    layer: list[NDArray[np.uint8]]
    order: list[NDArray[np.int16]]
    cells: list[NDArray[np.int64]]
    rim: list[NDArray[np.bool_]]
    n_nodes: int = 0

    @classmethod
    def empty(cls) -> Network:
        """A network without anything."""
        return cls([], [], [], [], [], [], [], [], [])

    def add_nodes(self, pos: NDArray[np.float64], known_mmhg: NDArray[np.float64] | None = None) -> int:
        """Append nodes (n, 3); returns the index of the first."""
        first = self.n_nodes
        self.pos.append(pos)
        self.known.append(np.full(len(pos), np.nan) if known_mmhg is None else known_mmhg)
        self.n_nodes += len(pos)
        return first

    def add_edges(
        self,
        edges: NDArray[np.int64],
        radius: NDArray[np.float64],
        vessel: NDArray[np.uint8] | int,
        layer: int,
        order: NDArray[np.int16] | int = 0,
        cells: NDArray[np.int64] | int = -1,
        rim: NDArray[np.bool_] | bool = False,
    ) -> None:
        """Append edges (m, 2) with their attributes (see `Arrays`); scalars are repeated."""
        m = len(edges)
        self.edges.append(edges.astype(np.int64))
        self.radius.append(radius)
        self.vessel.append(np.broadcast_to(np.asarray(vessel, np.uint8), m))
        self.layer.append(np.full(m, layer, np.uint8))
        self.order.append(np.broadcast_to(np.asarray(order, np.int16), m))
        self.cells.append(np.broadcast_to(np.asarray(cells, np.int64), (m, 2)))
        self.rim.append(np.broadcast_to(np.asarray(rim, np.bool_), m))

    def arrays(self) -> Arrays:
        """All blocks joined."""
        return Arrays(
            np.concatenate(self.pos),
            np.concatenate(self.known),
            np.concatenate(self.edges),
            np.concatenate(self.radius),
            np.concatenate(self.vessel),
            np.concatenate(self.layer),
            np.concatenate(self.order),
            np.concatenate(self.cells),
            np.concatenate(self.rim),
            np.arange(sum(len(block) for block in self.edges)),
        )


@dataclass(frozen=True)
class Arrays:
    """A network as arrays: N nodes, E edges.

    Attributes:
        pos_um: (N, 3) [um].
        known_mmhg: (N,) pressure where the network is cut, NaN elsewhere.
        edges: (E, 2).
        radius_um: (E,).
        vessel: (E,) `Vessel`.
        layer: (E,) `Layer`.
        order: (E,) Strahler order.
        cells: (E, 2) tissue points on both sides of a capillary, in its own sheet; -1 for other vessels.
        rim: (E,) whether a capillary belongs to the ring around its sheet's FAZ.
        number: (E,) the edge's number when the network was put together.
    """

    pos_um: NDArray[np.float64]
    known_mmhg: NDArray[np.float64]
    edges: NDArray[np.int64]
    radius_um: NDArray[np.float64]
    vessel: NDArray[np.uint8]
    layer: NDArray[np.uint8]
    order: NDArray[np.int16]
    cells: NDArray[np.int64]
    rim: NDArray[np.bool_]
    number: NDArray[np.int64]

    def select(self, keep: NDArray[np.bool_]) -> Arrays:
        """Only the edges where `keep` (E,) holds; nodes stay."""
        return Arrays(
            self.pos_um,
            self.known_mmhg,
            self.edges[keep],
            self.radius_um[keep],
            self.vessel[keep],
            self.layer[keep],
            self.order[keep],
            self.cells[keep],
            self.rim[keep],
            self.number[keep],
        )


def tidy(arrays: Arrays) -> tuple[Arrays, NDArray[np.int64]]:
    """Remove edges that pass through others, then everything that blood cannot pass; repeat until neither is left.

    Returns:
        The network, and the pairs of its edges that touch at a joint.
    """
    arrays = arrays.select(_alive(arrays.edges, arrays.known_mmhg))
    pairs = touching_pairs(arrays.pos_um, arrays.edges, arrays.radius_um, ROUNDING_UM)
    return settle(arrays, pairs)


def settle(arrays: Arrays, pairs: NDArray[np.int64]) -> tuple[Arrays, NDArray[np.int64]]:
    """`tidy` for a network whose touching pairs are known: taking edges away makes no new contacts."""
    while True:
        # It can take away the joint that excused one, though.
        apart = pairs[~at_joint(pairs, arrays.pos_um, arrays.edges, arrays.radius_um, ROUNDING_UM)]
        if len(apart) == 0:
            return arrays, pairs
        keep = np.ones(len(arrays.edges), np.bool_)
        keep[_weaker(arrays, apart)] = False
        arrays, pairs = remove(arrays, pairs, keep)


def remove(arrays: Arrays, pairs: NDArray[np.int64], keep: NDArray[np.bool_]) -> tuple[Arrays, NDArray[np.int64]]:
    """Only the edges where `keep` (E,) holds, less what blood then cannot pass; `pairs` renumbered.

    Blood passes all edges of `arrays`.
    """
    if keep.all():
        return arrays, pairs
    kept = np.flatnonzero(keep)
    kept = kept[_alive(arrays.edges[kept], arrays.known_mmhg)]
    index = np.full(len(keep), -1)
    index[kept] = np.arange(len(kept))
    pairs = index[pairs]
    left = np.zeros(len(keep), np.bool_)
    left[kept] = True
    return arrays.select(left), pairs[(pairs >= 0).all(axis=1)]


def _weaker(arrays: Arrays, pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of each pair the edge to give up: capillaries before trees before the ring, then the thinner, then the later one."""
    rank = (arrays.vessel != Vessel.CAPILLARY) * 1e6 + arrays.rim * 2e6
    rank = rank + arrays.radius_um - 1e-6 * np.arange(len(arrays.radius_um))
    one, two = pairs.T
    return np.asarray(np.where(rank[one] < rank[two], one, two))


def _alive(edges: NDArray[np.int64], known_mmhg: NDArray[np.float64]) -> NDArray[np.bool_]:
    first, link = incidence(edges, len(known_mmhg))
    return np.asarray(passable(edges, np.zeros(len(edges), np.bool_), ~np.isnan(known_mmhg), first, link))
