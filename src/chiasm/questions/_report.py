"""Scores of free-text reports by the claims in them."""

from __future__ import annotations

from chiasm.questions._answers import Key
from chiasm.questions.reading import judge_text


def score_report(text: str, key: Key) -> tuple[bool, float, str]:
    """(every core fact told and nothing wrong, F1 of precision over claims and recall over core facts, reason)."""
    judged = judge_text(text, key.facts, key.laterality)
    wrong = [f"{c.subject} {c.attribute} {c.value}" for c in judged.contradicted]
    missed = [f"{f.subject} {f.attribute}" for f in judged.missed]
    exact = bool(judged.supported) and not wrong and not missed
    reason = f"precision {judged.precision:.2f}, recall {judged.recall:.2f}"
    if wrong:
        reason += f"; wrong: {', '.join(wrong[:5])}"
    if missed:
        reason += f"; missed: {', '.join(missed[:5])}"
    return exact, judged.f1, reason
