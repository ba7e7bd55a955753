"""What a check can find wrong, and what it found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Literal, NamedTuple

Severity = Literal["error", "warning"]


class Rule(NamedTuple):
    """One thing that must hold."""

    name: str
    severity: Severity
    about: str


RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        Rule("manifest", "error", "the manifest is complete, of this schema, and lists exactly the files there are"),
        Rule("file hash", "error", "every file has the size and SHA-256 that the manifest states"),
        Rule("readable", "error", "every Parquet file can be read to its end"),
        Rule("columns", "error", "every file has the columns and types of the schema"),
        Rule("row hash", "error", "every row has the content that its hash states"),
        Rule("item id", "error", "every question has an id of its own"),
        Rule("image", "error", "every image decodes, is 8-bit gray or RGB, and has the hash that its view states"),
        Rule(
            "placeholders", "error", "messages show each image once, and no content item owns a key that is not its own"
        ),
        Rule("wording", "error", "messages hold the row's question, reasoning and answer"),
        Rule("gold answer", "error", "the stored answer scores 1 against the key, under both parsers"),
        Rule("read-back", "error", "the claims read from the reasoning are those that the trace proves"),
        Rule(
            "region", "error", "masks are valid run lengths of the image's size; boxes, points and lines lie inside it"
        ),
        Rule("evidence", "error", "evidence and graphs that a row names exist"),
        Rule("split", "error", "a row's split is that of its file"),
        Rule("patient leak", "error", "no patient is in two splits"),
        Rule("exact duplicate", "error", "no image is in two splits, nor under two patients"),
        Rule("near duplicate", "error", "no image is a near-copy, or mirrored near-copy, of one in another split"),
        Rule("repeated question", "error", "no question is asked twice of the same image"),
        Rule("blank image", "error", "no image is of one grey level"),
        Rule("letters", "error", "the right letter of multiple-choice questions is uniform"),
        Rule("image statistics", "warning", "mean and spread of grey levels are like those of the other images"),
        Rule("classes", "warning", "every answer of a question occurs, in every split, and none nearly always"),
    )
}
KEPT = 20
"""Examples kept of each rule's problems; all are counted."""


class Problem(NamedTuple):
    """One breach of a rule."""

    rule: str
    where: str
    message: str


class Problems:
    """Breaches, counted by rule, with a few examples of each."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.examples: dict[str, list[Problem]] = {}

    def add(self, rule: str, where: str, message: str) -> None:
        """Record a breach of a rule of `RULES`."""
        name = RULES[rule].name
        self.counts[name] += 1
        kept = self.examples.setdefault(name, [])
        if len(kept) < KEPT:
            kept.append(Problem(name, where, message))

    def take(self, others: Iterable[Problems]) -> None:
        """Add what others found."""
        for other in others:
            self.counts.update(other.counts)
            for rule, examples in other.examples.items():
                kept = self.examples.setdefault(rule, [])
                kept.extend(examples[: KEPT - len(kept)])

    def errors(self) -> int:
        """Number of breaches of rules whose breach is an error."""
        return sum(n for rule, n in self.counts.items() if RULES[rule].severity == "error")
