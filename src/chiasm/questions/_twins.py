"""One case of an eye and its counterfactual twin, so that they can be asked about together."""

from __future__ import annotations

from chiasm.case import Case, Fact, Finding, Laterality, View
from chiasm.errors import InvalidInput


def pair_twins(case: Case, twin: Case) -> Case:
    """Join a case and its twin: the twin's views become later visits with "-twin" in their ids.

    Args:
        case: The patient.
        twin: The same patient with one kind of finding changed; carries the fact "twin".

    Returns:
        A case with both, whose id says so; views of the same eye and slab are each other's twins. Graphs are left out.

    Raises:
        InvalidInput: The second case is no twin, or of another patient.
    """
    changed = twin.fact_value("twin")
    if changed is None or case.patient_id != twin.patient_id:
        msg = f"case {twin.case_id} must be a twin of patient {case.patient_id}: it needs the fact 'twin' and the same patient_id"
        raise InvalidInput(msg)
    later = 1 + max(view.visit for view in case.views)
    views = tuple(_view(view, later) for view in twin.views)
    marks = tuple(Fact(name="twin", value=changed, visit=view.visit, laterality=view.laterality) for view in views)
    return Case(
        case_id=f"{case.case_id}+{twin.case_id}",
        patient_id=case.patient_id,
        views=(*case.views, *views),
        findings=(*case.findings, *(_finding(f, later) for f in twin.findings)),
        facts=(*case.facts, *(_fact(f, later) for f in twin.facts if f.name != "twin"), *dict.fromkeys(marks)),
        origin=case.origin,
    )


def _name(view_id: str) -> str:
    return f"{view_id}-twin"


def _view(view: View, later: int) -> View:
    return view.model_copy(update={"view_id": _name(view.view_id), "visit": view.visit + later})


def _finding(finding: Finding, later: int) -> Finding:
    update = {
        "finding_id": f"{finding.finding_id}-twin",
        "visit": finding.visit + later,
        "regions": tuple(r.model_copy(update={"view_id": _name(r.view_id)}) for r in finding.regions),
        "visibility": {_name(view_id): seen for view_id, seen in finding.visibility.items()},
    }
    return finding.model_copy(update=update)


def _fact(fact: Fact, later: int) -> Fact:
    """A fact of the twin; one of the whole patient is said of each of its visits only where it names one."""
    view_id = None if fact.view_id is None else _name(fact.view_id)
    whole = fact.visit is None and fact.view_id is None and fact.laterality is Laterality.NONE
    visit = later if whole else None if fact.visit is None else fact.visit + later
    return fact.model_copy(update={"view_id": view_id, "visit": visit})
