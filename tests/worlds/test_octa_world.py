import numpy as np
import pytest

from chiasm.case import Case, Laterality, Visibility, eye_key
from chiasm.errors import InvalidInput, UnknownName
from chiasm.measure import Stage, StageEvidence, stage
from chiasm.worlds.octa import FAMILIES, OctaParams, OctaRequest, OctaWorld, Shot, twin
from chiasm.worlds.octa._truth import faz_mask
from chiasm.worlds.octa.imaging import Artefact


def draw(seed: int, **request: object) -> OctaParams:
    return OctaWorld(OctaRequest(**request)).sample(np.random.default_rng(seed))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def sick() -> tuple[OctaParams, Case]:
    params = draw(3, stage="late-npdr", shots=(Shot(artefacts="none"),))
    return params, OctaWorld().render(params)


def test_params_are_plain_json_and_render_to_equal_bytes(sick: tuple[OctaParams, Case]) -> None:
    params, case = sick
    again = OctaParams.parse(case.origin.params)
    assert again == params
    assert OctaWorld().render(again).sha256 == case.sha256


def test_case_survives_json(sick: tuple[OctaParams, Case]) -> None:
    _, case = sick
    assert Case.from_json(case.to_json()).sha256 == case.sha256


def test_stage_follows_from_what_was_drawn(sick: tuple[OctaParams, Case]) -> None:
    _, case = sick
    (view,) = case.views
    for visible, fact in ((None, "stage"), (True, "stage_visible")):
        counts = {
            key: sum(bool(f.regions) for f in case.find(name, view_id=view.view_id, visible=visible))
            for key, name in (
                ("n_ma", "microaneurysm"),
                ("n_irma", "intraretinal microvascular abnormality"),
                ("n_nv", "neovascularization"),
            )
        }
        share = case.fact_value("nonperfusion" if visible is None else "nonperfusion_visible", view_id=view.view_id)
        told = stage(StageEvidence(**counts, nonperfusion_fraction=float(share) / 100)).stage  # type: ignore[arg-type]
        assert case.fact_value(fact, view_id=view.view_id) == told


def test_every_visible_lesion_differs_from_its_twin(sick: tuple[OctaParams, Case]) -> None:
    _, case = sick
    (view,) = case.views
    lesions = [
        f
        for f in case.findings
        if (seen := f.visibility.get(view.view_id)) is not None and seen.detectability is not None
    ]
    assert lesions
    for finding in lesions:
        seen = finding.visibility[view.view_id]
        assert seen.detectability is not None
        assert seen.contrast_to_noise is not None
        patch = finding.term in ("capillary dropout", "microaneurysm")
        clear = seen.detectability >= 3 if patch else seen.contrast_to_noise >= 0.6 and seen.detectability >= 4
        assert clear == seen.visible


def test_healthy_eyes_have_no_stage_findings() -> None:
    for seed in range(3):
        case = OctaWorld().render(draw(seed, stage="healthy"))
        assert case.fact_value("stage", view_id=case.views[0].view_id) == "healthy"
        assert not list(case.find("microaneurysm"))


@pytest.mark.parametrize("name", list(Stage))
def test_requested_stage_is_realised(name: Stage) -> None:
    case = OctaWorld().render(draw(11, stage=name))
    assert case.fact_value("stage", view_id=case.views[0].view_id) == name


def test_several_scans_share_one_growth_and_differ_in_noise() -> None:
    params = draw(5, stage="early-npdr", shots=(Shot(), Shot(), Shot(slab="svc")))
    case = OctaWorld().render(params)
    assert [v.view_id for v in case.views] == ["od-v0-inner", "od-v0-inner-1", "od-v0-svc"]
    assert not np.array_equal(case.views[0].pixels, case.views[1].pixels)
    assert set(case.graphs) == {"OD@0"}


def test_two_eyes_and_two_visits_belong_to_one_patient() -> None:
    shots = tuple(Shot(laterality=side, visit=visit) for side in ("OD", "OS") for visit in (0, 1))  # type: ignore[arg-type]
    case = OctaWorld().render(draw(6, stage="early-npdr", shots=shots, years_between_visits=3.0))
    assert set(case.graphs) == {eye_key(Laterality(side), visit) for side in ("OD", "OS") for visit in (0, 1)}
    first, later = (case.fact("nonperfusion", view_id=f"od-v{v}-inner").value for v in (0, 1))  # type: ignore[union-attr]
    assert float(later) >= float(first)


def test_twin_is_equal_outside_what_was_taken_out(sick: tuple[OctaParams, Case]) -> None:
    params, case = sick
    other = OctaWorld().render(twin(params, "microaneurysm"))
    (view,) = case.views
    step = np.abs(case.view(view.view_id).pixels.astype(int) - other.view(view.view_id).pixels)
    near = np.zeros(view.shape, dtype=bool)
    for finding in case.find("microaneurysm"):
        region = finding.region(view.view_id)
        if region is not None and region.box is not None:
            (r0, c0), (r1, c1) = region.box
            near[max(int(r0) - 24, 0) : int(r1) + 24, max(int(c0) - 24, 0) : int(c1) + 24] = True
    assert step.max() > 20
    # The coarse levels of the device's processing reach further, by one or two of its grey levels and no more.
    assert step[~near].max() <= 4
    assert not list(other.find("microaneurysm"))
    assert len(list(other.find("capillary dropout"))) == len(list(case.find("capillary dropout")))


def test_twin_of_nothing_is_refused() -> None:
    params = draw(2, stage="healthy")
    with pytest.raises(InvalidInput, match="to take out"):
        twin(params, "neovascularization")
    with pytest.raises(UnknownName, match="did you mean 'microaneurysm'"):
        twin(params, "microaneurism")
    assert "dropout" in FAMILIES


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"age_years": 7.0}, "greater than or equal to 8"),
        ({"fov_mm": 30.0}, "less than or equal to 12"),
        ({"stage": "severe"}, "healthy"),
        ({"shots": ()}, "at least 1"),
        ({"size_px": 3}, "greater than or equal to 64"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_impossible_requests_are_refused(request_: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        OctaRequest(**request_)  # type: ignore[arg-type]


def test_params_of_another_world_are_refused(sick: tuple[OctaParams, Case]) -> None:
    params, _ = sick
    with pytest.raises(InvalidInput, match="world_version"):
        OctaParams.parse({**params.model_dump(mode="json"), "world_version": "0"})


def test_artefacts_leave_masks_and_lower_quality() -> None:
    seen = set()
    for seed in range(12):
        case = OctaWorld().render(draw(seed, stage="healthy", size_px=152))
        (view,) = case.views
        seen.add(case.fact_value("quality", view_id=view.view_id))
        for finding in case.findings:
            if finding.finding_id.startswith(f"{view.view_id}-artefact"):
                assert finding.attributes["severity"] in ("mild", "moderate", "severe")
    assert "good" in seen
    assert len(seen) > 1


def test_a_veil_hides_a_lesion_only_as_far_as_its_contrast_goes() -> None:
    """Low signal over the whole field: what it still shows is visible, what it hides says so; under motion nothing is judged."""
    params = draw(5, stage="late-npdr", shots=(Shot(artefacts="none"),))
    (eye,) = params.eyes
    (scan,) = eye.scans

    def under(*artefacts: Artefact) -> Case:
        imaging = scan.imaging.model_copy(update={"artefacts": artefacts})
        veiled = eye.model_copy(update={"scans": (scan.model_copy(update={"imaging": imaging}),)})
        return OctaWorld().render(params.model_copy(update={"eyes": (veiled,)}))

    def dropout(case: Case) -> list[Visibility]:
        return [
            f.visibility[scan.view_id] for f in case.find("capillary dropout") if f.region(scan.view_id) is not None
        ]

    mild, dense = (
        dropout(under(Artefact(kind="low signal", form="field", severity="severe", amount=a))) for a in (0.2, 0.97)
    )
    assert any(seen.visible for seen in dropout(under()))
    assert any(seen.visible for seen in mild)
    assert not any(seen.visible for seen in dense)
    for seen in (*mild, *dense):
        assert seen.hidden_by == (() if seen.visible else ("low signal",))
        assert seen.visible == (not seen.reason)
    shift = Artefact(kind="motion artefact", form="displacement", severity="severe", extent=2.0, amount=0.1)
    moved = dropout(under(shift))
    assert any(seen.hidden_by == ("motion artefact",) and seen.detectability is None for seen in moved)


def test_faz_mask_is_the_polygon_by_pixel_centres() -> None:
    angle = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    outline = np.stack([1500 + 400 * np.sin(angle), 1200 + 300 * np.cos(angle)], axis=1)
    row, col = (np.mgrid[:304, :304] + 0.5) * 3000 / 304
    inside = ((row - 1500) / 400) ** 2 + ((col - 1200) / 300) ** 2 < 1
    differs = faz_mask(outline, 3000 / 304, 304) != inside
    assert differs.sum() < 10  # a polygon of 400 corners against the ellipse
    assert not faz_mask(outline + 9000, 3000 / 304, 304).any()


@pytest.mark.parametrize(
    ("name", "fov_mm", "profile"),
    [
        (None, 3.0, "rtvue-xr-3mm"),
        (None, 6.0, "rtvue-xr-6mm"),
        ("mixed", 3.0, "mixed-3mm"),
        ("mixed", 6.0, "mixed-6mm"),
        ("mixed-3mm", 6.0, "mixed-3mm"),
    ],
)
def test_a_device_takes_its_profile_of_the_field(name: str | None, fov_mm: float, profile: str) -> None:
    (eye,) = draw(1, fov_mm=fov_mm, shots=(Shot(profile=name),)).eyes
    assert eye.scans[0].imaging.profile == profile
    assert eye.scans[0].imaging.fov_mm == fov_mm


def test_images_of_one_eye_share_its_truth_and_differ_in_noise() -> None:
    params = draw(3, stage="late-npdr", shots=(Shot(artefacts="none"), Shot(artefacts="none"), Shot(slab="svc")))
    case = OctaWorld().render(params)
    (eye,) = params.eyes
    for scan, view in zip(eye.scans, case.views, strict=True):
        alone = OctaWorld().render(params.model_copy(update={"eyes": (eye.model_copy(update={"scans": (scan,)}),)}))
        assert (alone.views[0].pixels == view.pixels).all()
        assert [f for f in alone.facts if f.view_id] == [f for f in case.facts if f.view_id == view.view_id]
        for one, shared in zip(
            alone.findings, (f for f in case.findings if "artefact" not in f.finding_id), strict=False
        ):
            assert one.region(view.view_id) == shared.region(view.view_id)
            assert one.visibility.get(view.view_id) == shared.visibility.get(view.view_id)
    assert (case.views[0].pixels != case.views[1].pixels).any()
