"""An exam as a task folder of `lmms-eval`: a YAML file, its functions, and the data as Parquet.

The folder needs chiasm installed beside lmms-eval for scoring, and nothing else of ours. It is run as

    python -m lmms_eval --include_path FOLDER --tasks NAME --model ... --batch_size 1
"""

from __future__ import annotations

import io
import re
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from chiasm.errors import InvalidInput
from chiasm.evaluation._question import Exam, canonical_key
from chiasm.evaluation._settings import write_whole

_YAML = """\
task: {name}
dataset_path: parquet
dataset_kwargs:
  data_files:
    test: {data}
test_split: test
output_type: generate_until
doc_to_visual: !function utils.doc_to_visual
doc_to_text: !function utils.doc_to_text
doc_to_target: "truth"
generation_kwargs:
  max_new_tokens: {max_tokens}
  temperature: 0
  do_sample: false
process_results: !function utils.process_results
metric_list:
  - metric: accuracy
    aggregation: !function utils.mean_of_scored
    higher_is_better: true
  - metric: score
    aggregation: !function utils.mean_of_scored
    higher_is_better: true
metadata:
  version: 1
  data_sha256: {sha256}
"""

_UTILS = '''\
"""Functions of the task {name}; scoring is chiasm's own."""

import math

from chiasm.evaluation.interop import score_row


def doc_to_visual(doc):
    return [image.convert("RGB") for image in doc["images"]]


def doc_to_text(doc, lmms_eval_specific_kwargs=None):
    return doc["question"]


def process_results(doc, results):
    exact, graded = score_row(doc, results[0])
    return {{"accuracy": exact, "score": graded}}


def mean_of_scored(values):
    scored = [v for v in values if not math.isnan(v)]
    return sum(scored) / len(scored) if scored else math.nan
'''


def export_lmms(exam: Exam, out: str | Path, *, name: str, max_tokens: int = 512) -> Path:
    """Write the task folder.

    Args:
        exam: The items.
        out: A new or empty folder.
        name: The task's name: letters, digits and underscores.
        max_tokens: Longest reply.

    Returns:
        The YAML file.

    Raises:
        InvalidInput: Another name, or a folder that holds files.
    """
    checked_name(name)
    folder = new_folder(out)
    data = folder / "test.parquet"
    sink = io.BytesIO()
    pq.write_table(_table(exam), sink, compression="zstd")
    data.write_bytes(sink.getvalue())
    write_whole(folder / "utils.py", _UTILS.format(name=name))
    path = folder / f"{name}.yaml"
    write_whole(path, _YAML.format(name=name, data=data.resolve(), max_tokens=max_tokens, sha256=exam.sha256))
    return path


def checked_name(name: str) -> str:
    """The name of a task, refused where it is no word of letters, digits and underscores."""
    if not re.fullmatch(r"[A-Za-z]\w{0,80}", name, re.ASCII):
        msg = f"a task name has letters, digits and underscores, got {name!r}"
        raise InvalidInput(msg)
    return name


def new_folder(out: str | Path) -> Path:
    """The folder, made; refused where it holds files."""
    folder = Path(out)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        msg = f"{folder} must be a new or empty folder"
        raise InvalidInput(msg)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _table(exam: Exam) -> pa.Table:
    image = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    rows = [
        {
            "item_id": i.item_id,
            "patient_id": i.patient_id,
            "task": i.task,
            "question": i.question.prompt,
            "images": [{"bytes": p.png, "path": f"{p.sha256[:16]}.png"} for p in i.question.pictures],
            "key": canonical_key(i.key),
            "classes": list(i.classes),
            "truth": i.truth,
            "merge": [{"answer": k, "class": v} for k, v in i.merge.items()],
            "ordinal": i.ordinal,
        }
        for i in exam.items
    ]
    texts = pa.list_(pa.string())
    merge = pa.list_(pa.struct([("answer", pa.string()), ("class", pa.string())]))
    plain = ("item_id", "patient_id", "task", "question", "key", "truth")
    fields = [(name, pa.string()) for name in plain]
    fields += [("images", pa.list_(image)), ("classes", texts), ("merge", merge), ("ordinal", pa.bool_())]
    info = '{"info": {"features": {' + ", ".join(_feature(name) for name, _ in fields) + "}}}"
    return pa.Table.from_pylist(rows, schema=pa.schema(fields, metadata={"huggingface": info}))


def _feature(name: str) -> str:
    """How `datasets` reads a column: images are decoded, the rest is as Arrow has it."""
    text = '{"dtype": "string", "_type": "Value"}'
    kinds = {
        "images": '{"feature": {"_type": "Image"}, "_type": "List"}',
        "classes": f'{{"feature": {text}, "_type": "List"}}',
        "merge": f'{{"feature": {{"answer": {text}, "class": {text}}}, "_type": "List"}}',
        "ordinal": '{"dtype": "bool", "_type": "Value"}',
    }
    return f'"{name}": {kinds.get(name, text)}'
