"""The vessel graph: what was grown and is perfused, as arrays.

Positions are physical, in micrometres, (row, col, depth): row and col from the field's top-left corner, depth downward
from the inner limiting membrane (ILM; negative is vitreous). An edge is a straight capsule of one radius; edges run in
the direction of flow. Arrays keep their index order: `edge_id` stays with an edge through pathology, so that twins can
be compared edge by edge.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from chiasm.errors import InvalidInput, require

if TYPE_CHECKING:  # loaded where tables are made: it takes 35 MB, which no eye needs to grow
    import pyarrow as pa

GRAPH_SCHEMA_VERSION = 1


class Vessel(enum.IntEnum):
    """What an edge is."""

    ARTERY = 1
    VEIN = 2
    CAPILLARY = 3
    IRMA = 4
    NEOVESSEL = 5


class Layer(enum.IntEnum):
    """Where an edge lies: vitreous, superficial complex, intermediate and deep capillary plexus."""

    VITREOUS = 1
    SVC = 2
    ICP = 3
    DCP = 4


class Node(enum.IntEnum):
    """What a node means.

    INLET and OUTLET: where arterial blood enters the simulated region and venous blood leaves it (pressure known);
    JUNCTION: three or more edges meet; JOINT: two edges of one vessel; TIP: a dead end inside the region; BORDER: cut by the
    edge of the simulated region.
    """

    INLET = 1
    OUTLET = 2
    JUNCTION = 3
    JOINT = 4
    TIP = 5
    BORDER = 6


@dataclass(frozen=True, eq=False, kw_only=True)
class VesselGraph:
    """One eye's vessels at one visit. N nodes, E edges.

    Attributes:
        fov_um: Side of the square field [um]; row and col of the field run over [0, fov_um]. Vessels may leave it.
        position_um: (N, 3) float32, (row, col, depth) [um].
        node: (N,) uint8, `Node`.
        edges: (E, 2) int32, node indices, upstream to downstream.
        edge_id: (E,) int32, unique, stable through pathology and twins.
        radius_um: (E,) float32, > 0 [um].
        vessel: (E,) uint8, `Vessel`.
        layer: (E,) uint8, `Layer`.
        order: (E,) int16, Strahler order of arteries and veins (1 = terminal); 0 for capillaries and shunts.
        speed_mm_s: (E,) float32, mean blood speed [mm/s], >= 0; NaN where flow was not solved.
        pressure_mmhg: (N,) float32 [mmHg]; NaN where flow was not solved.
    """

    fov_um: float
    position_um: NDArray[np.float32]
    node: NDArray[np.uint8]
    edges: NDArray[np.int32]
    edge_id: NDArray[np.int32]
    radius_um: NDArray[np.float32]
    vessel: NDArray[np.uint8]
    layer: NDArray[np.uint8]
    order: NDArray[np.int16]
    speed_mm_s: NDArray[np.float32]
    pressure_mmhg: NDArray[np.float32]

    def __post_init__(self) -> None:
        for name, (dtype, per_edge, width) in _ARRAYS.items():
            array = np.ascontiguousarray(getattr(self, name), dtype=dtype)
            n = len(self.edges) if per_edge else len(self.position_um)
            shape = (n, width) if width else (n,)
            if array.shape != shape:
                msg = f"VesselGraph.{name} must have shape {shape}, got {array.shape}"
                raise InvalidInput(msg)
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        self._check_values()

    @property
    def n_nodes(self) -> int:
        """Number of nodes."""
        return len(self.position_um)

    @property
    def n_edges(self) -> int:
        """Number of edges."""
        return len(self.edges)

    @cached_property
    def length_um(self) -> NDArray[np.float32]:
        """(E,) length of each edge in 3D [um]."""
        ends = self.position_um[self.edges]
        return np.asarray(np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1), dtype=np.float32)

    @cached_property
    def degree(self) -> NDArray[np.int32]:
        """(N,) number of edges at each node."""
        return np.bincount(self.edges.ravel(), minlength=self.n_nodes).astype(np.int32)

    def select(self, keep: NDArray[np.bool_]) -> VesselGraph:
        """The graph with only the edges where `keep` (E,) holds; nodes stay, so that indices stay valid."""
        per_edge = {name: getattr(self, name)[keep] for name, spec in _ARRAYS.items() if spec[1]}
        return replace(self, **per_edge)

    def evolve(self, **changes: Any) -> VesselGraph:
        """A copy with some fields replaced, validated again."""
        return replace(self, **changes)

    def to_tables(self) -> tuple[pa.Table, pa.Table]:
        """Nodes and edges as Arrow tables; enums as words, ready for Parquet, CSV and pandas."""
        import pyarrow as pa

        row, col, depth = self.position_um.T
        meta = {"chiasm.graph_schema": str(GRAPH_SCHEMA_VERSION), "chiasm.fov_um": repr(float(self.fov_um))}
        nodes = pa.table(
            {
                "node": np.arange(self.n_nodes, dtype=np.int32),
                "row_um": row,
                "col_um": col,
                "depth_um": depth,
                "kind": _words(Node, self.node),
                "pressure_mmhg": self.pressure_mmhg,
            },
            metadata=meta,
        )
        edges = pa.table(
            {
                "edge_id": self.edge_id,
                "source": self.edges[:, 0],
                "target": self.edges[:, 1],
                "radius_um": self.radius_um,
                "vessel": _words(Vessel, self.vessel),
                "layer": _words(Layer, self.layer),
                "order": self.order,
                "speed_mm_s": self.speed_mm_s,
            },
            metadata=meta,
        )
        return nodes, edges

    @classmethod
    def from_tables(cls, nodes: pa.Table, edges: pa.Table) -> VesselGraph:
        """Inverse of `to_tables`.

        Raises:
            InvalidInput: A column is missing, or the schema is newer than this version reads.
        """
        meta = {k.decode(): v.decode() for k, v in (edges.schema.metadata or {}).items()}
        version = meta.get("chiasm.graph_schema")
        if version != str(GRAPH_SCHEMA_VERSION):
            msg = f"vessel graph schema must be {GRAPH_SCHEMA_VERSION}, got {version}; rebuild it with this version"
            raise InvalidInput(msg)
        try:
            n = {c: nodes[c].to_numpy() for c in ("row_um", "col_um", "depth_um", "pressure_mmhg")}
            e = {c: edges[c].to_numpy() for c in ("edge_id", "source", "target", "radius_um", "order", "speed_mm_s")}
            node, vessel, layer = nodes["kind"], edges["vessel"], edges["layer"]
        except KeyError as error:
            msg = f"vessel graph table lacks the column {error}"
            raise InvalidInput(msg) from error
        return cls(
            fov_um=float(meta["chiasm.fov_um"]),
            position_um=np.stack([n["row_um"], n["col_um"], n["depth_um"]], axis=1),
            node=_codes(Node, node),
            edges=np.stack([e["source"], e["target"]], axis=1),
            edge_id=e["edge_id"],
            radius_um=e["radius_um"],
            vessel=_codes(Vessel, vessel),
            layer=_codes(Layer, layer),
            order=e["order"],
            speed_mm_s=e["speed_mm_s"],
            pressure_mmhg=n["pressure_mmhg"],
        )

    def to_networkx(self) -> Any:
        """A `networkx.MultiDiGraph`, edges in the direction of flow, attributes named as in `to_tables`."""
        networkx = require("networkx", "graph")
        nodes, edges = (table.to_pylist() for table in self.to_tables())
        graph = networkx.MultiDiGraph(fov_um=self.fov_um)
        graph.add_nodes_from((row.pop("node"), row) for row in nodes)
        graph.add_edges_from((row.pop("source"), row.pop("target"), row.pop("edge_id"), row) for row in edges)
        return graph

    def _check_values(self) -> None:
        if not (np.isfinite(self.fov_um) and self.fov_um > 0):
            msg = f"VesselGraph.fov_um must be > 0 um, got {self.fov_um}"
            raise InvalidInput(msg)
        if not np.isfinite(self.position_um).all():
            msg = f"VesselGraph.position_um must be finite; node {int(np.argwhere(~np.isfinite(self.position_um))[0, 0])} is not"
            raise InvalidInput(msg)
        if self.n_edges == 0:
            return
        if self.edges.min() < 0 or self.edges.max() >= self.n_nodes:
            msg = (
                f"VesselGraph.edges must index nodes 0..{self.n_nodes - 1}, got {self.edges.min()}..{self.edges.max()}"
            )
            raise InvalidInput(msg)
        bad = ~(np.isfinite(self.radius_um) & (self.radius_um > 0))
        if bad.any():
            i = int(np.argmax(bad))
            msg = f"VesselGraph.radius_um must be > 0 um, got {self.radius_um[i]} at edge {i}"
            raise InvalidInput(msg)
        ids = np.sort(self.edge_id)
        if (ids[1:] == ids[:-1]).any():
            msg = "VesselGraph.edge_id must be unique"
            raise InvalidInput(msg)
        for name, words, values in (
            ("node", Node, self.node),
            ("vessel", Vessel, self.vessel),
            ("layer", Layer, self.layer),
        ):
            unknown = set(np.flatnonzero(np.bincount(values)).tolist()) - {int(w) for w in words}
            if unknown:
                msg = f"VesselGraph.{name} holds {sorted(unknown)}; known: {[f'{int(w)}={w.name}' for w in words]}"
                raise InvalidInput(msg)


def _words(kind: type[enum.IntEnum], values: NDArray[Any]) -> pa.DictionaryArray:
    import pyarrow as pa

    names = [member.name.lower() for member in kind]
    index = np.asarray(values, dtype=np.int8) - min(int(m) for m in kind)
    return pa.DictionaryArray.from_arrays(pa.array(index, pa.int8()), pa.array(names))


def _codes(kind: type[enum.IntEnum], column: pa.ChunkedArray) -> NDArray[np.uint8]:
    codes = {member.name.lower(): int(member) for member in kind}
    try:
        return np.array([codes[word] for word in column.to_pylist()], dtype=np.uint8)
    except KeyError as error:
        msg = f"vessel graph table holds the unknown {kind.__name__.lower()} {error}; known: {sorted(codes)}"
        raise InvalidInput(msg) from error


# name: (dtype, one row per edge (else per node), width of a row or 0 for scalars)
_ARRAYS: dict[str, tuple[type[np.generic], bool, int]] = {
    "position_um": (np.float32, False, 3),
    "node": (np.uint8, False, 0),
    "pressure_mmhg": (np.float32, False, 0),
    "edges": (np.int32, True, 2),
    "edge_id": (np.int32, True, 0),
    "radius_um": (np.float32, True, 0),
    "vessel": (np.uint8, True, 0),
    "layer": (np.uint8, True, 0),
    "order": (np.int16, True, 0),
    "speed_mm_s": (np.float32, True, 0),
}
assert set(_ARRAYS) | {"fov_um"} == {f.name for f in fields(VesselGraph)}
