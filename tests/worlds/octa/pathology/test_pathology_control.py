"""Controllability: what is asked for is what comes out, family by family, and the other families stay as they were."""

import numpy as np
import pytest
from pathology_eyes import DROPOUT, IRMA, MICROANEURYSM, NEW_VESSELS, TORTUOSITY, healthy_eye
from scipy.stats import spearmanr

from chiasm.case import Vessel
from chiasm.measure import Stage
from chiasm.worlds.octa.anatomy import polygon_area_mm2
from chiasm.worlds.octa.pathology import FAMILIES, PathologyParams, apply_pathology, sample_pathology
from chiasm.worlds.octa.pathology._faz import FazParams
from chiasm.worlds.octa.pathology._irma import IrmaParams, IrmasParams
from chiasm.worlds.octa.pathology._microaneurysm import MicroaneurysmsParams, sample_one
from chiasm.worlds.octa.pathology._neovascularization import NeovascularizationParams, NeovascularizationsParams
from chiasm.worlds.octa.pathology._tortuosity import _branches

BOUND = 0.95
TERMS = {"dropout": DROPOUT, "microaneurysm": MICROANEURYSM, "irma": IRMA, "neovascularization": NEW_VESSELS}


def with_severity(params: PathologyParams, family: str, level: float, rng: np.random.Generator):
    """The params with one family set to a level in 0-1, and the severity in the family's own unit."""
    if family == "dropout":
        wanted = 0.02 + 0.28 * level
        part = params.dropout.model_copy(update={"share": wanted})
    elif family == "faz":
        wanted = 0.01 + 0.4 * level
        part = FazParams(growth_mm2=wanted)  # notches add area of their own
    elif family == "microaneurysm":
        wanted = round(1 + 39 * level)
        part = MicroaneurysmsParams(each=tuple(sample_one(rng) for _ in range(wanted)))
    elif family == "irma":
        wanted = round(4 * level)
        each = tuple(IrmaParams(seed=int(rng.integers(2**53)), calibre_um=20.0) for _ in range(wanted))
        part = IrmasParams(each=each)
    elif family == "neovascularization":
        wanted = 0.03 + 0.27 * level
        one = NeovascularizationParams(seed=int(rng.integers(2**53)), area_mm2=wanted, branches=6)
        part = NeovascularizationsParams(each=(one,))
    else:
        wanted = 0.02 + 0.98 * level
        part = params.tortuosity.model_copy(update={"gain": wanted})
    return params.model_copy(update={family: part}), float(wanted)


def realised(anatomy, eye, family: str) -> float:
    """What the record says came out, in a unit that rises with the severity."""
    if family == "dropout":
        return sum(lesion.value("share of field") for lesion in eye.of(DROPOUT))
    if family == "faz":
        return polygon_area_mm2(eye.faz_outline_um) - polygon_area_mm2(anatomy.faz_outline_um)
    if family in ("microaneurysm", "irma"):
        return float(len(eye.of(TERMS[family])))
    if family == "neovascularization":
        return sum(lesion.value("area") for lesion in eye.of(NEW_VESSELS))
    large = np.isin(anatomy.graph.vessel, (Vessel.ARTERY, Vessel.VEIN)) & (anatomy.graph.radius_um >= 7.0)
    kept = np.intersect1d(anatomy.graph.edge_id[large], eye.graph.edge_id)
    return winding(eye.graph, kept) / winding(anatomy.graph, kept)


def winding(graph, edge_ids) -> float:
    """Arc over chord of the branches that these edges form: stretching a vessel as a whole is no tortuosity."""
    ends = graph.edges[np.isin(graph.edge_id, edge_ids)]
    degree = np.bincount(ends.ravel(), minlength=len(graph.position_um))
    arcs, chords = _branches(ends, degree, graph.position_um.astype(np.float64))
    return float(arcs.sum() / chords.sum())


def record(anatomy, eye, but: str) -> dict[str, object]:
    """Counts and sizes of every other family, those without regard to place."""
    out: dict[str, object] = {}
    if but not in ("faz", "tortuosity"):  # where a notch reaches a winding vessel, its border moves along
        out["faz"] = round(polygon_area_mm2(eye.faz_outline_um), 3)
    if but != "microaneurysm":
        out["microaneurysm"] = sorted(lesion.value("diameter") for lesion in eye.of(MICROANEURYSM))
    if but not in ("irma", "dropout", "tortuosity", "faz"):  # the way of a shunt follows the border of dropout
        out["irma"] = [(lesion.value("length"), lesion.value("calibre")) for lesion in eye.of(IRMA)]
    out["shunts"] = None if but == "irma" else len(eye.of(IRMA))
    if but != "neovascularization":
        out["tufts"] = len(eye.of(NEW_VESSELS))
    if but != "tortuosity":
        out["tortuosity"] = [lesion.value("tortuosity") for lesion in eye.of(TORTUOSITY)]
    if but not in ("dropout", "tortuosity", "irma", "faz"):
        out["dropout"] = [lesion.value("area") for lesion in eye.of(DROPOUT)]
    return out


def spearman_of(family: str, n: int) -> float:
    wanted, found = [], []
    for seed in range(n):
        rng = np.random.default_rng([seed, FAMILIES.index(family)])
        anatomy = healthy_eye(seed)
        base = sample_pathology(rng, Stage.PDR, anatomy.params)
        levels = (seed + rng.random()) / n, float(rng.random())
        records = []
        for level in levels:
            params, asked = with_severity(base, family, level, rng)
            eye = apply_pathology(anatomy, params)
            records.append(record(anatomy, eye, family))
            if level is levels[0]:
                wanted.append(asked)
                found.append(realised(anatomy, eye, family))
        assert records[0] == records[1], f"eye {seed}"
    return float(spearmanr(wanted, found).statistic)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_asked_for_comes_out_and_nothing_else_changes(family):
    assert spearman_of(family, 12) >= BOUND


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_asked_for_comes_out_over_100_eyes(family):
    value = spearman_of(family, 100)
    print(f"{family}: Spearman {value:.4f} over 100 eyes")  # noqa: T201
    assert value >= BOUND
