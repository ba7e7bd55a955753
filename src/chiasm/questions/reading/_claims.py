"""Free text to claims: what a text says of the findings, wherever its words come from.

1. The text is normalised and split into sentences; words become marks (finding, number, direction, negation ...).
2. Each finding owns a window of its sentence, cut at the last separator before the next finding's own modifiers.
3. A window is positive or negative: negation before the finding reaches over lists joined by "or" and commas until something
   positive is said; negation after it ("are absent") reaches back over the list. Questions and conditions claim nothing.
4. Numbers, directions and adjectives of the window become claims. A sentence without a finding speaks of the last one.
What holds words of the field but yields no claim is returned as unread: the reader abstains rather than guesses.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from chiasm.questions._sectors import ANATOMICAL, from_anatomical
from chiasm.questions.reading._attributes import COUNTED, FAZ, Said, adjectives, counts, measures, sectors
from chiasm.questions.reading._lexicon import normalise
from chiasm.questions.reading._marks import LONGEST, Mark, Sentence, read_sentences
from chiasm.questions.reading._syntax import (
    CONDITION,
    COUNT_FOLLOWS,
    COUNT_OPENS,
    COUNT_TOPIC,
    HYPOTHETICAL,
    NOT_AFTER,
    NOT_BEFORE,
    OF_THEM,
    PART,
    SPEAKS,
    UNJUDGED,
)
from chiasm.questions.reading._windows import Window, relational, windows_of


class Claim(NamedTuple):
    """One thing that a text says."""

    subject: str
    attribute: str
    value: bool | float | str
    hedged: bool = False
    """Said with doubt ("possible", "cannot be excluded") or as an estimate ("about")."""


class Reading(NamedTuple):
    """Every claim of a text, each once, and what was not understood."""

    claims: tuple[Claim, ...]
    unread: tuple[str, ...]
    """Sentences that hold words of the field and gave no claim."""


Eye = Literal["OD", "OS", "unknown", "none"]
FRAGMENT: Final = 3
"""So few words without a finding are taken to speak of the last one: "moderate in extent"."""
LESIONS: Final = (*COUNTED, "vascular tortuosity")


@dataclass(slots=True)
class _State:
    """What carries over from sentence to sentence."""

    eye: Eye
    topic: str = ""
    lesion: str = ""
    claims: dict[Claim, None] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)
    told: int = 0
    """Claims added, repeats included."""

    def add(self, subject: str, said: Said, *, hedged: bool = False) -> None:
        """Add a claim."""
        self.told += 1
        self.claims[Claim(subject, said.attribute, said.value, hedged or said.approximate)] = None


def claims(text: str, eye: Eye = "none") -> Reading:
    """Read a free text.

    Args:
        text: Any text, in English; at most `LONGEST` characters are read. Never raises.
        eye: Turns "nasal" and "temporal" into directions of the image; directions so named are unread where it is unknown.
    """
    state = _State(eye)
    for sentence in read_sentences(normalise(text[:LONGEST])):
        before = state.told
        _read_sentence(sentence, state)
        if state.told == before and _holds_content(sentence):
            state.unread.append(sentence.text)
    return Reading(tuple(state.claims), tuple(state.unread))


def differing(reading: Reading, other: Reading) -> str:
    """What another reading lost and added, doubts aside; nothing where both say the same."""
    mine, theirs = _told(reading), _told(other)
    signed = (("lost", mine - theirs), ("added", theirs - mine))
    return "; ".join(f"{sign} {' '.join(claim)}" for sign, some in signed for claim in sorted(some))


def _told(reading: Reading) -> set[tuple[str, str, str]]:
    return {
        (c.subject, c.attribute, str(c.value) if isinstance(c.value, bool | str) else f"{float(c.value):g}")
        for c in reading.claims
    }


def _read_sentence(sentence: Sentence, state: _State) -> None:
    for mark in sentence.of("stage", "quality", "absent"):
        _read_phrase(sentence, mark, state)
    windows = windows_of(sentence)
    if not windows:
        if not sentence.of("absent"):
            _read_topic(sentence, state)
        return
    for window in windows:
        _read_window(sentence, window, state)
    if not any(window.negative for window in windows):
        _read_relational(sentence, state)


def _read_relational(sentence: Sentence, state: _State) -> None:
    """Beside "an" area of dropout tells of the dropout too; beside "the" dropout only refers to it."""
    for mark in sentence.of("subject"):
        article = re.search(r"\ban? $", sentence.text[: mark.start]) is not None
        if article and mark.value in LESIONS and relational(sentence, mark):
            state.add(mark.value, Said("present", True))


def _read_phrase(sentence: Sentence, mark: Mark, state: _State) -> None:
    """Stages, qualities and phrases such as "perfusion is intact"."""
    before = sentence.text[: mark.start]
    hedged = any(h.end <= mark.start and mark.start - h.end < 25 for h in sentence.of("hedge"))
    if mark.kind == "absent":
        state.add(mark.value, Said("present", NOT_BEFORE.search(before) is not None), hedged=hedged)
        state.topic = mark.value
        state.lesion = mark.value
    elif mark.kind == "quality":
        state.add("image", Said("quality", mark.value), hedged=hedged)
    elif not HYPOTHETICAL.search(before) and not CONDITION.match(sentence.text[mark.end :]):
        negated = NOT_BEFORE.search(before) is not None or NOT_AFTER.match(sentence.text[mark.end :]) is not None
        state.add("diabetic retinopathy", Said("stage", f"not {mark.value}" if negated else mark.value), hedged=hedged)


def _read_window(sentence: Sentence, window: Window, state: _State) -> None:
    subject = window.subject.value
    if subject == "vessel density":
        state.topic = ""
        return
    state.topic = subject
    if subject in LESIONS:
        state.lesion = subject
    if window.negative is None or UNJUDGED.search(sentence.text, window.subject.end, window.end):
        return
    hedged = any(m.kind == "hedge" and window.start <= m.start < window.end for m in sentence.marks)
    if window.negative and subject != FAZ:
        places = [name for _, name in sectors(sentence, window.start, window.end)]
        for name in _in_image(places, state):
            state.add(subject, Said("absent in", name), hedged=hedged)
        if not places:
            state.add(subject, Said("present", False), hedged=hedged)
        return
    if subject != FAZ:
        state.add(subject, Said("present", True), hedged=hedged)
    used = []
    for number, said in counts(sentence, window.subject, window.start, window.end):
        used.append(number)
        state.add(subject, said, hedged=hedged)
    _read_attributes(sentence, window.subject, window.start, window.end, used, state)


def _read_attributes(sentence: Sentence, subject: Mark, start: int, end: int, used: list[Mark], state: _State) -> None:
    for said in measures(sentence, subject.value, start, end, used):
        state.add(subject.value, said)
    for said in adjectives(sentence, subject, start, end):
        state.add(subject.value, said)
    if subject.value not in COUNTED:
        return
    for cue, name in sectors(sentence, start, end):
        for place in _in_image([name], state):
            attribute = f"{cue} sector" if cue in ("largest", "nearest") else "sector"
            state.add(subject.value, Said(attribute, place))


def _in_image(names: list[str], state: _State) -> list[str]:
    """Directions of the image; anatomical ones need the eye."""
    placed = []
    for name in names:
        if name not in ANATOMICAL:
            placed.append(name)
        elif state.eye in ("OD", "OS"):
            placed.append(from_anatomical(name, "OD" if state.eye == "OD" else "OS"))
    return placed


def _read_topic(sentence: Sentence, state: _State) -> None:
    """A sentence without a finding of its own: about the last one, if it sounds so."""
    text = sentence.text
    cue = any(c.value in ("largest", "nearest") for c in sentence.of("cue"))
    topic = state.lesion if cue and state.topic == FAZ else state.topic
    agrees = re.match(r"yes\b", text) is not None
    if not topic or not (
        sentence.of("number", "sector", "postneg", "cue")
        or agrees
        or SPEAKS.match(text)
        or len(text.split()) <= FRAGMENT
    ):
        return
    told = {c.attribute for c in state.claims if c.subject == topic}
    if sentence.of("postneg") and "present" not in told and topic in LESIONS:
        state.add(topic, Said("present", False))
        return
    before = len(state.claims)
    used = [] if "count" in told else _count_topic(sentence, topic, state)
    _read_attributes(sentence, Mark("subject", topic, 0, 0), 0, len(text), used, state)
    if topic in LESIONS and "present" not in told and (agrees or len(state.claims) > before):
        state.add(topic, Said("present", True))


def _count_topic(sentence: Sentence, topic: str, state: _State) -> list[Mark]:
    """A bare whole number that counts the topic: "there are 5", "five can be seen", "yes, a dozen"."""
    text = sentence.text
    for n in sentence.of("number"):
        bare = n.unit is None and n.shape == "value" and n.number == int(n.number) and topic in COUNTED
        opens = COUNT_OPENS.fullmatch(text[: n.start]) is not None and COUNT_FOLLOWS.match(text[n.end :]) is not None
        of_them = OF_THEM.match(text[n.end :]) is not None
        if bare and (opens or ((of_them or not PART.match(text[n.end :])) and COUNT_TOPIC.search(text[: n.start]))):
            state.add(topic, Said("present", n.number > 0))
            if n.number:
                state.add(topic, Said("count", int(n.number)))
            return [n]
    return []


def _holds_content(sentence: Sentence) -> bool:
    """Whether a sentence says something of the field: more than a question, or the mere name of the FAZ."""
    if sentence.of("number", "sector", "stage", "disease"):
        return True
    lesions = [m for m in sentence.of("subject") if m.value != FAZ]
    return bool(lesions) and not sentence.asks and not sentence.of("query")
