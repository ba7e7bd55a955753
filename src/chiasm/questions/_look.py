"""The primitives: typed functions over a case that record what they did.

A `Look` is one run of a program. Each primitive appends a step (name, arguments, result, evidence, margin) and returns plain
values; where the truth is too close to call it raises `Ambiguous`, where the case lacks what it needs `Missing`. Nothing here
knows a modality: terms, quantities and the reference point come from the case.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import numpy as np

from chiasm.case import Scalar, term
from chiasm.questions._chart import Chart, Scene, Sight
from chiasm.questions._item import Ambiguous, Evidence, Missing, Statement, Step, Value
from chiasm.questions._scales import Scale, scale
from chiasm.questions._sectors import QUADRANTS, Placed, PlaceNames, quadrant_counts
from chiasm.questions.language import shown_slots

SURE: Final = 0.12
"""Least margin of a name of a place: 12 % of half a sector (2.7 degrees), or of a ring's radius."""
APART: Final = 0.15
"""The largest must exceed the second by this share of itself, and the nearest likewise."""
NEAR_LIMIT: Final = 0.05
"""A value within this share of a limit is not asked about."""
STAGE_MARGIN: Final = 0.003
"""Non-perfusion must be this share of the field [0, 1] away from changing the stage alone."""
UNSEEN: Final = "disease that the view does not show"
"""Why the stage of an ill eye whose view shows nothing is not asked."""
TOLERANCE: Final = {"mm2": 0.02, "mm": 0.05, "um": 5.0, "%": 0.5, "1": 0.02, "1/mm": 0.5, "years": 1.0}
"""Least absolute tolerance by unit, where the case states none; else a tenth of the value."""


class Measured(NamedTuple):
    """A value with its unit and tolerance."""

    value: float
    unit: str
    tolerance: float


class Look:
    """One run of a program over one or more views of a case."""

    def __init__(self, chart: Chart, view_ids: Sequence[str], rng: np.random.Generator) -> None:
        self.chart, self.view_ids, self.rng = chart, tuple(view_ids), rng
        self.scene: Scene = chart.scene(view_ids[0])
        self.steps: list[Step] = []

    def find(self, name: str, *, scene: Scene | None = None) -> tuple[Sight, ...]:
        """What the view shows of a term; ambiguous for dropout where an artefact hides more of it."""
        place = scene or self.scene
        if name == "capillary dropout":
            self._unobscured(place)
        seen = place.sights(name)
        self.record("find", {"term": name, "view": place.view.view_id}, len(seen), seen, scene=place)
        return seen

    def present(self, name: str, *, scene: Scene | None = None) -> bool:
        """Whether the view shows any; ambiguous where there is some that it does not show, or an artefact may hide it."""
        place = scene or self.scene
        seen = place.sights(name)
        if not seen and place.hidden(name):
            raise Ambiguous("present but not visible", f"{name} in {place.view.view_id}")
        if not seen:
            self._unhidden(place)
        self.record("find", {"term": name, "view": place.view.view_id}, len(seen), seen, scene=place)
        return bool(seen)

    def anatomy(self, name: str) -> Sight:
        """The one structure of that name."""
        seen = self.scene.sights(name)
        if not seen:
            raise Missing(name, f"view {self.scene.view.view_id} shows none")
        self.record("find", {"term": name, "view": self.scene.view.view_id}, 1, seen[:1])
        return seen[0]

    def some(self, name: str, least: int = 1) -> tuple[Sight, ...]:
        """At least so many of a term, or Missing."""
        seen = self.find(name)
        if len(seen) < least:
            raise Missing(
                f"at least {least} visible {term(name).name}", f"view {self.scene.view.view_id} shows {len(seen)}"
            )
        return seen

    def within(self, sights: Iterable[Sight], place: str, names: PlaceNames = "quadrant") -> tuple[Sight, ...]:
        """Those that lie in a quadrant, sector or ring; ambiguous where one lies on that place's border."""
        inside = []
        closest: float | None = None
        for sight in sights:
            placed = sight.place(names)
            possible = sight.possible_places(names, SURE)
            if place in possible and len(possible) > 1:
                raise Ambiguous(f"on the border of a {names}", sight.finding_id)
            if placed.name == place:
                inside.append(sight)
                closest = placed.margin if closest is None else min(closest, placed.margin)
        self.record("within", {names: place}, len(inside), inside, closest)
        return tuple(inside)

    def count(self, sights: Sequence[Sight]) -> int:
        """How many."""
        self.record("count", {"findings": [s.finding_id for s in sights]}, len(sights), sights)
        return len(sights)

    def largest(self, sights: Sequence[Sight]) -> Sight:
        """The one with the largest area; ambiguous where the second is nearly as large."""
        ordered = sorted(sights, key=lambda s: -s.area_mm2)
        margin = 1 - ordered[1].area_mm2 / ordered[0].area_mm2 if len(ordered) > 1 else None
        if margin is not None and margin < APART:
            raise Ambiguous("a tie for the largest", f"{ordered[0].finding_id} and {ordered[1].finding_id}")
        self.record("largest", {"by": "area", "of": len(sights)}, ordered[0].finding_id, ordered[:1], margin)
        return ordered[0]

    def nearest(self, sights: Sequence[Sight]) -> Sight:
        """The one nearest to the reference point; ambiguous where the second is nearly as near."""
        ordered = sorted(sights, key=lambda s: s.distance_mm)
        margin = 1 - ordered[0].distance_mm / ordered[1].distance_mm if len(ordered) > 1 else None
        if margin is not None and margin < APART:
            raise Ambiguous("a tie for the nearest", f"{ordered[0].finding_id} and {ordered[1].finding_id}")
        self.record("nearest", {"to": "fovea", "of": len(sights)}, ordered[0].finding_id, ordered[:1], margin)
        return ordered[0]

    def area(self, sight: Sight) -> Measured:
        """Its area."""
        return self.measured(
            "measure", {"quantity": "area", "finding": sight.finding_id}, sight.area_mm2, "mm2", [sight]
        )

    def distance(self, sight: Sight) -> Measured:
        """Distance of its centre from the reference point."""
        args: dict[str, Value] = {"quantity": "distance to the fovea", "finding": sight.finding_id}
        return self.measured("measure", args, sight.distance_mm, "mm", [sight])

    def quantity(self, sight: Sight, name: str) -> Measured:
        """A stated quantity."""
        found = sight.quantity(name)
        args: dict[str, Value] = {"quantity": name, "finding": sight.finding_id}
        return self.measured("measure", args, found.value, found.unit, [sight], found.tolerance)

    def nonperfusion(self, *, scene: Scene | None = None) -> Measured:
        """Visible non-perfusion in percent of the field; ambiguous where an artefact hides more."""
        place = scene or self.scene
        self._unobscured(place)
        seen = place.sights("capillary dropout")
        args: dict[str, Value] = {"quantity": "non-perfused share of the field", "view": place.view.view_id}
        return self.measured("measure", args, place.nonperfusion_percent, "%", seen, scene=place)

    def fact_number(self, name: str, *, scene: Scene | None = None) -> Measured:
        """A number that the case states of the view."""
        place = scene or self.scene
        found = place.case.fact(name, view_id=place.view.view_id)
        if found is None or isinstance(found.value, str | bool):
            raise Missing(f"fact {name}", f"view {place.view.view_id} has no number of that name")
        args: dict[str, Value] = {"quantity": name, "view": place.view.view_id}
        return self.measured("measure", args, float(found.value), found.unit or "1", (), found.tolerance)

    def fact_word(self, name: str, *, scene: Scene | None = None) -> str:
        """A word that the case states of the view."""
        place = scene or self.scene
        value = place.case.fact_value(name, view_id=place.view.view_id)
        if not isinstance(value, str):
            raise Missing(f"fact {name}", f"view {place.view.view_id} has no word of that name")
        self.record("look_up_fact", {"name": name, "view": place.view.view_id}, value)
        return value

    def area_by_quadrant(self, sights: Sequence[Sight]) -> dict[str, float]:
        """Area of all together in each quadrant [mm2]."""
        totals = dict.fromkeys(QUADRANTS, 0.0)
        for sight in sights:
            counted = quadrant_counts(*sight.pixels, self.scene.reference)
            pixels = max(sum(counted.values()), 1)
            for name, n in counted.items():
                totals[name] += sight.area_mm2 * n / pixels
        self.record("area_by_quadrant", {"of": len(sights)}, {k: round(v, 4) for k, v in totals.items()}, sights)
        return totals

    def sector(self, sight: Sight) -> str:
        """Which of eight directions it lies in."""
        return self._placed("sector", sight, sight.sector)

    def quadrant(self, sight: Sight) -> str:
        """Which quadrant its centre lies in."""
        return self._placed("quadrant", sight, sight.quadrant)

    def ring(self, sight: Sight) -> str:
        """Which ring its centre lies in."""
        return self._placed("ring", sight, sight.ring)

    def rank(self, values: dict[str, float], *, all_apart: bool = False) -> tuple[str, ...]:
        """Names by falling value; ambiguous where the first two (or, with `all_apart`, any two neighbours) nearly tie."""
        ordered = sorted(values, key=lambda name: -values[name])
        gaps = [1 - values[b] / values[a] if values[a] > 0 else 0.0 for a, b in itertools.pairwise(ordered)]
        wanted = gaps if all_apart else gaps[:1]
        if wanted and min(wanted) < APART:
            raise Ambiguous("a tie in the ranking")
        self.record(
            "rank",
            {"values": {k: round(v, 4) for k, v in values.items()}},
            list(ordered),
            (),
            min(wanted, default=None),
        )
        return tuple(ordered)

    def compare(self, a: float, b: float, similar: float) -> int:
        """-1, 0 or 1: a less than, similar to, or more than b; `similar` is the absolute difference that counts as none."""
        difference = a - b
        if 0.5 * similar < abs(difference) < 1.5 * similar:
            raise Ambiguous("a difference near the limit of similar")
        sign = 0 if abs(difference) <= similar else (1 if difference > 0 else -1)
        self.record(
            "compare",
            {"a": round(a, 4), "b": round(b, 4), "similar": similar},
            sign,
            (),
            abs(abs(difference) - similar),
        )
        return sign

    def above(self, value: float, limit: float) -> bool:
        """Whether a value exceeds a limit; ambiguous where it nearly equals it."""
        margin = abs(value - limit) / abs(limit)
        if margin < NEAR_LIMIT:
            raise Ambiguous("a value on a limit", f"{value:g} and {limit:g}")
        self.record("threshold", {"value": round(value, 4), "limit": limit}, value > limit, (), margin)
        return value > limit

    def classify(self, value: float, name: str, *, sure: bool = True) -> str:
        """The label of a value on a scale of adjectives; ambiguous, if it must be `sure`, near a cut."""
        used: Scale = scale(name)
        margin = used.margin(value)
        if sure and margin < NEAR_LIMIT:
            raise Ambiguous("a value near the border of a category", f"{name}: {value:g}")
        label = used.label(value)
        self.record("classify", {"scale": name, "value": round(value, 4)}, label, (), margin)
        return label

    def apply_stage_rule(self, *, scene: Scene | None = None) -> str:
        """The surrogate stage of what the view shows; ambiguous near a border, and where disease is not seen."""
        place = scene or self.scene
        staging = place.staging
        if place.misses_disease(staging):
            raise Ambiguous(UNSEEN, place.view.view_id)
        self._unobscured(place)
        margin = staging.nonperfusion_margin
        if margin is not None and margin < STAGE_MARGIN:
            raise Ambiguous("non-perfusion on the border of a stage", f"{place.nonperfusion_percent:.2f} %")
        evidence = [
            s for name in ("neovascularization", "intraretinal microvascular abnormality") for s in place.sights(name)
        ]
        args: dict[str, Value] = {c.finding: round(c.value, 4) for c in staging.clauses}
        self.record("apply_stage_rule", args, staging.stage.value, evidence, margin, scene=place)
        return staging.stage.value

    def say(self, key: str, **slots: Scalar | tuple[str, ...]) -> None:
        """Attach a statement to the last step, which proves it."""
        if not self.steps:
            self.record("look", {"view": self.scene.view.view_id}, None)
        last = self.steps[-1]
        statement = Statement.model_construct(key=key, slots=shown_slots(slots))
        self.steps[-1] = last.model_copy(update={"statements": (*last.statements, statement)})

    def record(
        self,
        op: str,
        args: dict[str, Value],
        result: Value,
        sights: Sequence[Sight] = (),
        margin: float | None = None,
        scene: Scene | None = None,
    ) -> None:
        """Append a step."""
        view_id = (scene or self.scene).view.view_id
        evidence = tuple(Evidence.model_construct(view_id=view_id, finding_id=s.finding_id) for s in sights)
        step = Step.model_construct(op=op, args=args, result=result, evidence=evidence, margin=margin, statements=())
        self.steps.append(step)

    def coin(self) -> bool:
        """A fair coin."""
        return bool(self.rng.integers(2))

    def pick(self, items: Sequence[str]) -> str:
        """One of several, evenly."""
        return items[int(self.rng.integers(len(items)))]

    def _placed(self, names: str, sight: Sight, placed: Placed) -> str:
        if placed.margin < SURE:
            raise Ambiguous(f"on the border of a {names}", sight.finding_id)
        self.record(names, {"finding": sight.finding_id, "relative_to": "fovea"}, placed.name, [sight], placed.margin)
        return placed.name

    def measured(
        self,
        op: str,
        args: dict[str, Value],
        value: float,
        unit: str,
        sights: Sequence[Sight],
        tolerance: float | None = None,
        scene: Scene | None = None,
    ) -> Measured:
        """Record a value, with the stated tolerance or the usual one."""
        self.record(op, args, {"value": round(value, 5), "unit": unit}, sights, scene=scene)
        wide = max(0.1 * abs(value), TOLERANCE.get(unit, 0.0)) if tolerance is None else tolerance
        return Measured(value, unit, wide)

    def _unobscured(self, place: Scene) -> None:
        if place.obscured:
            raise Ambiguous("an artefact hides dropout", place.view.view_id)

    def _unhidden(self, place: Scene) -> None:
        for artefact in place.artefacts():
            region = artefact.finding.region(place.view.view_id)
            if artefact.finding.attributes.get("severity") != "severe" or region is None or region.mask is None:
                continue
            if region.mask.area > 0.1 * place.frame.height * place.frame.width:
                raise Ambiguous("absent, but a severe artefact may hide it", artefact.finding_id)
