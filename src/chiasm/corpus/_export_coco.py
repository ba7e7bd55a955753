"""COCO instances: images, findings with masks and boxes, the vocabulary as categories."""

from __future__ import annotations

import json
from typing import Any

from pydantic import ValidationError

from chiasm.case import Mask, terms
from chiasm.errors import InvalidInput


class Coco:
    """One COCO document under way."""

    def __init__(self) -> None:
        self._images: dict[str, dict[str, Any]] = {}
        self._annotations: list[dict[str, Any]] = []
        self._categories = {
            t.name: {"id": i, "name": t.name, "supercategory": t.kind} for i, t in enumerate(terms(), 1)
        }

    def new(self, name: str) -> bool:
        """Whether an image of that name is not in it yet."""
        return name not in self._images

    def add(self, name: str, size: tuple[int, int], findings: list[dict[str, Any]], view: dict[str, Any]) -> None:
        """Add an image of (height, width) with the findings seen in it."""
        image_id = len(self._images) + 1
        height, width = size
        attributes = json.loads(view["attributes"])
        self._images[name] = {
            "id": image_id,
            "file_name": name,
            "height": height,
            "width": width,
            "attributes": attributes,
        }
        for finding in findings:
            place = _place(finding)
            if place is not None:
                self._annotations.append(
                    place
                    | {
                        "id": len(self._annotations) + 1,
                        "image_id": image_id,
                        "category_id": self._categories[finding["term"]]["id"],
                        "iscrowd": 0,
                        "visible": finding["visible"],
                        "attributes": json.loads(finding["attributes"]),
                    }
                )

    def document(self) -> dict[str, Any]:
        """The whole document; category ids are the vocabulary's order, so they agree between splits."""
        return {
            "info": {"description": "made by chiasm", "version": "1"},
            "images": list(self._images.values()),
            "annotations": self._annotations,
            "categories": list(self._categories.values()),
        }


def _place(finding: dict[str, Any]) -> dict[str, Any] | None:
    """Segmentation, box (x, y, width, height) and area [px], or None for what has neither mask nor box."""
    box = finding["box"]
    if finding["mask_counts"] is None:
        if box is None:
            return None
        row0, col0, row1, col1 = box
        corners = [col0, row0, col1, row0, col1, row1, col0, row1]
        area = (row1 - row0) * (col1 - col0)
        return {"segmentation": [corners], "bbox": _xywh(box), "area": area}
    try:
        mask = Mask(size=tuple(finding["mask_size"]), counts=finding["mask_counts"])
    except ValidationError as error:
        msg = f"finding {finding['finding_id']} has a malformed mask: {error.errors()[0]['msg']}; run chiasm check"
        raise InvalidInput(msg) from error
    area = mask.area
    if area == 0:
        return None
    if box is None:
        rows, cols = mask.to_array().nonzero()
        box = [float(rows.min()), float(cols.min()), float(rows.max()) + 1, float(cols.max()) + 1]
    segmentation = {"size": list(mask.size), "counts": mask.counts}
    return {"segmentation": segmentation, "bbox": _xywh(box), "area": area}


def _xywh(box: list[float]) -> list[float]:
    row0, col0, row1, col1 = box
    return [col0, row0, col1 - col0, row1 - row0]
