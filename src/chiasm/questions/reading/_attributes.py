"""What is said about a finding inside its window: how many, how large, how far, where, how much."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from chiasm.questions._numbers import convert
from chiasm.questions.reading._lexicon import lexicon
from chiasm.questions.reading._marks import Mark, Sentence
from chiasm.questions.reading._syntax import (
    ADJECTIVE_DENIED,
    APPROXIMATE,
    BORDER,
    COUNT_AFTER,
    COUNT_SIGN,
    COUNT_VERB,
    CUE_FOLLOWS,
    DIRECTION,
    DISTANCE,
    LENGTH,
    LONG,
    OF_FOVEA,
    OF_THEM,
    OTHERS,
    PART,
    ROUNDNESS_AFTER,
    ROUNDNESS_BEFORE,
    THINGS,
    WIDE,
    WIDTH,
)

FAZ: Final = "foveal avascular zone"
COUNTED: Final = ("capillary dropout", "microaneurysm", "intraretinal microvascular abnormality", "neovascularization")
SIZED: Final = ("capillary dropout", "neovascularization", "intraretinal microvascular abnormality")


class Said(NamedTuple):
    """One attribute said of the subject."""

    attribute: str
    value: bool | float | str
    approximate: bool = False


def counts(sentence: Sentence, subject: Mark, start: int, end: int) -> list[tuple[Mark, Said]]:
    """The number that counts the subject, if any: right before it, or after it in a form that counts."""
    if subject.value not in COUNTED:
        return []
    text = sentence.text
    for n in sentence.of("number"):
        whole = n.unit in (None, "count") and n.number == int(n.number) and n.shape == "value"
        if not whole or not start <= n.start < end:
            continue
        before = n.end <= subject.start and _counts_before(text[n.end : subject.start])
        after = n.start >= subject.end and not _placed(sentence, subject.end, n.start)
        if before or (after and counts_after(text, subject.end, n)):
            return [(n, Said("count", int(n.number), APPROXIMATE.search(text[start : n.start]) is not None))]
    return []


def _counts_before(between: str) -> bool:
    """Only adjectives stand between a number and what it counts."""
    adjectives_only = re.fullmatch(r"(?:[a-z,\-]+(?: |$)){0,4}", between.strip(" -")) is not None
    return (
        adjectives_only
        and re.match(r" (?:of (?:them|these|the|which)|further|more|other|additional|remaining|smaller)\b", between)
        is None
    )


def _placed(sentence: Sentence, start: int, end: int) -> bool:
    """A direction stands between: the number counts only what lies there."""
    return any(start <= m.start < end for m in sentence.of("sector"))


def counts_after(text: str, position: int, n: Mark) -> bool:
    """Whether a number after its subject counts it: "MAs: 5", "MAs (n=5)", "MA x5", "bulges amount to five", "there are 5"."""
    between, after = text[position : n.start], text[n.end :]
    if len(between) > LONGEST_GAP:
        return False
    if OF_THEM.match(after) and re.search(r"[,(] *$|\bcount(?:ed)? *$", between):
        return True
    if THINGS.match(after):
        return True
    if PART.match(after) or re.match(r"[-:]?\d| ?(?:mm|um|%|percent|o'clock)", after):
        return False
    return (
        COUNT_SIGN.fullmatch(between) is not None
        or COUNT_VERB.search(between) is not None
        or COUNT_AFTER.match(after) is not None
    )


LONGEST_GAP: Final = 60
"""A number farther from its finding does not count it."""


def sectors(sentence: Sentence, start: int, end: int) -> Iterator[tuple[str, str]]:
    """(cue or "", sector) of each direction in a window; "upper and lower left" is two sectors."""
    text = sentence.text
    marks = [m for m in sentence.of("sector") if start <= m.start < end and not BORDER.match(text[m.end :])]
    for i, m in enumerate(marks):
        name = m.value
        following = marks[i + 1] if i + 1 < len(marks) else None
        listed = i > 0 and text[marks[i - 1].end : m.start] == ", "
        if (
            following is not None
            and not listed
            and name in ("upper", "lower")
            and re.fullmatch(r",? (?:and|or|&) ", text[m.end : following.start])
        ):
            side = following.value.rpartition(" ")[2]
            if following.value.startswith(("upper ", "lower ")) and side in ("left", "right"):
                name = f"{name} {side}"
        yield cue_at(sentence, m, start), name + (" half" if re.match(r" (?:half|hemi)", text[m.end :]) else "")


def cue_at(sentence: Sentence, mark: Mark, start: int) -> str:
    """The cue that a number or direction belongs to: the last one before it in the window, or one right after it."""
    before = [c for c in sentence.of("cue") if start <= c.start < mark.start]
    between = sentence.text[before[-1].end : mark.start] if before else ""
    if before and OTHERS.search(between) is None:
        return before[-1].value
    for cue in sentence.of("cue"):
        between = sentence.text[mark.end : cue.start]
        ahead = "," in between and any(
            m.start > cue.end for m in sentence.of("sector")
        )  # "left and right, the larger right"
        if mark.end <= cue.start <= mark.end + LONGEST_GAP and CUE_FOLLOWS.fullmatch(between) and not ahead:
            return cue.value
    return ""


def measures(sentence: Sentence, subject: str, start: int, end: int, used: list[Mark]) -> Iterator[Said]:
    """Areas, shares, distances, diameters and ratios in a window."""
    for n in sentence.of("number"):
        if start <= n.start < end and n not in used and n.shape == "value":
            approximate = APPROXIMATE.search(sentence.text[: n.start]) is not None
            for attribute, value in _measure(sentence, subject, n, start):
                yield Said(attribute, value, approximate)


def _measure(sentence: Sentence, subject: str, n: Mark, start: int) -> Iterator[tuple[str, float]]:
    text, cue = sentence.text, cue_at(sentence, n, start)
    before, after = text[max(start, n.start - 45) : n.start], text[n.end : n.end + 45]
    area = convert(n.number, n.unit or "", "mm2")
    length = convert(n.number, n.unit or "", "mm")
    if area is not None:
        names = {"": "area", "largest": "largest area", "total": "total area", "nearest": "area"}
        if subject == FAZ or subject in SIZED:
            yield ("area" if subject == FAZ else names[cue]), area
    elif n.unit == "%":
        if subject == "capillary dropout":
            yield "share", n.number
    elif length is not None and subject != FAZ:
        yield from _length(subject, n, cue, before, after, length)
    elif n.unit is None and subject == FAZ and 0 < n.number <= 1 and _roundness(before, after):
        yield "ratio", n.number


def _roundness(before: str, after: str) -> bool:
    return ROUNDNESS_BEFORE.search(before) is not None or ROUNDNESS_AFTER.match(after) is not None


def _length(subject: str, n: Mark, cue: str, before: str, after: str, length: float) -> Iterator[tuple[str, float]]:
    if LENGTH.search(before) or LONG.match(after):
        return
    if WIDE.match(after) or WIDTH.search(before):
        if subject == "microaneurysm":
            yield "diameter", length * 1000
    elif OF_FOVEA.match(after) or DISTANCE.search(before):
        yield (f"{cue} distance" if cue in ("largest", "nearest") else "distance"), length
    elif n.unit == "um" and subject == "microaneurysm":
        yield "diameter", length * 1000
    elif n.unit == "mm" and (DIRECTION.match(after) or cue == "nearest"):
        yield (f"{cue} distance" if cue in ("largest", "nearest") else "distance"), length


def adjectives(sentence: Sentence, subject: Mark, start: int, end: int) -> Iterator[Said]:
    """Adjectives of the subject in its window; a negated one becomes "not ..."."""
    text = sentence.text
    taken: list[tuple[int, int]] = []
    cues = [(c.start, c.end) for c in sentence.of("cue")]
    inside = subject.value == "vascular tortuosity"
    for attribute, value, pattern in lexicon().adjectives.get(subject.value, []):
        for m in pattern.finditer(text, start, end):
            overlap = any(a < m.end() and m.start() < b for a, b in (*taken, *cues))
            within = m.start() < subject.end and m.end() > subject.start
            if overlap or (within and not inside) or not _fits(text, subject, attribute, m):
                continue
            taken.append(m.span())
            negated = ADJECTIVE_DENIED.search(text[: m.start()])
            yield Said(attribute, f"not {value}" if negated else value)
            break


def _fits(text: str, subject: Mark, attribute: str, m: re.Match[str]) -> bool:
    """Whether an adjective can speak of the subject, not of something else in the window."""
    before, after = text[: m.start()], text[m.end() :]
    if attribute == "extent":
        if (
            re.search(r"(?:largest|biggest|one|first|second|single) (?:area |patch )?(?:is |of )?$", before)
            and m.end() <= subject.start
        ):
            return False
        return not re.match(
            r" (?:ones?\b|number|npdr|non-?prolif|stage|distance|bulge|dot|irregular|twist|tortuo)", after
        )
    if attribute in ("size", "shape"):
        return not re.match(
            r" (?:vessel|capillar|number|arter|vein|course|mesh|network|bed|bulge|dot|distance|scan|eye|study|image)",
            after,
        )
    if attribute == "amount":
        return not re.search(r"\b(?:of )?(?:a|the) $", before) or m.group().startswith(("few", "handful", "number"))
    return not re.match(r" (?:number|npdr|non-?prolif|enlarged|irregular|stage)", after)
