"""From what the user names to an exam: a built data set, a Parquet file of items, or a real collection."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from itertools import zip_longest
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import ValidationError

from chiasm.case import term
from chiasm.errors import InvalidInput
from chiasm.evaluation._chat_model import Style
from chiasm.evaluation._classes import classes_of_key
from chiasm.evaluation._grown import GROWN, grown_exam
from chiasm.evaluation._question import Exam, ExamItem, Overlay, Picture, Question, make_exam
from chiasm.evaluation._real import real_exam
from chiasm.evaluation._semireal import semireal_exam
from chiasm.evaluation._twins import Sight, paired_twins, sight_of
from chiasm.questions import Key
from chiasm.sources import Problem, read_octa500, split_source

SEMI_REAL = "semi-real:"
_COLUMNS = ("item_id", "case_id", "patient_id", "program", "level", "stage", "split", "question", "key", "images")
_OPTIONAL = ("trace", "reasoning", "facts", "views", "findings", "evidence")


def load_exam(
    spec: str, *, split: str | None = None, limit: int | None = None, seed: int = 0, style: Style = "reasoned"
) -> Exam:
    """Load what `--on` names.

    Args:
        spec: A folder that `chiasm build` wrote, a Parquet file with the same columns, or `octa500:PATH`,
            `octa25k-faz:PATH`, `rossa:PATH`, `images:PATH`, `semi-real:PATH` (healthy eyes of OCTA-500 at PATH with
            capillaries erased), or pairs grown on the spot: `twins:FAMILY`, `devices:DEVICE`, `confusing:A-B`.
        split: Rows of this split only; None: "test" where there is one, else all. For built data sets alone.
        limit: At most so many items, the first of each task in turn, pairs whole; None for all.
        seed: Of the wording of questions to real collections, and of pairs grown on the spot.
        style: How models answer, "reasoned" or "direct"; OCTA-500 is asked accordingly.

    Raises:
        InvalidInput: Nothing of that name, a file without the columns, or nothing to ask.
    """
    made = spec.startswith((SEMI_REAL, *GROWN))
    source = None if made else split_source(spec)
    if split is not None and (made or source is not None):
        msg = f"split is for built data sets; {spec} has none"
        raise InvalidInput(msg)
    if spec.startswith(SEMI_REAL):
        exam = _erased(Path(spec.removeprefix(SEMI_REAL)), seed)
    elif made:
        exam = grown_exam(spec, seed=seed)
    else:
        exam = _built(Path(spec), split) if source is None else real_exam(*source, seed=seed, style=style)
    return exam if limit is None else _first(exam, limit)


def _erased(path: Path, seed: int) -> Exam:
    found: list[Problem] = []
    exam = semireal_exam(read_octa500(path, masks=False, on_problem=found.append), seed=seed)
    return make_exam(exam.name, list(exam.items), [*exam.problems, *(f"{p.where}: {p.what}" for p in found)])


def _built(path: Path, split: str | None) -> Exam:
    files = item_files(path)
    splits = {name for file in files for name in _splits_in(file)}
    if split is not None and split not in splits:
        msg = f"split {split!r} is not in {path}; it holds {', '.join(sorted(splits)) or 'no rows'}"
        raise InvalidInput(msg)
    wanted = split or ("test" if "test" in splits else None)
    items: list[ExamItem] = []
    sights: list[Sight | None] = []
    problems: list[str] = []
    shared: dict[str, Picture] = {}
    for file in files:
        for row in item_rows(file, {} if wanted is None else {"split": (wanted,)}):
            try:
                items.append(item_of_row(row, shared))
                sights.append(sight_of(_facts(row), row.get("views") or []))
            except (InvalidInput, ValueError, KeyError, TypeError) as error:
                problems.append(f"item {row.get('item_id')!r} in {file.name}: {_told(error)}")
    label = path.name if wanted is None else f"{path.name} ({wanted})"
    return make_exam(label, paired_twins(items, sights), problems)


def _told(error: Exception) -> str:
    """The rule that was broken; a record's own message begins with a line that says only how many were."""
    if isinstance(error, ValidationError):
        return "; ".join(": ".join([*map(str, e["loc"]), e["msg"]]) for e in error.errors())
    return str(error).splitlines()[0]


def item_files(path: Path) -> list[Path]:
    """The Parquet files of items in a folder, or the one given.

    Raises:
        InvalidInput: There is none.
    """
    if path.is_file():
        return [path]
    if not path.is_dir():
        msg = f"no data at {path}: give a folder that chiasm build wrote, a Parquet file, or NAME:PATH of a real collection"
        raise InvalidInput(msg)
    hidden = [
        p
        for p in sorted(path.rglob("*.parquet"))
        if not any(part.startswith(".") for part in p.relative_to(path).parts)
    ]
    found = []
    for file in hidden:
        if "item_id" in _open(file).schema_arrow.names:
            found.append(file)
    if not found:
        msg = f"{path} holds no Parquet file of items; write one with chiasm build"
        raise InvalidInput(msg)
    return found


def _open(file: Path) -> pq.ParquetFile:
    try:
        return pq.ParquetFile(file)
    except (OSError, pa.ArrowInvalid) as error:
        msg = f"{file} is not a readable Parquet file: {error}"
        raise InvalidInput(msg) from error


def _splits_in(file: Path) -> list[str]:
    with _open_items(file) as table:
        return [str(name) for name in table.read(columns=["split"]).column("split").unique().to_pylist()]


def item_rows(file: Path, where: Mapping[str, Sequence[str]]) -> Iterator[dict[str, Any]]:
    """Rows of a file of items.

    Args:
        file: Parquet.
        where: For some columns, the values wanted; rows of others are never unpacked.

    Raises:
        InvalidInput: The file is unreadable or lacks columns of items.
    """
    with _open_items(file) as table:
        columns = [c for c in (*_COLUMNS, *_OPTIONAL) if c in table.schema_arrow.names]
        for group in range(table.num_row_groups):
            # images make up nearly all of a row group: look at the small columns first
            if where and not pc.any(_holding(table.read_row_group(group, columns=list(where)), where)).as_py():
                continue
            for batch in table.iter_batches(batch_size=64, row_groups=[group], columns=columns):
                yield from (batch.filter(_holding(batch, where)) if where else batch).to_pylist()


def _holding(rows: pa.Table | pa.RecordBatch, where: Mapping[str, Sequence[str]]) -> pa.Array:
    """Which rows have wanted values in every column named."""
    held = [pc.is_in(rows.column(name), value_set=pa.array(values)) for name, values in where.items()]
    return reduce(pc.and_, held)


def _open_items(file: Path) -> pq.ParquetFile:
    table = _open(file)
    missing = [c for c in _COLUMNS if c not in table.schema_arrow.names]
    if missing:
        table.close()
        msg = f"{file} lacks the columns {', '.join(missing)}; items have {', '.join(_COLUMNS)}"
        raise InvalidInput(msg)
    return table


def item_of_row(row: Mapping[str, Any], shared: dict[str, Picture] | None = None) -> ExamItem:
    """An item from a row of a built data set; `shared` holds pictures by hash, so that rows of one case share theirs."""
    pool = {} if shared is None else shared
    key = Key.model_validate_json(row["key"])
    classes = classes_of_key(key)
    pictures = []
    for image in row["images"]:
        if not image or not image.get("bytes"):
            msg = "an image of the row is missing"
            raise InvalidInput(msg)
        picture = Picture.from_png(image["bytes"])
        if picture.sha256 not in pool:
            picture.check()
        pictures.append(pool.setdefault(picture.sha256, picture))
    if not pictures:
        msg = "the row has no image"
        raise InvalidInput(msg)
    views = row.get("views") or []
    facts = _facts(row)
    return ExamItem(
        question=Question(
            question_id=row["item_id"], prompt=row["question"], pictures=tuple(pictures), options=classes.options
        ),
        case_id=row["case_id"],
        patient_id=row["patient_id"],
        task=row["program"],
        level=row["level"],
        key=key,
        classes=classes.names,
        truth=classes.truth,
        ordinal=classes.ordinal,
        fov_mm=_fov_mm(views[0]) if views else None,
        groups=_groups(row, facts, views),
        age=_age(facts),
        trace_json=row.get("trace") or "",
        reasoning=row.get("reasoning") or "",
        laterality=views[0]["laterality"] if views else "none",
        overlays=tuple(_overlays(row, pictures)),
    )


def _facts(row: Mapping[str, Any]) -> dict[str, Any]:
    return {f["name"]: f["value"] for f in json.loads(row.get("facts") or "[]")}


def _overlays(row: Mapping[str, Any], pictures: list[Picture]) -> Iterator[Overlay]:
    """Boxes of the findings that prove the answer."""
    wanted = {e["finding_id"] for e in row.get("evidence") or []}
    for finding in row.get("findings") or []:
        box, at = finding["box"], finding["image"]
        if finding["finding_id"] in wanted and box and len(box) == 4 and at < len(pictures):
            height, width = pictures[at].size()
            yield Overlay(at, (box[0] / height, box[1] / width, box[2] / height, box[3] / width), finding["term"])


def _fov_mm(view: Mapping[str, Any]) -> float | None:
    value = json.loads(view["attributes"] or "{}").get("fov_mm")
    return float(value) if isinstance(value, int | float) else None


def _groups(row: Mapping[str, Any], facts: Mapping[str, Any], views: list[Mapping[str, Any]]) -> dict[str, str]:
    """Severity, age, sex, device and artefact of the case, where the row states them."""
    groups = {"severity": row["stage"]} if row["stage"] else {}
    groups |= demographic_groups(facts)
    if views:
        attributes = json.loads(views[0]["attributes"] or "{}")
        groups |= {k: str(attributes[k]) for k in ("device", "profile", "slab") if attributes.get(k)}
    kinds = {f["term"] for f in row.get("findings") or [] if term(f["term"]).kind == "artefact"}
    if row.get("findings") is not None:
        groups["artefact"] = ", ".join(sorted(kinds)) or "none"
    return groups


def demographic_groups(facts: Mapping[str, Any]) -> dict[str, str]:
    """Age (at 40 and 60 years, as the real data's readme asks for 40) and sex, where known."""
    groups = {}
    age = _age(facts)
    if age is not None:
        groups["age"] = "< 40" if age < 40 else "40 to 59" if age < 60 else ">= 60"
    if facts.get("sex"):
        groups["sex"] = str(facts["sex"])
    return groups


def _age(facts: Mapping[str, Any]) -> float | None:
    age = facts.get("age", facts.get("age_years"))
    return float(age) if isinstance(age, int | float) else None


def _first(exam: Exam, limit: int) -> Exam:
    if limit < 1:
        msg = f"limit must be >= 1, got {limit}"
        raise InvalidInput(msg)
    by_task: dict[str, dict[str, list[ExamItem]]] = {}
    for item in exam.items:
        together = item.pairings[0].number if item.pairings else item.item_id
        by_task.setdefault(item.task, {}).setdefault(together, []).append(item)
    chosen: list[ExamItem] = []
    for unit in (
        unit for turn in zip_longest(*(units.values() for units in by_task.values())) for unit in turn if unit
    ):
        if len(chosen) + len(unit) > limit:
            break
        chosen += unit
    if not chosen:
        msg = f"limit must be >= 2 for data of pairs, got {limit}"
        raise InvalidInput(msg)
    return make_exam(f"{exam.name}, {len(chosen)} items", chosen, list(exam.problems))
