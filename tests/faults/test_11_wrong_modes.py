"""Fault 11: bit depth, mode, alpha, orientation, (x, y) for (row, col): one asymmetric letter goes the whole way unturned."""

from __future__ import annotations

import io
import json

import numpy as np
import pyarrow.parquet as pq
import pytest
from fake_world import digests, fake_ask, fake_plan
from PIL import Image

from chiasm.case import Case, Finding, Mask, Origin, Region, View, Visibility, counts_to_mask, text_to_counts
from chiasm.corpus import BuildOptions, Workshop, build, check, export
from chiasm.errors import InvalidInput
from chiasm.sources import load_image, load_mask

F = np.zeros((40, 30), np.uint8)
F[4:36, 5:9] = F[4:8, 5:25] = F[18:22, 5:18] = 200


class LetterMaker:
    """Every patient's image is the letter F, shaded so that no two are the same; its mask and box are the letter's own."""

    name, version = "letter", "1"

    def check(self, plan):
        pass

    def cases(self, patient, rng):
        pixels = np.where(F > 0, F, rng.integers(0, 40, F.shape)).astype(np.uint8)
        view = View(view_id="v", modality="OCTA en face", pixels=pixels, spacing_mm=(0.01, 0.01))
        region = Region(view_id="v", mask=Mask.from_array(F > 0), box=((4.0, 5.0), (36.0, 25.0)), points=((4.5, 5.5),))
        found = Finding(
            finding_id="f", term="capillary dropout", regions=(region,), visibility={"v": Visibility(visible=True)}
        )
        origin = Origin(kind="world", name="letter", version="1", params={})
        yield Case(
            case_id=patient.patient_id, patient_id=patient.patient_id, views=(view,), findings=(found,), origin=origin
        )


def open_letter(plan):
    return Workshop(LetterMaker(), fake_ask, {"dropout present": ""})


def test_the_letter_reaches_rows_masks_boxes_and_exports_unturned(tmp_path):
    plan = fake_plan(patients=4, every_image=("dropout present",), programs=(), splits="train", graphs=False)
    build(plan, tmp_path / "set", BuildOptions(workers=1), workshop=open_letter)
    assert check(tmp_path / "set", workers=1).ok
    row = pq.read_table(tmp_path / "set/data/train-00000.parquet").to_pylist()[0]
    pixels = np.asarray(Image.open(io.BytesIO(row["images"][0]["bytes"])))
    assert np.array_equal(pixels >= 200, F > 0)
    (finding,) = row["findings"]
    assert np.array_equal(counts_to_mask(text_to_counts(finding["mask_counts"]), tuple(finding["mask_size"])), F > 0)
    assert finding["box"] == [4, 5, 36, 25]
    assert finding["points"] == [[4.5, 5.5]]
    export(tmp_path / "set", tmp_path / "coco", "coco")
    coco = json.loads((tmp_path / "coco/instances_train.json").read_text())
    assert coco["annotations"][0]["bbox"] == [5, 4, 20, 32]
    assert (coco["images"][0]["height"], coco["images"][0]["width"]) == (40, 30)
    assert len(digests(tmp_path / "set")) == 2


Turn = Image.Transpose


@pytest.mark.parametrize(
    ("orientation", "stored"),
    [
        (1, None),
        (2, Turn.FLIP_LEFT_RIGHT),
        (3, Turn.ROTATE_180),
        (5, Turn.TRANSPOSE),
        (6, Turn.ROTATE_90),
        (8, Turn.ROTATE_270),
    ],
)
def test_exif_rotation_is_undone(orientation, stored):
    """A camera that stored the letter turned, and said so."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(F)
    sink = io.BytesIO()
    (image if stored is None else image.transpose(stored)).save(sink, "PNG", exif=exif)
    assert np.array_equal(load_image(sink.getvalue()).pixels, F)


def encoded(image: Image.Image) -> bytes:
    sink = io.BytesIO()
    image.save(sink, "PNG")
    return sink.getvalue()


def test_every_mode_is_either_the_same_letter_or_refused():
    image = Image.fromarray(F)
    for mode in ("L", "RGB", "RGBA", "LA", "P"):
        assert np.array_equal(load_image(encoded(image.convert(mode))).pixels, F), mode
    assert np.array_equal(load_image(encoded(Image.fromarray(F.astype(np.uint16) * 257))).pixels, F)
    with pytest.raises(InvalidInput, match="black and white are not known"):
        load_image(encoded(Image.fromarray(F.astype(np.uint16) * 10)))


def test_a_mask_of_the_wrong_shape_or_with_grey_is_refused(tmp_path):
    path = tmp_path / "mask.png"
    path.write_bytes(encoded(Image.fromarray(F.T.copy())))
    with pytest.raises(InvalidInput, match="must have its image's size"):
        load_mask(path, shape=F.shape)
    path.write_bytes(encoded(Image.fromarray(255 - F)))
    with pytest.raises(InvalidInput, match="0 and one other value"):
        load_mask(path)  # inverted: 55 and 255
