"""What the scanner looks at: vessels, the blobs that hang on them, and the fovea."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from chiasm.case import Layer, VesselGraph
from chiasm.errors import InvalidInput


@dataclass(frozen=True, eq=False, kw_only=True)
class Blobs:
    """Perfused ellipses that are no tubes: microaneurysms. M blobs.

    Attributes:
        center_um: (M, 3) float32, (row, col, depth) [um].
        semi_um: (M, 2) float32, semi-axes along and across `angle_rad` [um], > 0.
        angle_rad: (M,) float32, direction of the first semi-axis, from +row towards +col [rad].
        layer: (M,) uint8, `Layer`.
        flow: (M,) float32 in [0, 1]: share of the full decorrelation contrast; sluggish ones are dim or invisible.
    """

    center_um: NDArray[np.float32]
    semi_um: NDArray[np.float32]
    angle_rad: NDArray[np.float32]
    layer: NDArray[np.uint8]
    flow: NDArray[np.float32]

    def __post_init__(self) -> None:
        n = len(self.center_um)
        shapes = {"center_um": (n, 3), "semi_um": (n, 2), "angle_rad": (n,), "layer": (n,), "flow": (n,)}
        for name, shape in shapes.items():
            dtype = np.uint8 if name == "layer" else np.float32
            array = np.ascontiguousarray(getattr(self, name), dtype=dtype)
            if array.shape != shape:
                msg = f"Blobs.{name} must have shape {shape}, got {array.shape}"
                raise InvalidInput(msg)
            if not np.isfinite(array).all():
                msg = f"Blobs.{name} must be finite"
                raise InvalidInput(msg)
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        if n and (self.semi_um.min() <= 0 or self.flow.min() < 0 or self.flow.max() > 1):
            msg = "Blobs need semi_um > 0 and flow in 0..1"
            raise InvalidInput(msg)

    def __len__(self) -> int:
        return len(self.center_um)

    @classmethod
    def none(cls) -> Blobs:
        """No blobs."""
        empty = np.zeros(0, np.float32)
        pairs = np.zeros((0, 2), np.float32)
        triples = np.zeros((0, 3), np.float32)
        return cls(center_um=triples, semi_um=pairs, angle_rad=empty, layer=empty.astype(np.uint8), flow=empty)

    def select(self, keep: NDArray[np.bool_]) -> Blobs:
        """The blobs where `keep` (M,) holds."""
        return Blobs(**{f.name: getattr(self, f.name)[keep] for f in fields(Blobs)})


@dataclass(frozen=True, eq=False, kw_only=True)
class Eye:
    """One eye at one visit, as the scanner meets it.

    Attributes:
        graph: Perfused vessels; positions in the field's own micrometres.
        blobs: Perfused ellipses.
        bed: The healthy vessels, which give unresolved capillaries their direction; None takes `graph`. Twins share one bed, so
            that they differ at the lesion alone.
        fovea_um: (row, col) of the foveal centre [um]; may lie outside the field.
        faz_radius_um: Radius of the disc with the area of the healthy foveal avascular zone [um]; the pit scales with it, and
            does not grow when disease enlarges the zone.
        nasal: Where the nose lies: 1 towards larger columns (a right eye), -1 towards smaller ones (a left eye).
    """

    graph: VesselGraph
    fovea_um: tuple[float, float]
    faz_radius_um: float
    blobs: Blobs = field(default_factory=Blobs.none)
    bed: VesselGraph | None = None
    nasal: Literal[1, -1] = 1

    def __post_init__(self) -> None:
        if not (np.isfinite(self.faz_radius_um) and self.faz_radius_um > 0):
            msg = f"Eye.faz_radius_um must be > 0 um, got {self.faz_radius_um}"
            raise InvalidInput(msg)
        if not np.isfinite(self.fovea_um).all():
            msg = f"Eye.fovea_um must be finite, got {self.fovea_um}"
            raise InvalidInput(msg)
        if self.nasal not in (1, -1):
            msg = f"Eye.nasal must be 1 (nose towards larger columns) or -1, got {self.nasal}"
            raise InvalidInput(msg)


RETINAL_LAYERS: tuple[Layer, ...] = (Layer.SVC, Layer.ICP, Layer.DCP)
"""The layers between inner limiting membrane and outer plexiform layer."""
