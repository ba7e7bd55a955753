"""A folder of images with labels: a table beside the images, or one sub-folder per class.

The table is `metadata.csv` (the convention of Hugging Face's ImageFolder) or `labels.csv`, with the columns `file_name` and
`label`, and where known `patient_id`, `case_id`, `fov_mm`, `eye` (OD or OS), `age`, `sex`, `modality`; every other column
becomes a fact of its name. Without a table, each image's sub-folder is its label. Nothing is guessed: no `fov_mm`, no
spacing; no `patient_id`, each image is its own patient.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from chiasm.case import Case, Fact, Laterality, Origin, View
from chiasm.errors import InvalidInput
from chiasm.sources._image import SUFFIXES, load_image
from chiasm.sources._problems import OnProblem, report
from chiasm.sources._tables import read_table

_TABLES = ("metadata.csv", "labels.csv")
_OWN = frozenset({"file_name", "patient_id", "case_id", "fov_mm", "eye", "modality"})


def read_image_folder(
    root: str | Path, *, labels: tuple[str, ...] | None = None, on_problem: OnProblem | None = None
) -> Iterator[Case]:
    """Cases with one view, "image", and the fact `label`.

    Args:
        root: The folder.
        labels: The classes that may occur; None allows any.
        on_problem: Called for each unreadable entry, which is left out; None raises at the first.

    Raises:
        InvalidInput: No images, or (without `on_problem`) an entry cannot be read.
    """
    base = Path(root)
    if not base.is_dir():
        msg = f"image folder {base} does not exist"
        raise InvalidInput(msg)
    rows = _rows(base)
    if not rows:
        msg = f"{base} holds no images: give it a {_TABLES[0]} with file_name and label, or one sub-folder per class"
        raise InvalidInput(msg)
    seen: set[str] = set()
    for row in rows:
        where = row["file_name"]
        name = row.get("case_id") or Path(where).with_suffix("").as_posix()
        if name in seen:
            report(on_problem, where, f"case ids must be unique, {name!r} is listed again; the first was kept")
            continue
        seen.add(name)
        try:
            if labels is not None and row["label"] not in labels:
                msg = f"label must be one of {', '.join(labels)}, got {row['label']!r}"
                raise InvalidInput(msg)
            yield _case(base, name, row)
        except InvalidInput as error:
            report(on_problem, where, str(error))


def _rows(base: Path) -> list[dict[str, str]]:
    for name in _TABLES:
        if (base / name).is_file():
            return read_table(base / name, required=("file_name", "label"))
    images = sorted(p for p in base.glob("*/*") if p.suffix.lower() in SUFFIXES)
    return [{"file_name": p.relative_to(base).as_posix(), "label": p.parent.name} for p in images]


def _case(base: Path, name: str, row: dict[str, str]) -> Case:
    path = (base / row["file_name"]).resolve()
    if not path.is_relative_to(base.resolve()):
        msg = f"file_name must stay inside the folder, got {row['file_name']!r}"
        raise InvalidInput(msg)
    if not row["label"]:
        msg = "label must not be empty"
        raise InvalidInput(msg)
    loaded = load_image(path)
    height, width = loaded.pixels.shape
    fov_mm = _number(row, "fov_mm")
    eye = row.get("eye") or "unknown"
    if eye not in ("OD", "OS", "unknown"):
        msg = f"eye must be OD, OS or unknown, got {eye!r}"
        raise InvalidInput(msg)
    view = View(
        view_id="image",
        modality=row.get("modality") or "image",
        pixels=loaded.pixels,
        spacing_mm=(fov_mm / height, fov_mm / width) if fov_mm is not None else None,
        laterality=Laterality(eye),
        attributes={"fov_mm": fov_mm} if fov_mm is not None else {},
    )
    facts = [Fact(name=key, value=value) for key, value in row.items() if key not in _OWN | {"age"} and value]
    age = _number(row, "age")
    if age is not None:
        facts.append(Fact(name="age", value=age, unit="years"))
    origin = Origin(
        kind="source",
        name="image-folder",
        version="1",
        file=row["file_name"],
        sha256=loaded.sha256,
        licence="not stated",
    )
    patient = row.get("patient_id") or name
    return Case(case_id=name, patient_id=patient, views=(view,), facts=tuple(facts), origin=origin)


def _number(row: dict[str, str], key: str) -> float | None:
    text = row.get(key, "")
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not 0 < value < 1000:
        msg = f"{key} must be a number in (0, 1000), got {text!r}"
        raise InvalidInput(msg)
    return value
