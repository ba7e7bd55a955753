"""Scores of free-text reports by the claims in them."""

from __future__ import annotations

from chiasm.questions._answers import Key


def score_report(text: str, key: Key) -> tuple[bool, float, str]:
    """(complete and without error, F1 of claims, reason)."""
    return bool(text) and not key.facts, 0.0, "claims"
