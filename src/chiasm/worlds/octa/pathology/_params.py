"""What disease an eye has: every random choice of all families, as plain JSON."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from pydantic import field_validator

from chiasm.case import Record
from chiasm.errors import InvalidInput, UnknownName
from chiasm.measure import Stage
from chiasm.worlds.octa.anatomy import AnatomyParams
from chiasm.worlds.octa.pathology import _dropout, _faz, _irma, _microaneurysm, _neovascularization, _tortuosity
from chiasm.worlds.octa.pathology._lesion import FAMILIES, Family
from chiasm.worlds.octa.pathology._severity import sample_severity


class PathologyParams(Record):
    """The disease of one eye at one visit. The default is none."""

    dropout: _dropout.DropoutParams = _dropout.DropoutParams()
    faz: _faz.FazParams = _faz.FazParams()
    microaneurysm: _microaneurysm.MicroaneurysmsParams = _microaneurysm.MicroaneurysmsParams()
    irma: _irma.IrmasParams = _irma.IrmasParams()
    neovascularization: _neovascularization.NeovascularizationsParams = _neovascularization.NeovascularizationsParams()
    tortuosity: _tortuosity.TortuosityParams = _tortuosity.TortuosityParams()
    hidden: tuple[Family, ...] = ()
    """Families that are planned, so that all others find the same places, but not carried out: the twin's."""

    @field_validator("hidden")
    @classmethod
    def _in_order(cls, hidden: tuple[Family, ...]) -> tuple[Family, ...]:
        return tuple(f for f in FAMILIES if f in hidden)

    def has(self, family: str) -> bool:
        """Whether the eye has anything of a family.

        Raises:
            UnknownName: No such family.
        """
        if family not in FAMILIES:
            raise UnknownName("family of findings", family, FAMILIES)
        asked = {
            "dropout": self.dropout.share > 0.0 and len(self.dropout.territories) > 0,
            "faz": self.faz.growth_mm2 > 0.0 or len(self.faz.notches) > 0,
            "microaneurysm": len(self.microaneurysm.each) > 0,
            "irma": len(self.irma.each) > 0,
            "neovascularization": len(self.neovascularization.each) > 0,
            "tortuosity": self.tortuosity.gain > 0.0,
        }
        return asked[family] and family not in self.hidden

    def without(self, family: str) -> Self:
        """The same disease without one family: everything else is the same, and at the same places.

        Raises:
            UnknownName: No such family.
        """
        return self.model_copy(update={"hidden": self._hide(family)}) if self.has(family) else self

    def without_all(self) -> Self:
        """The same eye without any disease: its healthy twin."""
        return type(self)()

    def _hide(self, family: str) -> tuple[Any, ...]:
        return tuple(f for f in FAMILIES if f in self.hidden or f == family)


def sample_pathology(rng: np.random.Generator, stage: Stage | str, anatomy: AnatomyParams) -> PathologyParams:
    """Draw the disease of an eye at a stage.

    Args:
        rng: Source of randomness.
        stage: healthy, early-npdr, late-npdr or pdr.
        anatomy: The eye, whose field and FAZ bound what can be drawn.

    Raises:
        UnknownName: No such stage.
        InvalidInput: The field has no room for disease.
    """
    words = [str(s) for s in Stage]
    if str(stage) not in words:
        raise UnknownName("stage", str(stage), words)
    severity = sample_severity(rng, Stage(str(stage)), anatomy.fov_mm)
    try:
        return PathologyParams(
            dropout=_dropout.sample(rng, severity, anatomy),
            faz=_faz.sample(rng, severity, anatomy),
            microaneurysm=_microaneurysm.sample(rng, severity),
            irma=_irma.sample(rng, severity),
            neovascularization=_neovascularization.sample(rng, severity),
            tortuosity=_tortuosity.sample(rng, severity),
        )
    except ValueError as error:
        msg = f"no disease of stage {stage} can be drawn for this eye: {error}"
        raise InvalidInput(msg) from error
