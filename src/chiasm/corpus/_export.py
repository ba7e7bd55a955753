"""A data set in the forms of others: ShareGPT (LLaMA-Factory), LLaVA, OpenAI chat, COCO, WebDataset."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import re
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TextIO

from PIL import Image

from chiasm.corpus._dataset import DataSet, open_dataset, read_rows
from chiasm.corpus._export_rows import llava_row, openai_row, sharegpt_row
from chiasm.corpus._folder import LocalFolder, disk_errors
from chiasm.errors import Conflict, InvalidInput, UnknownName

_TAR_BYTES = 256 * 10**6
"""Size at which a tar shard is closed."""


class Export(NamedTuple):
    """What an export wrote."""

    where: Path
    files: tuple[str, ...]
    """Tables, JSON and tar files; pictures are beside them."""
    images: int
    rows: int


def export(where: str | Path, out: str | Path, form: str) -> Export:
    """Write a data set in another form.

    Args:
        where: A data set that `build` made.
        out: A folder that is empty or not there.
        form: A name of `EXPORTS`.

    Raises:
        UnknownName: No such form.
        InvalidInput: The data set is not one of ours.
        Conflict: The folder holds something.
    """
    if form not in EXPORTS:
        raise UnknownName("export form", form, EXPORTS)
    data = open_dataset(where)
    if data.manifest is None:
        msg = f"{where} has no manifest: only data sets made by `chiasm build` can be exported"
        raise InvalidInput(msg)
    target = Path(out)
    if target.exists() and any(target.iterdir()):
        msg = f"{target} is not empty: choose a new folder for the export"
        raise Conflict(msg)
    return EXPORTS[form](data, _Writer(target))


class _Writer:
    """Files of an export; each appears whole."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._folder = LocalFolder.to_write(root)
        self._named: dict[str, str] = {}
        self.files: list[str] = []
        self.rows = 0

    def pictures(self, row: dict[str, Any]) -> list[str]:
        """Write the row's images, each distinct one once; returns their paths relative to the root."""
        names = []
        for image in row["images"]:
            sha = hashlib.sha256(image["bytes"]).hexdigest()
            if sha not in self._named:
                stem = safe_name(image["path"].removesuffix(".png"))
                name = self._named[sha] = f"images/{row['split']}/{stem}-{sha[:12]}.png"
                path = self.root / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(image["bytes"])
            names.append(self._named[sha])
        return names

    def text(self, name: str, fill: Callable[[TextIO], None]) -> None:
        """Write a text file through a function that fills it."""

        def fill_bytes(file: BinaryIO) -> None:
            text = io.TextIOWrapper(file, encoding="utf-8")
            fill(text)
            text.detach()  # flushes, and leaves the file open for its owner

        self.binary(name, fill_bytes)

    def binary(self, name: str, fill: Callable[[BinaryIO], None]) -> None:
        """Write a binary file through a function that fills it."""
        scratch = self._folder.scratch(name)
        with disk_errors(self.root / name, 0, scratch):
            with scratch.open("wb") as file:
                fill(file)
            self._folder.adopt(scratch, name)
        self.files.append(name)

    def done(self) -> Export:
        return Export(self.root, tuple(self.files), len(self._named), self.rows)


def safe_name(text: str) -> str:
    """A file name that cannot leave its folder, whatever the data says."""
    return re.sub(r"[^A-Za-z0-9_-]+", "_", text).strip("_")[:100] or "image"


def _rows(data: DataSet, split: str) -> Iterator[dict[str, Any]]:
    for file in data.files:
        if file.split == split:
            yield from read_rows(file.path)


def _chat(
    data: DataSet, out: _Writer, make: Callable[[dict[str, Any], list[str]], dict[str, Any]], *, lines: bool
) -> Export:
    """One JSON list, or one JSON line each, per split."""
    for split in data.splits:

        def fill(file: TextIO, split: str = split) -> None:
            for number, row in enumerate(_rows(data, split)):
                record = json.dumps(make(row, [] if lines else out.pictures(row)), ensure_ascii=False)
                file.write(record + "\n" if lines else (",\n" if number else "[\n") + record)
                out.rows += 1
            if not lines:
                file.write("\n]\n")

        out.text(f"{split}.{'jsonl' if lines else 'json'}", fill)
    return out.done()


def _sharegpt(data: DataSet, out: _Writer) -> Export:
    """LLaMA-Factory's `sharegpt` form in OpenAI roles, with its dataset_info.json: use the folder as `dataset_dir`."""
    result = _chat(data, out, sharegpt_row, lines=False)
    tags = {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"}
    info = {
        f"chiasm_{split}": {
            "file_name": f"{split}.json",
            "formatting": "sharegpt",
            "columns": {"messages": "messages", "images": "images"},
            "tags": tags | {"system_tag": "system"},
        }
        for split in data.splits
    }
    out.text("dataset_info.json", lambda file: json.dump(info, file, indent=1))
    return result._replace(files=tuple(out.files))


def _llava(data: DataSet, out: _Writer) -> Export:
    return _chat(data, out, llava_row, lines=False)


def _openai(data: DataSet, out: _Writer) -> Export:
    """Chat lines with the images inside, as data URLs."""
    return _chat(data, out, openai_row, lines=True)


def _coco(data: DataSet, out: _Writer) -> Export:
    """Instances of every finding with a mask or a box, one file per split; each distinct image once."""
    from chiasm.corpus._export_coco import Coco

    for split in data.splits:
        coco = Coco()
        for row in _rows(data, split):
            out.rows += 1
            for index, name in enumerate(out.pictures(row)):
                if row["views"][index]["change"] != "none" or not coco.new(name):
                    continue
                with Image.open(io.BytesIO(row["images"][index]["bytes"])) as image:
                    size = (image.height, image.width)
                coco.add(name, size, [f for f in row["findings"] if f["image"] == index], row["views"][index])

        def fill(file: TextIO, coco: Coco = coco) -> None:
            json.dump(coco.document(), file)

        out.text(f"instances_{split}.json", fill)
    return out.done()


def _webdataset(data: DataSet, out: _Writer) -> Export:
    """Tar shards; a sample is `KEY.0.png` (and `KEY.1.png` ...) with `KEY.json`."""
    for split in data.splits:
        rows = _rows(data, split)
        for number in itertools.count():
            first = next(rows, None)
            if first is None:
                break

            def fill(file: BinaryIO, first: dict[str, Any] = first, rows: Iterator[dict[str, Any]] = rows) -> None:
                with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as tar:
                    for row in itertools.chain([first], rows):
                        _add_sample(tar, f"{row['split']}-{out.rows:08d}", row)
                        out.rows += 1
                        if file.tell() > _TAR_BYTES:
                            return

            out.binary(f"{split}-{number:05d}.tar", fill)
    return out.done()


def _add_sample(tar: tarfile.TarFile, key: str, row: dict[str, Any]) -> None:
    files = {f"{key}.{i}.png": image["bytes"] for i, image in enumerate(row["images"])}
    plain = {name: value for name, value in row.items() if name != "images"}
    files[f"{key}.json"] = json.dumps(plain, ensure_ascii=False).encode()
    for name, content in files.items():
        info = tarfile.TarInfo(name)
        info.size = len(content)
        tar.addfile(info, io.BytesIO(content))


EXPORTS: dict[str, Callable[[DataSet, _Writer], Export]] = {
    "sharegpt": _sharegpt,
    "llava": _llava,
    "openai": _openai,
    "coco": _coco,
    "webdataset": _webdataset,
}
