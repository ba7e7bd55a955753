"""Evaluation: figures with intervals on synthetic and real data, baselines, and reports."""

from chiasm.evaluation._chat_model import ChatModel
from chiasm.evaluation._compare import Comparison, compare
from chiasm.evaluation._comparisons import Pair
from chiasm.evaluation._evaluate import Evaluation, Outcome, evaluate, examine
from chiasm.evaluation._exams import load_exam
from chiasm.evaluation._figures import Row
from chiasm.evaluation._model import Fingerprinted, Model, SavedAnswers, load_model
from chiasm.evaluation._pixels import low_flow_share
from chiasm.evaluation._question import Exam, ExamItem, Overlay, Picture, Question, Reply, make_exam
from chiasm.evaluation._realism import RealismReport, judge_tables, realism
from chiasm.evaluation._realism_features import FITTED_FAMILIES, feature_table, image_features
from chiasm.evaluation._settings import EvaluationOptions
from chiasm.evaluation._single import ImageAnswer, answer_image, draw_answer
from chiasm.evaluation._wording import TextOnly, Worded, text_only, worded

__all__ = [
    "FITTED_FAMILIES",
    "ChatModel",
    "Comparison",
    "Evaluation",
    "EvaluationOptions",
    "Exam",
    "ExamItem",
    "Fingerprinted",
    "ImageAnswer",
    "Model",
    "Outcome",
    "Overlay",
    "Pair",
    "Picture",
    "Question",
    "RealismReport",
    "Reply",
    "Row",
    "SavedAnswers",
    "TextOnly",
    "Worded",
    "answer_image",
    "compare",
    "draw_answer",
    "evaluate",
    "examine",
    "feature_table",
    "image_features",
    "judge_tables",
    "load_exam",
    "load_model",
    "low_flow_share",
    "make_exam",
    "realism",
    "text_only",
    "worded",
]
