"""Questions asked of eyes that the OCTA world grows; slow, since the eyes must be grown first."""

from collections import Counter

import numpy as np
import pytest

from chiasm.case import Case
from chiasm.errors import InvalidInput
from chiasm.questions import Chart, Item, ask, ask_all, check_items, facts_of, pair_twins
from chiasm.questions._scales import scale
from chiasm.worlds.octa import OctaRequest, OctaWorld, Shot, twin

pytestmark = pytest.mark.slow
ADJECTIVES = {"size": "faz size", "shape": "faz shape", "extent": "dropout extent", "amount": "amount"}


@pytest.fixture(scope="module")
def eyes() -> list[Case]:
    """Ninety eyes at 3 mm, of every stage."""
    found = []
    for k in range(90):
        shots = (Shot(), Shot(visit=1)) if k % 9 == 0 else (Shot(laterality=("OD", "OS")[k % 2]),)
        world = OctaWorld(OctaRequest(case_id=f"eye-{k}", patient_id=f"eye-{k}", shots=shots))
        found.append(world.render(world.sample(np.random.default_rng([k, 5]))))
    return found


def test_every_item_on_grown_eyes_is_proved(eyes: list[Case]) -> None:
    items = [item for n, case in enumerate(eyes) for item in ask_all(case, n).items]
    checked = check_items(items, {case.case_id: case for case in eyes})
    assert checked.n_items >= 4000
    assert checked.problems == ()


def test_the_stage_of_the_questions_is_the_stage_of_the_world(eyes: list[Case]) -> None:
    for case in eyes:
        for view in case.views:
            scene = Chart(case).scene(view.view_id)
            assert scene.staging.stage.value == case.fact_value("stage_visible", view_id=view.view_id)


@pytest.mark.parametrize("attribute", ADJECTIVES)
def test_each_adjective_covers_ten_to_sixty_percent_of_the_world(eyes: list[Case], attribute: str) -> None:
    labels: Counter[object] = Counter()
    for case in eyes:
        for view in case.views:
            facts = facts_of(Chart(case).scene(view.view_id))
            labels.update(f.value for f in facts if f.attribute == attribute)
    total = sum(labels.values())
    assert total >= 40
    for label in scale(ADJECTIVES[attribute]).labels:
        assert 0.1 <= labels[label] / total <= 0.6, labels


def test_twins_of_the_world_differ_in_the_family_that_was_taken_out() -> None:
    asked = 0
    for k, family in enumerate(("dropout", "irma", "microaneurysm", "neovascularization") * 3):
        world = OctaWorld(OctaRequest(case_id=f"t{k}", patient_id=f"t{k}", stage="pdr"))
        params = world.sample(np.random.default_rng([k, 9]))
        try:
            other = twin(params, family)
        except InvalidInput:  # this eye has nothing of that family
            continue
        both = pair_twins(world.render(params), world.render(other))
        item = ask(both, "twin-difference", np.random.default_rng(k), form="free")
        if isinstance(item, Item):
            expected = {"dropout": "capillary dropout", "irma": "intraretinal microvascular abnormality"}
            assert item.answer_text == expected.get(family, family)
            asked += 1
    assert asked >= 3
