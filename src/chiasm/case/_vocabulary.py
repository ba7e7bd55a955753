"""The words for what can be found in an image: one name each, with synonyms, kind and code.

Codes are ICD-10-CM where that classification has an entry; an empty code says that none fits. A world or source with new
findings adds terms with `register_term`.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from chiasm.errors import Conflict, UnknownName

Kind = Literal["lesion", "anatomy", "artefact", "diagnosis"]


class Term(NamedTuple):
    """One entry of the vocabulary."""

    name: str
    kind: Kind
    plural: str
    synonyms: tuple[str, ...] = ()
    code: str = ""
    """"ICD-10-CM:H35.04", or empty."""


_TERMS: dict[str, Term] = {}


def register_term(entry: Term) -> Term:
    """Add a term.

    Raises:
        Conflict: Its name is taken by a different entry.
    """
    known = _TERMS.setdefault(entry.name, entry)
    if known != entry:
        msg = f"term {entry.name!r} is already registered as {known}"
        raise Conflict(msg)
    return entry


def term(name: str) -> Term:
    """The entry of that name or synonym.

    Raises:
        UnknownName: There is none; the nearest is named.
    """
    if name in _TERMS:
        return _TERMS[name]
    for entry in _TERMS.values():
        if name.lower() in (s.lower() for s in (entry.name, entry.plural, *entry.synonyms)):
            return entry
    raise UnknownName("term", name, _TERMS)


def terms(kind: Kind | None = None) -> tuple[Term, ...]:
    """Every term, or those of one kind, in order of registration."""
    return tuple(t for t in _TERMS.values() if kind is None or t.kind == kind)


for _entry in (
    Term(
        "capillary dropout",
        "lesion",
        "areas of capillary dropout",
        (
            "capillary non-perfusion",
            "non-perfusion",
            "nonperfusion",
            "capillary loss",
            "flow loss",
            "ischaemia",
            "ischemia",
        ),
        "ICD-10-CM:H35.82",
    ),
    Term(
        "microaneurysm",
        "lesion",
        "microaneurysms",
        ("MA", "micro-aneurysm", "retinal microaneurysm"),
        "ICD-10-CM:H35.04",
    ),
    Term(
        "intraretinal microvascular abnormality",
        "lesion",
        "intraretinal microvascular abnormalities",
        ("IRMA", "IRMAs", "intraretinal microvascular anomaly"),
    ),
    Term(
        "neovascularization",
        "lesion",
        "neovascularizations",
        ("NV", "new vessels", "neovascularisation"),
        "ICD-10-CM:H35.05",
    ),
    Term("vascular tortuosity", "lesion", "tortuous vessels", ("tortuosity", "twisting"), "ICD-10-CM:H35.01"),
    Term("foveal avascular zone", "anatomy", "foveal avascular zones", ("FAZ",)),
    Term("fovea", "anatomy", "foveas", ("foveal centre", "foveal center")),
    Term("artery", "anatomy", "arteries", ("arteriole", "arterioles")),
    Term("vein", "anatomy", "veins", ("venule", "venules")),
    Term(
        "motion artefact", "artefact", "motion artefacts", ("motion artifact", "blink line", "displacement", "doubling")
    ),
    Term("projection artefact", "artefact", "projection artefacts", ("projection artifact",)),
    Term("shadow", "artefact", "shadows", ("masking", "shadow artefact")),
    Term("defocus", "artefact", "defocused areas", ("blur", "out of focus")),
    Term("low signal", "artefact", "low-signal areas", ("weak signal", "vignetting")),
    Term("decentration", "artefact", "decentrations", ("off-centre scan", "decentred")),
    Term("segmentation error", "artefact", "segmentation errors", ("layer segmentation error",)),
    Term("diabetic retinopathy", "diagnosis", "diabetic retinopathies", ("DR",), "ICD-10-CM:E11.31"),
):
    register_term(_entry)
