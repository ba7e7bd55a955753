"""Croissant metadata (MLCommons, version 1.1) with the fields of its responsible-AI extension (RAI 1.0)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from chiasm.corpus._dataset import DataSet
from chiasm.corpus._manifest import MANIFEST, Manifest
from chiasm.corpus._schema import ITEMS
from chiasm.errors import InvalidInput

_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_PARTS = {"images": "bytes", "views": "view_id", "findings": "term", "evidence": "finding_id"}
"""The part of each nested column that its field shows. `messages` repeats question, reasoning and answer, and has none."""
_LIST = {"repeated": True}
"""mlcroissant 1.1 decodes lists of images so, and not as `isArray`."""
_PARQUET = "application/x-parquet"


def croissant(data: DataSet, name: str, description: str, licence: str) -> dict[str, Any]:
    """The JSON-LD document of a data set that `build` made."""
    if data.manifest is None:
        msg = f"{data.where} has no manifest: only data sets made by `chiasm build` are described"
        raise InvalidInput(msg)
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"],
        "name": name,
        "description": description,
        "license": f"https://spdx.org/licenses/{licence.upper()}.html",
        "url": "https://pypi.org/project/chiasm/",
        "creator": {"@type": "sc:Organization", "name": "made with chiasm"},
        "datePublished": _finished(data),
        "version": "1.0.0",
        "citeAs": f"{name}, data sha256 {data.manifest.sha256}, plan sha256 {data.manifest.plan_sha256}",
        "isLiveDataset": False,
        **_rai(data.manifest),
        "distribution": [*_files(data.manifest), *_sets(data)],
        "recordSet": [_record_set(split) for split in data.splits],
    }


def _finished(data: DataSet) -> str:
    """The day on which the manifest was completed."""
    seconds = (data.where / MANIFEST).stat().st_mtime
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


def _files(manifest: Manifest) -> list[dict[str, Any]]:
    return [
        {
            "@type": "cr:FileObject",
            "@id": record.name,
            "name": record.name,
            "contentUrl": record.name,
            "contentSize": f"{record.size} B",
            "encodingFormat": _PARQUET,
            "sha256": record.sha256,
        }
        for shard in manifest.shards
        for record in shard.files
    ]


def _sets(data: DataSet) -> list[dict[str, Any]]:
    return [
        {
            "@type": "cr:FileSet",
            "@id": f"{split}-files",
            "name": f"{split}-files",
            "description": f"the Parquet shards of the split {split}",
            "encodingFormat": _PARQUET,
            "includes": f"data/{split}-*.parquet",
        }
        for split in data.splits
    ]


def _record_set(split: str) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": split,
        "name": split,
        "description": "one question about one or more images, with its proof",
        "key": {"@id": f"{split}/item_id"},
        "field": [_field(split, column) for column in ITEMS if column.name != "messages"],
    }


def _field(split: str, column: pa.Field) -> dict[str, Any]:
    """A field for a column; of nested ones, the part that says most, as the format has no lists of records in a cell."""
    part = _PARTS.get(column.name)
    extract: dict[str, Any] = {"fileSet": {"@id": f"{split}-files"}, "extract": {"column": column.name}}
    name = column.name
    if part is not None:
        extract["transform"] = {"jsonPath": part}
        name = name if part == "bytes" else f"{name}.{part}"
    return {
        "@type": "cr:Field",
        "@id": f"{split}/{name}",
        "name": name,
        "description": _ABOUT[column.name],
        "dataType": "sc:ImageObject" if part == "bytes" else "sc:Text",
        **(_LIST if pa.types.is_list(column.type) else {}),
        "source": extract,
    }


def _rai(manifest: Manifest) -> dict[str, Any]:
    plan = manifest.plan
    return {
        "rai:dataCollection": (
            f"Simulated, not collected: world {manifest.world['name']!r} version {manifest.world['version']}, seed {plan['seed']}, "
            f"{plan['patients']} simulated patients. No person, patient record or real image was used for any row."
        ),
        "rai:dataCollectionType": "Software Collection",
        "rai:dataAnnotationProtocol": (
            "Annotations are the simulation's own state, and questions, answers and reasoning are computed from it by programs; "
            "each row holds the trace that proves its answer. No human annotated a row."
        ),
        "rai:machineAnnotationTools": [f"chiasm {manifest.versions['chiasm']}"],
        "rai:annotationsPerItem": "1",
        "rai:dataPreprocessingProtocol": "Images are rendered as 8-bit PNG; nothing is filtered by content after rendering.",
        "rai:dataUseCases": (
            "Training and evaluation of vision-language models on retinal images, measured on real images before any claim; "
            "tests of measurement software. Not for diagnosis."
        ),
        "rai:dataLimitations": (
            "Synthetic images differ from real ones in ways listed in the project's log; performance on them says nothing about "
            "patients until it is measured on real images."
        ),
        "rai:dataBiases": (
            f"Stages are drawn by the plan's weights {plan['stages']}, not by prevalence; ages are uniform over "
            f"{plan['age_years']} years; sex, ancestry and other diseases are not simulated."
        ),
        "rai:dataSocialImpact": (
            "Makes research possible where labelled images are few and private; could mislead where synthetic results are "
            "reported as clinical ones."
        ),
        "rai:personalSensitiveInformation": "None: every patient is simulated.",
        "rai:dataReleaseMaintenancePlan": "Rebuilt from plan and seed; the data hash above identifies this release.",
    }


_ABOUT = {
    "item_id": "id of the question",
    "case_id": "id of the case: one patient's images",
    "patient_id": "id of the patient; a patient is in one split only",
    "split": "train, validation or test",
    "program": "the question program",
    "level": "where the question stands in the curriculum",
    "form": "free or multiple choice",
    "language": "language of question and reasoning",
    "style": "length and tone of the reasoning",
    "stage": "stage of disease, all findings counted",
    "images": "the images, PNG, in the order of the image items in messages",
    "messages": "question and answer as chat messages; content items own type and text only",
    "question": "the question as asked",
    "options": "options of a multiple-choice question, in letter order",
    "key": "typed key: right answer, tolerance, options (JSON)",
    "answer": "the right answer as text",
    "reasoning": "the reasoning that leads to it",
    "trace": "the steps that prove it (JSON)",
    "evidence": "the findings used, by view and finding id",
    "views": "for each image: view id, modality, eye, visit, spacing in mm, SHA-256, attributes",
    "findings": "for each finding in each image: term, visibility, box, points, COCO run-length mask, quantities",
    "facts": "grades and biomarkers that apply to the images (JSON)",
    "params": "the drawn parameters of the case; rendering them gives the case again (JSON)",
    "world": "name and version of the world",
    "graphs": "ids of the vessel graphs in graphs/",
    "case_sha256": "content hash of the case",
    "row_sha256": "content hash of the row",
}
"""What each column holds; the card's table and the metadata say the same."""


def about_columns() -> dict[str, str]:
    """Every column of `ITEMS` with one line about it."""
    return {name: _ABOUT[name] for name in ITEMS.names}
