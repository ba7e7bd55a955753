"""Questions as programs over a Case: proved answers, reasoning, parsing, scoring, and reading text back into claims."""

import chiasm.questions.programs  # noqa: F401  # registers the programs
from chiasm.questions._answers import (
    Answer,
    BoxesAnswer,
    CategoryAnswer,
    ChoiceAnswer,
    CountAnswer,
    FactClaim,
    Frame,
    Key,
    Kind,
    NumberAnswer,
    OrderedAnswer,
    PointsAnswer,
    ReportAnswer,
    SetAnswer,
    Unjudged,
    YesNoAnswer,
    write_answer,
)
from chiasm.questions._chart import LESIONS, Chart, Scene, Sight
from chiasm.questions._check import Checked, Problem, check_items, wrong_answers
from chiasm.questions._extract import extract, reasoning_of, without_reasoning
from chiasm.questions._facts import facts_of
from chiasm.questions._item import Evidence, ImageRef, Item, Skip, Stage, Statement, Step, Trace
from chiasm.questions._metrics import (
    giou,
    iou,
    mean_relative_accuracy,
    ordinal_accuracy,
    relative_accuracy,
    set_f1,
)
from chiasm.questions._panels import CHANGES, picture, pictures
from chiasm.questions._parse import Parsed, Parsing, parse_answer
from chiasm.questions._program import Asking, Program, ask, ask_all, programs, prompt_about
from chiasm.questions._rewrite import RewriteOptions, Rewritten, rewrite_items
from chiasm.questions._score import Mark, Score, score
from chiasm.questions._twins import pair_twins
from chiasm.questions.language import LANGUAGES, STYLES, Language, Style, language
from chiasm.questions.reading import Claim, Judged, Reading, claims, judge_text

__all__ = [
    "CHANGES",
    "LANGUAGES",
    "LESIONS",
    "STYLES",
    "Answer",
    "Asking",
    "BoxesAnswer",
    "CategoryAnswer",
    "Chart",
    "Checked",
    "ChoiceAnswer",
    "Claim",
    "CountAnswer",
    "Evidence",
    "FactClaim",
    "Frame",
    "ImageRef",
    "Item",
    "Judged",
    "Key",
    "Kind",
    "Language",
    "Mark",
    "NumberAnswer",
    "OrderedAnswer",
    "Parsed",
    "Parsing",
    "PointsAnswer",
    "Problem",
    "Program",
    "Reading",
    "ReportAnswer",
    "RewriteOptions",
    "Rewritten",
    "Scene",
    "Score",
    "SetAnswer",
    "Sight",
    "Skip",
    "Stage",
    "Statement",
    "Step",
    "Style",
    "Trace",
    "Unjudged",
    "YesNoAnswer",
    "ask",
    "ask_all",
    "check_items",
    "claims",
    "extract",
    "facts_of",
    "giou",
    "iou",
    "judge_text",
    "language",
    "mean_relative_accuracy",
    "ordinal_accuracy",
    "pair_twins",
    "parse_answer",
    "picture",
    "pictures",
    "programs",
    "prompt_about",
    "reasoning_of",
    "relative_accuracy",
    "rewrite_items",
    "score",
    "set_f1",
    "without_reasoning",
    "write_answer",
    "wrong_answers",
]
