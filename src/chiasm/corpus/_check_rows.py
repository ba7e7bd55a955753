"""The rules that one row can keep or break by itself, and what the rules about the whole set need of it."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections import Counter
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import ValidationError

from chiasm.case import counts_to_mask, text_to_counts
from chiasm.corpus._columns import Columns, images_of, map_columns
from chiasm.corpus._dataset import DataFile, open_parquet, read_rows
from chiasm.corpus._fingerprint import WORDS, fingerprint
from chiasm.corpus._problem import Problems
from chiasm.corpus._rows import row_hash
from chiasm.corpus._schema import ITEMS, JSON_COLUMNS
from chiasm.errors import InvalidInput
from chiasm.questions import REWRITTEN, ChoiceAnswer, Key, Trace, language, other_claims, score, write_answer
from chiasm.questions.language import shown_slots
from chiasm.sources import load_image

_RECENT = 64


@dataclass
class FileFindings:
    """What one file's rows come to."""

    split: str
    problems: Problems = field(default_factory=Problems)
    rows: int = 0
    item_ids: list[str] = field(default_factory=list)
    patients: set[str] = field(default_factory=set)
    asked: list[bytes] = field(default_factory=list)
    """Digest of each row's images and question."""
    image_sha: list[bytes] = field(default_factory=list)
    image_patient: list[str] = field(default_factory=list)
    image_print: list[NDArray[np.uint64]] = field(default_factory=list)
    image_mean_sd: list[tuple[float, float]] = field(default_factory=list)
    image_where: list[str] = field(default_factory=list)
    answers: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """(program, kind, answer)."""
    letters: Counter[tuple[int, str]] = field(default_factory=Counter)
    """(number of options, right letter)."""
    stages: Counter[str] = field(default_factory=Counter)
    graphs: set[str] = field(default_factory=set)
    columns: Columns = field(default_factory=Columns)

    recent: dict[bytes, tuple[int, int]] = field(default_factory=dict)
    """Sizes of the images just seen, by digest: rows of one image follow each other."""

    def remember(self, digest: bytes, size: tuple[int, int]) -> None:
        """Keep an image's size, and forget the oldest."""
        self.recent[digest] = size
        if len(self.recent) > _RECENT:
            self.recent.pop(next(iter(self.recent)))

    def prints(self) -> NDArray[np.uint64]:
        """(N, 4) fingerprints of the file's images, each once."""
        return np.stack(self.image_print) if self.image_print else np.empty((0, WORDS), dtype=np.uint64)


def check_file(file: DataFile, *, ours: bool) -> FileFindings:
    """Check every row of a file.

    Args:
        file: Which.
        ours: Whether it must have our schema; other people's are checked as far as their columns allow.
    """
    found = FileFindings(file.split)
    name = file.path.name
    try:
        with open_parquet(file.path) as parquet:
            schema = parquet.schema_arrow
        if ours and not schema.equals(ITEMS):
            wrong = [f.name for f in ITEMS if f.name not in schema.names or schema.field(f.name).type != f.type]
            extra = [n for n in schema.names if n not in ITEMS.names]
            found.problems.add("columns", name, f"missing or of another type: {wrong}; not ours: {extra}")
            ours = False
        found.columns = map_columns(schema)
        for number, row in enumerate(read_rows(file.path)):
            found.rows += 1
            where = f"{name} row {number}"
            _RowCheck(found, row, where, file.path.parent).run(ours=ours)
    except InvalidInput as error:
        found.problems.add("readable", name, str(error))
    return found


class _RowCheck:
    """One row under every rule."""

    def __init__(self, found: FileFindings, row: dict[str, Any], where: str, folder: Path) -> None:
        self.found, self.row, self.folder = found, row, folder
        identity = row.get(found.columns.item or "")
        self.where = where if identity is None else f"{where} ({identity})"

    def run(self, *, ours: bool) -> None:
        columns = self.found.columns
        patient = str(self.row.get(columns.patient, "")) if columns.patient else ""
        if patient:
            self.found.patients.add(patient)
        if columns.item:
            self.found.item_ids.append(str(self.row[columns.item]))
        sizes = self._images(patient, ours=ours)
        if columns.question:
            digest = hashlib.sha256(b"".join(self._image_digests) + str(self.row[columns.question]).encode()).digest()
            self.found.asked.append(digest)
        if columns.messages:
            self._placeholders(len(sizes))
        if not ours:
            return
        if self.row["split"] != self.found.split:
            self._tell("split", f"the row says {self.row['split']!r}, its file is of {self.found.split!r}")
        if row_hash(self.row) != self.row["row_sha256"]:
            self._tell("row hash", "the content does not match row_sha256")
        self.found.stages[self.row["stage"]] += 1
        self.found.graphs.update(self.row["graphs"])
        self._json()
        self._answer()
        self._reasoning()
        self._regions(sizes)

    def _tell(self, rule: str, message: str) -> None:
        self.found.problems.add(rule, self.where, message)

    def _images(self, patient: str, *, ours: bool) -> list[tuple[int, int] | None]:
        """Decode and fingerprint each image; sizes are (height, width), None for what cannot be decoded."""
        sizes: list[tuple[int, int] | None] = []
        self._image_digests: list[bytes] = []
        views = self.row.get("views") or []
        for i, data in enumerate(images_of(self.row, self.found.columns, self.folder)):
            if data is None:
                self._tell("image", f"image {i} has no pixels, neither stored nor beside the file")
                sizes.append(None)
                continue
            digest = hashlib.sha256(data).digest()
            self._image_digests.append(digest)
            view = views[i] if i < len(views) else {}
            if view.get("sha256") not in (None, digest.hex()):
                self._tell("image", f"image {i} does not match its hash in views")
            if digest in self.found.recent:
                sizes.append(self.found.recent[digest])
                continue
            try:
                loaded = load_image(data, channels="rgb")
            except InvalidInput as error:
                self._tell("image", f"image {i}: {error}")
                sizes.append(None)
                continue
            if ours and loaded.notes:
                self._tell("image", f"image {i} is not plain 8-bit: {'; '.join(loaded.notes)}")
            size = (loaded.pixels.shape[0], loaded.pixels.shape[1])
            sizes.append(size)
            self.found.remember(digest, size)
            if view.get("change", "none") == "none":  # sanity checks may show the same decoy in two splits
                self._fingerprint(loaded.pixels, digest, patient)
        return sizes

    def _fingerprint(self, pixels: NDArray[np.uint8], digest: bytes, patient: str) -> None:
        picture = Image.fromarray(pixels).convert("L")
        gray = np.asarray(picture)
        self.found.image_sha.append(digest)
        self.found.image_patient.append(patient)
        self.found.image_print.append(fingerprint(picture))
        self.found.image_mean_sd.append((float(gray.mean()), float(gray.std())))
        self.found.image_where.append(self.where)
        if gray.min() == gray.max():
            self._tell("blank image", f"every pixel is {gray.min()}")

    def _placeholders(self, n_images: int) -> None:
        messages = self.row[self.found.columns.messages or ""] or []
        shown = 0
        for message in messages:
            content = message["content"] if isinstance(message, dict) and "content" in message else []
            for part in content if isinstance(content, list) else []:
                shown += part.get("type") == "image"
                if "image" in part and part.get("type") != "image":
                    self._tell(
                        "placeholders", "a text item owns an `image` key; chat templates would show an image for it"
                    )
        structured = any(isinstance(m, dict) and isinstance(m.get("content"), list) for m in messages)
        if structured and shown != n_images:
            self._tell("placeholders", f"messages show {shown} images, the row holds {n_images}")

    def _json(self) -> None:
        for name in JSON_COLUMNS:
            try:
                json.loads(self.row[name])
            except (ValueError, RecursionError) as error:
                self._tell("columns", f"{name} is not JSON: {error}")

    def _answer(self) -> None:
        row = self.row
        try:
            key = Key.model_validate_json(row["key"])
        except ValidationError as error:
            self._tell("gold answer", f"the key is not valid: {error.errors()[0]['msg']}")
            return
        reply = "".join(p["text"] or "" for p in row["messages"][-1]["content"])
        asked = "".join(p["text"] or "" for p in row["messages"][0]["content"])
        marks = score(reply, key)
        for name, mark in (("strict", marks.strict), ("tolerant", marks.tolerant)):
            if mark.exact != 1.0:
                self._tell("gold answer", f"scores {mark.exact} under the {name} parser: {mark.reason}")
        if row["answer"] != write_answer(key.answer):
            self._tell("gold answer", f"answer {row['answer']!r} is not the key's {write_answer(key.answer)!r}")
        if row["question"] not in asked or row["reasoning"] not in reply or row["answer"] not in reply:
            self._tell("wording", "the messages do not hold the row's question, reasoning and answer")
        self.found.answers[(row["program"], key.answer.kind, row["answer"])] += 1
        if isinstance(key.answer, ChoiceAnswer):
            self.found.letters[(len(key.options), key.answer.letter)] += 1

    def _reasoning(self) -> None:
        """What the grammar reads from the reasoning is what the trace proves, in the same order; a paraphrase claims the same."""
        try:
            proved = Trace.model_validate_json(self.row["trace"]).statements
            if self.row["style"] == REWRITTEN:
                if other := other_claims(self.row["reasoning"], proved):
                    self._tell("read-back", f"the paraphrase says something else than the trace proves: {other}")
                return
            read = language(self.row["language"]).read_back(self.row["reasoning"])
        except (ValidationError, ValueError) as error:
            self._tell("read-back", str(error).splitlines()[0])
            return
        said = [(s.key, s.slots) for s in read]
        wanted = [(s.key, shown_slots(s.slots)) for s in proved]
        for number, (a, b) in enumerate(itertools.zip_longest(said, wanted)):
            if a != b:
                self._tell("read-back", f"sentence {number} says {a}, the trace proves {b}")
                return

    def _regions(self, sizes: list[tuple[int, int] | None]) -> None:
        known = set()
        for finding in self.row["findings"]:
            known.add(finding["finding_id"])
            index, who = finding["image"], f"finding {finding['finding_id']}"
            if not 0 <= index < len(sizes):
                self._tell("region", f"{who} names image {index} of {len(sizes)}")
                continue
            size = sizes[index]
            if size is None:
                continue
            if finding["mask_counts"] is not None:
                if tuple(finding["mask_size"] or ()) != size:
                    self._tell("region", f"{who} has a mask of {finding['mask_size']} on an image of {list(size)}")
                wrong = _wrong_mask(finding["mask_counts"], tuple(finding["mask_size"] or ()))
                if wrong:
                    self._tell("region", f"{who}: {wrong}")
            box = finding["box"] or []
            spots = [*finding["points"], *finding["polyline"], box[:2], box[2:]]
            if any(not (0 <= x <= n) for spot in spots for x, n in zip(spot, size, strict=False)):
                self._tell("region", f"{who} leaves the image of {list(size)}")
        for evidence in self.row["evidence"]:
            if evidence["finding_id"] not in known and not self._changed():
                self._tell(
                    "evidence", f"evidence names finding {evidence['finding_id']!r}, which the row does not hold"
                )

    def _changed(self) -> bool:
        return any(view["change"] != "none" for view in self.row["views"])


@lru_cache(maxsize=4096)
def _wrong_mask(counts: str, size: tuple[int, ...]) -> str:
    """What is wrong with a mask, or nothing; kept, since a mask stands in every row of its image."""
    try:
        counts_to_mask(text_to_counts(counts), size)
    except InvalidInput as error:
        return str(error)
    return ""
