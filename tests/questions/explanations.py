"""Reads the hand-written explanations: texts, eyes, and the claims that each makes."""

from pathlib import Path
from typing import NamedTuple

CODES = {
    "drop": "capillary dropout",
    "ma": "microaneurysm",
    "irma": "intraretinal microvascular abnormality",
    "nv": "neovascularization",
    "tort": "vascular tortuosity",
    "faz": "foveal avascular zone",
    "img": "image",
    "motion": "motion artefact",
    "shadow": "shadow",
    "defocus": "defocus",
    "signal": "low signal",
    "seg": "segmentation error",
    "projection": "projection artefact",
    "decentration": "decentration",
}
LESIONS = ("drop", "ma", "irma", "nv", "tort")
Triple = tuple[str, str, bool | float | str]


class Explanation(NamedTuple):
    """One hand-written text."""

    text: str
    eye: str
    claims: frozenset[Triple]


def read_explanations(name: str) -> list[Explanation]:
    """The records of a file beside this one."""
    found: list[Explanation] = []
    text: list[str] = []
    eye = "none"
    for line in (Path(__file__).parent / name).read_text(encoding="utf-8").splitlines():
        if line.startswith("#") or (not line.strip() and not text):
            continue
        if line.startswith("T: "):
            text, eye = [line[3:]], "none"
        elif line.startswith("E: "):
            eye = line[3:].strip()
        elif line.startswith("G:"):
            found.append(Explanation("\n".join(text), eye, frozenset(_claims(line[2:]))))
            text = []
        else:
            text.append(line)
    return found


def _claims(line: str) -> list[Triple]:
    claims: list[Triple] = []
    for piece in filter(None, (p.strip() for p in line.split(";"))):
        code, _, rest = piece.partition(" ")
        if code.startswith("stage="):
            claims.append(("diabetic retinopathy", "stage", piece.partition("=")[2]))
        elif code[-1] in "+-":
            claims.append((CODES[code[:-1]], "present", code[-1] == "+"))
        else:
            attribute, _, values = rest.partition("=")
            if code in LESIONS and attribute != "absent in":
                claims.append((CODES[code], "present", True))
            name = "count" if attribute == "n" else attribute
            claims += [(CODES[code], name, _value(v.strip())) for v in values.split(",")]
    return claims


def _value(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text
