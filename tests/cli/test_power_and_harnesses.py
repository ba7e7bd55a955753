"""How many cases, and exams for other harnesses, from the command line."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.cli.test_cli import run
from tests.evaluation.exams import Oracle

from chiasm.evaluation import load_exam
from chiasm.evaluation.interop import inspect_model
from chiasm.evaluation.statistics import cases_for_auc_difference, cases_for_paired_shares, cases_for_width


@pytest.mark.parametrize(
    ("words", "number"),
    [
        ("--width 0.1 --share 0.9", cases_for_width(0.9, 0.1)),
        ("--difference 0.05 --discordant 0.2", cases_for_paired_shares(0.05, discordant=0.2)),
        (
            "--auc 0.94,0.85 --positive-share 0.16 --correlation 0.5 --power 0.9",
            cases_for_auc_difference(0.94, 0.85, positive_share=0.16, correlation=0.5, power=0.9),
        ),
        ("--items 95 --discordant 0.2", 95),
    ],
)
def test_power_answers_each_question(capsys: pytest.CaptureFixture[str], words: str, number: int) -> None:
    status, out, _ = run(capsys, "power", *words.split())
    assert status == 0
    assert out.startswith(f"{number} ")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--difference 0.05", "--discordant is needed"),
        ("--auc 0.9", "two different AUCs in (0, 1)"),
        ("--auc 0.9,0.8", "--positive-share is needed"),
        ("--difference 0.3 --discordant 0.2", "|difference| <= discordant"),
        ("--width 0.1 --items 3", "not allowed with"),
        ("", "one of the arguments"),
    ],
)
def test_power_says_what_it_lacks(capsys: pytest.CaptureFixture[str], words: str, told: str) -> None:
    status, _, err = run(capsys, "power", *words.split())
    assert status == 2
    assert told in err


def test_power_says_when_no_difference_can_show(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "power", "--items", "5", "--discordant", "0.2")
    assert status == 0
    assert out.startswith("5 items show no difference")


@pytest.fixture
def labelled(tmp_path: Path) -> Path:
    for k in range(4):
        path = tmp_path / "eyes" / ("ill", "well")[k % 2] / f"{k}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((32, 32), 40 * k, np.uint8)).save(path)
    return tmp_path / "eyes"


def test_an_exam_becomes_a_task_of_another_harness(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, labelled: Path
) -> None:
    spec = f"images:{labelled}"
    lmms, ai = tmp_path / "lmms", tmp_path / "ai"
    status, out, _ = run(capsys, "export", spec, "--form", "lmms-eval", "--name", "eyes", "--out", str(lmms))
    assert status == 0
    assert f"--include_path {lmms} --tasks eyes" in out
    assert (lmms / "test.parquet").is_file()
    status, out, _ = run(capsys, "export", spec, "--form", "inspect-ai", "--name", "eyes", "--out", str(ai))
    assert status == 0
    assert f"cd {ai} && inspect eval eyes.py" in out
    compile((ai / "eyes.py").read_text(), "eyes.py", "exec")


def test_a_bad_export_is_refused_before_anything_is_written(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, labelled: Path
) -> None:
    out = tmp_path / "task"
    status, _, err = run(capsys, "export", str(labelled), "--form", "lmms-evl", "--out", str(out))
    assert (status, "did you mean 'lmms-eval'" in err) == (2, True)
    for words in (
        (f"images:{labelled}", "--name", "two words"),
        (str(tmp_path / "nothing"),),
    ):
        status, _, err = run(capsys, "export", *words, "--form", "inspect-ai", "--out", str(out))
        assert status == 2
        assert err.startswith("chiasm: ")
        assert not out.exists()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # inside inspect_ai and what it brings
def test_the_task_file_runs_in_inspect_ai(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, labelled: Path
) -> None:
    pytest.importorskip("inspect_ai")
    from inspect_ai import eval as inspect_eval

    run(capsys, "export", f"images:{labelled}", "--form", "inspect-ai", "--name", "eyes", "--out", str(tmp_path / "ai"))
    monkeypatch.chdir(tmp_path / "ai")  # it takes files below the working folder only
    exam = load_exam(f"images:{labelled}")
    model = inspect_model(Oracle(exam), exam)
    (log,) = inspect_eval("eyes.py", model=model, display="none", log_dir=str(tmp_path / "logs"))
    assert (log.status, log.error) == ("success", None)
    assert log.results is not None
    assert log.results.scores[0].metrics["accuracy"].value == 1
