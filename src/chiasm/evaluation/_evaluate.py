"""Ask models about data, and write figures that can be checked: the one entry to evaluation.

For each data set: load the exam; ask every model, from the cache where it knows; run the controls; mark; compute figures with
intervals; compare models and controls on the same items; warn where a model does not beat a control; write `report.json`,
`report.html`, `items.jsonl` and `leaderboard.csv`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from chiasm.errors import InvalidInput
from chiasm.evaluation._asking import Answers, ask_all_items
from chiasm.evaluation._cache import AnswerCache
from chiasm.evaluation._claims import ChainRow, chain_table
from chiasm.evaluation._comparisons import Answered, Pair, compare_all
from chiasm.evaluation._controls import (
    BLIND,
    MAJORITY,
    NEAREST,
    SHUFFLED,
    blind_items,
    majority_replies,
    nearest_text_replies,
    shuffled_items,
)
from chiasm.evaluation._exams import load_exam
from chiasm.evaluation._figures import Row, cells, figures_of_cell, to_row
from chiasm.evaluation._marking import Marked, mark_all
from chiasm.evaluation._model import Fingerprinted, Model, SavedAnswers, load_model
from chiasm.evaluation._network import CROSS_VALIDATED, TRAINED, cross_validated_replies, trained_replies
from chiasm.evaluation._pixels import (
    AGE,
    BIOMARKERS,
    CARRIED,
    LOW_FLOW,
    age_replies,
    biomarker_replies,
    carried_threshold_replies,
    low_flow_replies,
)
from chiasm.evaluation._question import Exam, ExamItem, Reply
from chiasm.evaluation._settings import EvaluationOptions, claim_folder, provenance
from chiasm.evaluation._warnings import warnings_of
from chiasm.evaluation.robustness import StressOptions, StressRow, pair_rows, stress

ANSWERS = "answers.jsonl"


@dataclass(frozen=True, eq=False, kw_only=True)
class Outcome:
    """Everything about one data set."""

    exam: Exam
    marks: dict[str, list[Marked]]
    """By model, controls included, over the exam's items in their order."""
    models: tuple[str, ...]
    """The names that are no controls."""
    answers: dict[str, Answers]
    """How the asking went, by name; only for what was asked of a model."""
    rows: tuple[Row, ...]
    pairs: tuple[Pair, ...]
    chains: dict[str, list[ChainRow]]
    """By model: where the first error of the reasoning happens; empty where the data hold no traces."""
    robustness: tuple[StressRow, ...]
    warnings: tuple[str, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class Evaluation:
    """The result of `evaluate`."""

    outcomes: tuple[Outcome, ...]
    options: EvaluationOptions
    about: dict[str, Any]
    """Command, versions, commit, models' fingerprints, data's hashes."""

    @property
    def rows(self) -> tuple[Row, ...]:
        """Every row of every data set."""
        return tuple(row for o in self.outcomes for row in o.rows)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Every warning."""
        return tuple(w for o in self.outcomes for w in o.warnings)

    def text(self) -> str:
        """The leading figures as a table for the terminal: models and controls on each task and field."""
        from chiasm.evaluation._writing import terminal_table

        return terminal_table(self)

    def find(self, **wanted: Any) -> Row:
        """The only row with these fields, such as model, task, metric and fov_mm; of all items unless a group is named.

        Raises:
            InvalidInput: None, or several.
        """
        wanted = {"group": "all"} | wanted
        found = [r for r in self.rows if all(getattr(r, k) == v for k, v in wanted.items())]
        if len(found) != 1:
            msg = f"{len(found)} rows match {wanted}; name model, data, task, metric and fov_mm"
            raise InvalidInput(msg)
        return found[0]


def evaluate(
    models: Sequence[str | Model],
    data: Sequence[str | Exam],
    out: str | Path,
    options: EvaluationOptions | None = None,
) -> Evaluation:
    """Evaluate models on data and write the report.

    Args:
        models: Each a name that `load_model` knows, or an object with `name` and `answer`.
        data: Each a name that `load_exam` knows, or an exam.
        out: Folder of the report; an unfinished evaluation in it goes on where it stopped.
        options: How; the defaults where None.

    Raises:
        InvalidInput: A model or data that cannot be loaded, two models of one name, or a model that breaks the protocol.
        Conflict: The folder holds another evaluation, or is in use.
    """
    from chiasm.evaluation._writing import write_evaluation

    chosen = options or EvaluationOptions()
    folder = Path(out)
    exams = [
        load_exam(d, split=None if ":" in d else chosen.split, limit=chosen.limit, seed=chosen.seed, style=chosen.style)
        if isinstance(d, str)
        else d
        for d in data
    ]
    loaded = [_loaded(m, chosen) for m in models]
    _check_names([m.name for m in loaded], "model")
    _check_names([e.name for e in exams], "data set")
    prints = {m.name: m.fingerprint if isinstance(m, Fingerprinted) else "none: answers are not kept" for m in loaded}
    config = {
        "models": prints,
        "data": {e.name: e.sha256 for e in exams},
        "options": chosen.deciding(),
    }
    claim_folder(folder, config)
    with AnswerCache(folder / ANSWERS) as cache:
        outcomes = tuple(examine(loaded, exam, chosen, cache) for exam in exams)
    evaluation = Evaluation(outcomes=outcomes, options=chosen, about=provenance() | config)
    write_evaluation(evaluation, folder)
    return evaluation


def examine(models: Sequence[Model], exam: Exam, options: EvaluationOptions, cache: AnswerCache | None) -> Outcome:
    """Everything about one data set, without writing anything but the cache."""
    marks: dict[str, list[Marked]] = {}
    answers: dict[str, Answers] = {}
    for model in models:
        asked = _asking(model, exam.items, options, cache, model.name)
        answers[model.name] = asked
        marks[model.name] = mark_all(exam.items, asked.replies)
        if options.controls and not isinstance(model, SavedAnswers):  # a file cannot be asked over another picture
            for name, part in _own_controls(model, exam, options, cache).items():
                answers[name], marks[name] = part
    if options.controls:
        for name, replies in _baselines(exam, options, cache).items():
            if any(r.text is not None for r in replies):
                marks[name] = mark_all(exam.items, replies)
    names = tuple(m.name for m in models)
    rows = [
        row
        for name, marked in marks.items()
        for row in _rows(name, exam.name, marked, options, name in answers, name in names)
    ]
    wanted = [(a, b) for i, a in enumerate(names) for b in (*names[i + 1 :], *(c for c in marks if c not in names))]
    wanted = [(a, b) for a, b in wanted if not _of_another(b, a, names)]
    rng = np.random.default_rng(np.random.SeedSequence(options.seed, spawn_key=(3,)))
    answered = {name: [Answered.of(m) for m in marked] for name, marked in marks.items()}
    pairs = compare_all(answered, exam.name, rng=rng, pairs=wanted) if wanted else []
    return Outcome(
        exam=exam,
        marks=marks,
        models=names,
        answers=answers,
        rows=tuple(rows),
        pairs=tuple(pairs),
        chains={name: chain_table(marks[name]) for name in names},
        robustness=tuple(
            row
            for m in models
            for row in (*pair_rows(m.name, exam.name, marks[m.name]), *_stressed(m, exam, options, cache))
        ),
        warnings=tuple(warnings_of(exam, marks, names, answers, pairs, options)),
    )


def _stressed(model: Model, exam: Exam, options: EvaluationOptions, cache: AnswerCache | None) -> list[StressRow]:
    if not options.robustness:
        return []
    wanted = StressOptions(
        tests=options.robustness,
        severities=options.severities,
        seed=options.seed,
        batch_size=options.batch_size,
        quiet=options.quiet,
    )
    return stress(model, exam, wanted, cache=cache)


def _loaded(model: str | Model, options: EvaluationOptions) -> Model:
    if not isinstance(model, str):
        return model
    if model.startswith(("answers:", "python:")):
        return load_model(model)
    return load_model(model, style=options.style, max_tokens=options.max_tokens, device=options.device)


def _check_names(names: list[str], what: str) -> None:
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice or not names:
        msg = f"every {what} needs a name of its own, got {', '.join(names) or 'none'}"
        raise InvalidInput(msg)


def _asking(
    model: Model, items: Sequence[ExamItem], options: EvaluationOptions, cache: AnswerCache | None, label: str
) -> Answers:
    return ask_all_items(model, items, cache=cache, batch_size=options.batch_size, quiet=options.quiet, label=label)


def _own_controls(
    model: Model, exam: Exam, options: EvaluationOptions, cache: AnswerCache | None
) -> dict[str, tuple[Answers, list[Marked]]]:
    """The model asked without its image, and with another patient's."""
    blind = _asking(model, blind_items(exam.items), options, cache, f"{model.name} {BLIND}")
    rng = np.random.default_rng(np.random.SeedSequence(options.seed, spawn_key=(1,)))
    swapped = shuffled_items(exam.items, rng)
    able = [i for i in swapped if i is not None]
    asked = _asking(model, able, options, cache, f"{model.name} {SHUFFLED}")
    following = iter(asked.replies)
    replies = [Reply(None, problem="no other patient") if i is None else next(following) for i in swapped]
    return {
        f"{model.name} {BLIND}": (blind, mark_all(exam.items, blind.replies)),
        f"{model.name} {SHUFFLED}": (asked, mark_all(exam.items, replies)),
    }


def _baselines(exam: Exam, options: EvaluationOptions, cache: AnswerCache | None) -> dict[str, list[Reply]]:
    rng = np.random.default_rng(np.random.SeedSequence(options.seed, spawn_key=(2,)))
    found = {
        MAJORITY: majority_replies(exam.items),
        NEAREST: nearest_text_replies(exam.items),
        LOW_FLOW: low_flow_replies(exam.items, rng),
        CARRIED: carried_threshold_replies(exam.items),
        AGE: age_replies(exam.items, rng),
        BIOMARKERS: biomarker_replies(exam.items, cache),
    }
    if options.cnn is not None:
        found[TRAINED] = trained_replies(exam.items, options.cnn, seed=options.seed, cache=cache)
        found[CROSS_VALIDATED] = cross_validated_replies(exam.items, seed=options.seed, cache=cache)
    return found


def _rows(
    name: str, data: str, marked: Sequence[Marked], options: EvaluationOptions, asked: bool, is_model: bool
) -> list[Row]:
    """Rows of every cell; a baseline that does not apply to a cell's items (`asked` False) has none there."""
    rows = []
    for number, cell in enumerate(cells(marked)):
        share = sum(m.scored for m in cell.marked) / len(cell.marked)
        if not asked and share < options.completeness:
            continue
        rng = np.random.default_rng(np.random.SeedSequence(options.seed, spawn_key=(4, number)))
        for metric, estimate in figures_of_cell(cell, rng, resample=is_model):
            rows.append(to_row(name, data, cell, metric, estimate, options.completeness))
    return rows


def _of_another(control: str, model: str, names: Sequence[str]) -> bool:
    """Whether a control is the blind or shuffled version of a model other than this one."""
    return any(control in (f"{other} {BLIND}", f"{other} {SHUFFLED}") for other in names if other != model)
