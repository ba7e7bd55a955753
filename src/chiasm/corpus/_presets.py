"""Plans that have a name."""

from __future__ import annotations

from chiasm.corpus._plan import Plan
from chiasm.errors import UnknownName

PRESETS: dict[str, Plan] = {
    "octa-1k": Plan(patients=1000, eyes=1, images=1),
    "octa-10k": Plan(patients=2500, eyes=2, images=2, fov_mm={3.0: 0.7, 6.0: 0.3}),
    # The counterpart of OCTA-100K-SVR: 100,000 distinct images of 25,000 eyes, each with a reasoning text, made to train on: both
    # fields, the fitted device and the wider spreads around it, four images of an eye as imaging is cheap and growth dear.
    # Graphs of that many eyes would be larger than the images; the parameters in each row make them again.
    "octa-100k": Plan(
        patients=25_000,
        eyes=1,
        images=4,
        fov_mm={3.0: 0.6, 6.0: 0.4},
        profiles={"mixed": 0.7, "rtvue-xr": 0.3},
        questions=3,
        graphs=False,
    ),
    "octa-stages": Plan(patients=4000, eyes=1, images=1, splits={"train": 0.8, "validation": 0.1, "test": 0.1}),
    "octa-twins": Plan(patients=1000, eyes=1, images=1, twins=("microaneurysm", "dropout")),
}


def preset(name: str) -> Plan:
    """The plan of that name.

    Raises:
        UnknownName: There is none; the nearest is named.
    """
    if name not in PRESETS:
        raise UnknownName("preset", name, PRESETS)
    return PRESETS[name]
