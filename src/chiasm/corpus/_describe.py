"""The card of a data set and its metadata: README.md, croissant.json, statistics.json and figures, all generated."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jinja2

from chiasm.corpus._croissant import about_columns, croissant
from chiasm.corpus._dataset import DataSet, open_dataset
from chiasm.corpus._figures import draw_figures
from chiasm.corpus._folder import LocalFolder
from chiasm.corpus._manifest import Manifest
from chiasm.corpus._statistics import Statistics, gather
from chiasm.errors import InvalidInput

_SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"))


def describe(where: str | Path, *, name: str | None = None, licence: str = "cc-by-4.0") -> tuple[str, ...]:
    """Write a complete data set's card, metadata, statistics and figures into its folder.

    Args:
        where: The data set's folder.
        name: Its name; None: the folder's.
        licence: SPDX identifier, in lower case as the Hugging Face hub writes it.

    Returns:
        The names of the files written.

    Raises:
        InvalidInput: Not a complete data set that `build` made.
    """
    data = open_dataset(where)
    manifest = data.manifest
    if manifest is None or not manifest.complete:
        msg = f"{where} is not a complete data set of `chiasm build`; finish the build, then describe it"
        raise InvalidInput(msg)
    name = name or data.where.resolve().name
    about = _about(manifest)
    found = gather(data)
    folder = LocalFolder.to_write(data.where)
    files = {f"figures/{figure}": png for figure, png in draw_figures(data, found)}
    files["statistics.json"] = (json.dumps(found.to_json(), indent=1, ensure_ascii=False) + "\n").encode()
    document = croissant(data, name, about, licence)
    files["croissant.json"] = (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()
    files["README.md"] = _card(data, manifest, found, name, about, licence).encode()
    for file, content in files.items():
        folder.write(file, content)
    return tuple(files)


def _about(manifest: Manifest) -> str:
    counts = manifest.counts()
    return (
        f"Simulated medical images with exact annotations and questions whose answers are proved: {counts['images']} images of "
        f"{counts['eyes']} eyes of {counts['patients']} patients, with {counts['items']} questions, each with typed answer, "
        "reasoning, evidence regions and the trace that proves it."
    )


def _card(data: DataSet, manifest: Manifest, found: Statistics, name: str, about: str, licence: str) -> str:
    totals = manifest.counts()
    counts: dict[str, Any] = {split: manifest.counts(split) for split in data.splits} | {"all": totals}
    skipped = [(*key.split(":", 2)[1:], n) for key, n in totals.items() if key.startswith("skipped:")]
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("chiasm.corpus"),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
        autoescape=False,  # Markdown of our own numbers, not a page
    )
    return environment.get_template("card.md").render(
        name=name,
        licence=licence,
        description=about,
        language=manifest.plan["language"],
        size_category=next((word for limit, word in _SIZES if totals["items"] < limit), "n>10M"),
        splits=data.splits,
        counts=counts,
        manifest=manifest,
        stages=found.stage_names,
        has_facts=bool(found.facts),
        megabytes=sum(f.size for s in manifest.shards for f in s.files) / 1e6,
        files={split: f"data/{split}-*.parquet" for split in data.splits},
        columns=about_columns(),
        plan=json.dumps(manifest.plan, indent=1, sort_keys=True),
        skipped=sorted(skipped, key=lambda s: (-s[2], s[0], s[1])),
    )
