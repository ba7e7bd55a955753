"""Readers of real data: layouts, honesty about what is not known, and bad entries."""

import csv
import zipfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from chiasm.case import Laterality
from chiasm.errors import InvalidInput, Unanswerable, UnknownName
from chiasm.sources import (
    Problem,
    read_image_folder,
    read_octa25k_faz,
    read_octa500,
    read_rossa,
    read_source,
    read_table,
    split_source,
)

HEADER = ["ID", "Sex", "OS/OD", "Age", "Disease"]


def png(path: Path, shape: tuple[int, int] = (8, 8), value: int = 9) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full(shape, value, np.uint8)).save(path)


def xlsx(path: Path, rows: list[list[str]]) -> None:
    """A worksheet as Excel writes it: shared strings, numbers as numbers."""
    strings: list[str] = []
    lines = []
    for r, row in enumerate(rows, 1):
        cells = []
        for c, text in enumerate(row):
            ref = f"{chr(65 + c)}{r}"
            if text.isdigit():
                cells.append(f'<c r="{ref}"><v>{text}</v></c>')
            else:
                strings.append(text)
                cells.append(f'<c r="{ref}" t="s"><v>{len(strings) - 1}</v></c>')
        lines.append(f'<row r="{r}">{"".join(cells)}</row>')
    ns = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(
            "xl/worksheets/sheet1.xml", f"<worksheet {ns}><sheetData>{''.join(lines)}</sheetData></worksheet>"
        )
        archive.writestr("xl/sharedStrings.xml", f"<sst {ns}>{''.join(f'<si><t>{s}</t></si>' for s in strings)}</sst>")


@pytest.fixture(params=["nested", "flat"])
def official(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The official layout: an early release (all in OCTA_3M) and the later one (parts, labels apart)."""
    rows = [HEADER, ["10301", "F", "OD", "12", "NORMAL"], ["10302", "M", "OS", "60", "DR"]]
    if request.param == "nested":
        png_dir, label_dir, sheet_dir = "OCTA-500/OCTA_3M", "OCTA-500/OCTA_3M", "OCTA-500/OCTA_3M"
    else:
        png_dir, label_dir, sheet_dir = "OCTA_3mm_part3/OCTA_3mm", "Label", "OCTA_3mm_part3/OCTA_3mm"
    for row in rows[1:]:
        png(tmp_path / png_dir / "Projection Maps" / "OCTA(ILM_OPL)" / f"{row[0]}.bmp", (304, 304))
        png(tmp_path / png_dir / "Projection Maps" / "OCT(FULL)" / f"{row[0]}.bmp", (304, 304))
        png(tmp_path / label_dir / "GT_LargeVessel" / f"{row[0]}.bmp", (304, 304), 255)
    xlsx(tmp_path / sheet_dir / "Text labels.xlsx", rows)
    return tmp_path


def test_octa500_official_layouts_are_read(official: Path) -> None:
    normal, dr = read_octa500(official)
    assert (normal.case_id, normal.fact_value("disease"), normal.fact_value("age")) == ("octa500-10301", "NORMAL", 12)
    assert (dr.fact_value("disease"), dr.fact_value("sex"), dr.views[0].laterality) == ("DR", "M", Laterality.OS)
    assert dr.views[0].axis_spacing_mm("row") == pytest.approx(3 / 304)
    assert [f.term for f in dr.findings] == ["large vessel"]
    assert dr.origin.sha256 is not None
    assert dr.origin.file is not None
    assert dr.origin.file.endswith("Projection Maps/OCTA(ILM_OPL)/10302.bmp")


def compact(root: Path, **changes: str) -> Path:
    row = {
        "id": "10301", "subset": "3M", "fov_mm": "3", "sex": "F", "eye": "OD", "age": "50", "disease": "DR",
        "image": "3M/image/10301.png", "vessel": "3M/vessel/10301.png",
    }  # fmt: skip
    png(root / row["image"])
    png(root / row["vessel"], value=255)
    with (root / "labels.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, row)
        writer.writeheader()
        writer.writerow(row)
        writer.writerow(row | {"id": "10302"} | changes)
    return root


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"image": "3M/image/none.png"}, "does not exist"),
        ({"disease": "GLAUCOMA"}, "disease must be one of"),
        ({"eye": "left"}, "OD or OS"),
        ({"age": "old"}, "age must be"),
        ({"fov_mm": "6"}, "3 mm subset"),
        ({"id": "10301"}, "unique"),
        ({"id": "77"}, "10001 to 10500"),
    ],
)
def test_octa500_bad_rows_are_named_and_left_out(tmp_path: Path, changes: dict[str, str], message: str) -> None:
    root = compact(tmp_path, **changes)
    problems: list[Problem] = []
    cases = list(read_octa500(root, on_problem=problems.append))
    assert [c.case_id for c in cases] == ["octa500-10301"]
    assert len(problems) == 1
    assert message in problems[0].what
    assert changes.get("id", "10302") in problems[0].where
    with pytest.raises(InvalidInput, match=message):
        list(read_octa500(root))


def test_octa500_field_of_view_selects(tmp_path: Path) -> None:
    assert len(list(read_octa500(compact(tmp_path), fov_mm=3))) == 2
    assert list(read_octa500(tmp_path, fov_mm=6)) == []
    with pytest.raises(InvalidInput, match="3 and 6 mm"):
        list(read_octa500(tmp_path, fov_mm=9))


def test_octa500_refuses_a_foreign_folder(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="not an OCTA-500 folder"):
        list(read_octa500(tmp_path))


def test_octa25k_gives_no_spacing_where_the_field_is_uncertain(tmp_path: Path) -> None:
    for name in ("superficial_1", "deep_1"):
        png(tmp_path / "image" / f"{name}.png", (512, 512))
        png(tmp_path / "mask" / f"{name}.png", (512, 512), 255)
    (tmp_path / "index.csv").write_text("id,layer\nsuperficial_1,superficial\ndeep_1,deep\nx,choroid\n")
    problems: list[Problem] = []
    superficial, deep = read_octa25k_faz(tmp_path, on_problem=problems.append)
    assert superficial.views[0].axis_spacing_mm("row") == pytest.approx(3 / 512)
    with pytest.raises(Unanswerable):
        deep.views[0].axis_spacing_mm("row")
    assert [p.where for p in problems] == ["id x"]


def test_rossa_names_cases_by_split(tmp_path: Path) -> None:
    for split in ("train", "val"):
        png(tmp_path / split / "image" / "1.png")
        png(tmp_path / split / "vessel" / "1.png", value=255)
    lines = ["split,image,vessel", "train,train/image/1.png,train/vessel/1.png", "val,val/image/1.png,val/vessel/1.png"]
    (tmp_path / "index.csv").write_text("\n".join(lines))
    cases = list(read_rossa(tmp_path))
    assert [c.case_id for c in cases] == ["rossa-train-1", "rossa-val-1"]
    assert cases[0].views[0].spacing_mm is None


def test_image_folder_with_table_keeps_what_is_stated_and_no_more(tmp_path: Path) -> None:
    png(tmp_path / "a.png")
    png(tmp_path / "b.png", value=1)
    (tmp_path / "metadata.csv").write_text(
        "file_name,label,patient_id,fov_mm,eye,age,grader\na.png,DR,p1,3,OD,50,x\nb.png,NORMAL,p1,,,,\n"
    )
    a, b = read_image_folder(tmp_path)
    assert (a.patient_id, a.fact_value("label"), a.fact_value("age"), a.fact_value("grader")) == ("p1", "DR", 50.0, "x")
    assert a.views[0].axis_spacing_mm("col") == 3 / 8
    assert b.views[0].spacing_mm is None
    assert b.views[0].laterality == Laterality.UNKNOWN
    assert b.fact("age") is None


def test_image_folder_by_class_folders(tmp_path: Path) -> None:
    png(tmp_path / "DR" / "1.png")
    png(tmp_path / "NORMAL" / "1.png", value=1)
    assert [(c.case_id, c.fact_value("label")) for c in read_image_folder(tmp_path)] == [
        ("DR/1", "DR"),
        ("NORMAL/1", "NORMAL"),
    ]


def test_image_folder_bad_entries_are_named(tmp_path: Path) -> None:
    png(tmp_path / "a.png")
    png(tmp_path.parent / "outside.png")
    empty = tmp_path / "empty"
    empty.mkdir()
    rows = ["a.png,DR,3", "gone.png,DR,3", "../outside.png,DR,3", "a.png,DR,3", "b.png,Dr,3", "c.png,,3"]
    (tmp_path / "labels.csv").write_text("file_name,label,fov_mm\n" + "\n".join(rows) + "\n")
    problems: list[Problem] = []
    assert len(list(read_image_folder(tmp_path, labels=("DR",), on_problem=problems.append))) == 1
    assert Counter(p.where for p in problems) == Counter(["gone.png", "../outside.png", "a.png", "b.png", "c.png"])
    with pytest.raises(InvalidInput, match="no images"):
        list(read_image_folder(empty))


def test_table_refuses_duplicate_and_missing_columns(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,a\n1,2\n")
    with pytest.raises(InvalidInput, match="twice"):
        read_table(path)
    path.write_text("a,b\n1\n")
    assert read_table(path) == [{"a": "1", "b": ""}]
    with pytest.raises(InvalidInput, match="lacks"):
        read_table(path, required=("c",))
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidInput, match="UTF-8"):
        read_table(path)
    bad = tmp_path / "t.xlsx"
    bad.write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(InvalidInput, match="xlsx"):
        read_table(bad)


def test_xlsx_with_entities_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "t.xlsx", "w") as archive:
        archive.writestr("xl/worksheets/sheet1.xml", '<!DOCTYPE x [<!ENTITY a "b">]><worksheet>&a;</worksheet>')
    with pytest.raises(InvalidInput, match="entities"):
        read_table(tmp_path / "t.xlsx")


def test_source_names(tmp_path: Path) -> None:
    assert split_source("some/folder") is None
    assert split_source(f"octa500:{tmp_path}") == ("octa500", tmp_path)
    with pytest.raises(UnknownName, match="did you mean 'octa500'"):
        read_source("octa50:x")
    with pytest.raises(InvalidInput, match="does not exist"):
        read_source("octa500:none")
    with pytest.raises(InvalidInput, match="NAME:PATH"):
        read_source("none")


def test_real_collections_are_read_whole(real_data: Path) -> None:
    eyes = list(read_source(f"octa500:{real_data / 'octa500'}"))
    assert len(eyes) == 249
    assert len({e.patient_id for e in eyes}) == 249
    count = Counter((e.views[0].attributes["fov_mm"], e.fact_value("disease")) for e in eyes)
    assert (count[3.0, "DR"], count[3.0, "NORMAL"], count[6.0, "DR"], count[6.0, "NORMAL"]) == (15, 79, 18, 45)
    assert len(list(read_source(f"octa25k-faz:{real_data / 'octa25k_faz'}"))) == 62
    assert len(list(read_source(f"rossa:{real_data / 'rossa'}"))) == 200
