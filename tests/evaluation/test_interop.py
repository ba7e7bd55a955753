"""The same numbers in inspect_ai, and a task folder that lmms-eval and datasets read."""

import importlib.util
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.evaluation.exams import Oracle, mixed_exam, yes_no

from chiasm.errors import InvalidInput
from chiasm.evaluation import EvaluationOptions, Reply, evaluate, make_exam
from chiasm.evaluation.interop import export_lmms, inspect_model, inspect_task, score_row


@pytest.mark.slow  # importing inspect_ai takes longer than all other tests of this file
@pytest.mark.filterwarnings("ignore")  # inside inspect_ai and what it brings
def test_inspect_ai_gives_the_same_accuracy(tmp_path: Path) -> None:
    pytest.importorskip("inspect_ai")
    from inspect_ai import eval as inspect_eval

    exam = mixed_exam(8)
    model = Oracle(exam, wrong=[i.item_id for i in exam.items][::5])
    own = evaluate([model], [exam], tmp_path / "own", EvaluationOptions(quiet=True, controls=False))
    (log,) = inspect_eval(
        inspect_task(exam), model=inspect_model(model, exam), display="none", log_dir=str(tmp_path / "logs")
    )
    assert log.status == "success"
    assert log.results is not None
    theirs = log.results.scores[0].metrics["accuracy"].value
    assert theirs == pytest.approx(own.find(task="[all]", metric="accuracy").value)
    assert log.results.scores[0].scored_samples == len(exam.items)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_inspect_ai_leaves_unscored_replies_out(tmp_path: Path) -> None:
    pytest.importorskip("inspect_ai")
    from inspect_ai import eval as inspect_eval

    exam = make_exam("half", [yes_no(k, True) for k in range(8)], [])

    class Half:
        name = "half"

        def answer(self, questions: Any) -> list[Reply]:
            return [Reply("<answer>yes</answer>") if int(q.question_id[-1]) % 2 else Reply("") for q in questions]

    (log,) = inspect_eval(inspect_task(exam), model=inspect_model(Half(), exam), display="none", log_dir=str(tmp_path))
    assert log.results is not None
    score = log.results.scores[0]
    assert score.metrics["accuracy"].value == 1
    assert score.unscored_samples == 4


def test_the_lmms_folder_reads_with_datasets_and_scores_as_we_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    exam = mixed_exam(4)
    path = export_lmms(exam, tmp_path / "task", name="chiasm_mixed")
    assert "doc_to_visual: !function utils.doc_to_visual" in path.read_text()
    rows = datasets.load_dataset(
        "parquet", data_files={"test": str(tmp_path / "task" / "test.parquet")}, cache_dir=str(tmp_path / "cache")
    )["test"]
    spec = importlib.util.spec_from_file_location("task_utils", tmp_path / "task" / "utils.py")
    assert spec is not None
    assert spec.loader is not None
    utils = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(utils)
    oracle = Oracle(exam)
    for item, row in zip(exam.items, rows, strict=True):
        assert utils.doc_to_text(row) == item.question.prompt
        assert utils.doc_to_visual(row)[0].size == (32, 32)
        (reply,) = oracle.answer([item.question])
        assert utils.process_results(row, [reply.text]) == pytest.approx({"accuracy": 1.0, "score": 1.0})
        assert utils.process_results(row, ["the moon"])["accuracy"] == 0
        assert math.isnan(score_row(row, " ")[0])
    assert utils.mean_of_scored([1.0, math.nan, 0.0]) == 0.5


def test_export_refuses_bad_names_and_full_folders(tmp_path: Path) -> None:
    exam = mixed_exam(2)
    with pytest.raises(InvalidInput, match="letters"):
        export_lmms(exam, tmp_path / "a", name="../x")
    export_lmms(exam, tmp_path / "a", name="x")
    with pytest.raises(InvalidInput, match="empty folder"):
        export_lmms(exam, tmp_path / "a", name="x")


@pytest.mark.external
def test_lmms_eval_runs_the_task_with_its_dummy_model(tmp_path: Path) -> None:
    """In an environment of its own, because lmms-eval brings torchvision: set CHIASM_LMMS_PYTHON to its python."""
    python = os.environ.get("CHIASM_LMMS_PYTHON")
    if not python or not shutil.which(python):
        pytest.skip("CHIASM_LMMS_PYTHON must name the python of an environment with lmms-eval and chiasm")
    export_lmms(mixed_exam(3), tmp_path / "task", name="chiasm_mixed")
    command = [
        python, "-m", "lmms_eval", "--include_path", str(tmp_path / "task"), "--tasks", "chiasm_mixed", "--model", "dummy",
        "--batch_size", "1", "--output_path", str(tmp_path / "out"),
    ]  # fmt: skip
    environment = {**os.environ, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "accuracy" in done.stdout
    assert sys.version_info >= (3, 11)
