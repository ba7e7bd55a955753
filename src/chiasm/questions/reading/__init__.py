"""Reading free text back into claims, and judging the claims by the facts."""

from chiasm.questions.reading._claims import Claim, Reading, claims, differing
from chiasm.questions.reading._judge import Judged, judge_text

__all__ = ["Claim", "Judged", "Reading", "claims", "differing", "judge_text"]
