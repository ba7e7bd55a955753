"""Reading an answer out of a completion, strictly and tolerantly.

Strict: the completion, without its reasoning, is one answer tag that holds exactly the canonical text. Tolerant: any wording
whose meaning is plain. Neither guesses: two different answers, a range where a number was asked, or a letter that is only part
of a word are not answers, and the reason says so.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final, NamedTuple

from chiasm.questions._answers import (
    GRID,
    LETTERS,
    Answer,
    BoxesAnswer,
    BoxValue,
    CategoryAnswer,
    ChoiceAnswer,
    CountAnswer,
    Key,
    NumberAnswer,
    OrderedAnswer,
    PointsAnswer,
    ReportAnswer,
    SetAnswer,
    Unjudged,
    YesNoAnswer,
    write_answer,
)
from chiasm.questions._extract import TAIL, UNSEEN, extract, fold
from chiasm.questions._numbers import Reading, convert, read_number_words, read_numbers
from chiasm.questions._words import find_words

MOST_ITEMS: Final = 64
"""A longer list of boxes, points or words is not an answer."""


class Parsed(NamedTuple):
    """An answer, or why there is none."""

    answer: Answer | None
    reason: str


class Parsing(NamedTuple):
    """The same completion read both ways."""

    strict: Parsed
    tolerant: Parsed


def parse_answer(completion: str, key: Key) -> Parsing:
    """Read a completion as the kind of answer that the key expects.

    Args:
        completion: Everything the model wrote. Never raises, whatever it holds.
        key: Gives the kind, the options and the unit; the right answer is not looked at.
    """
    span = extract(completion)
    if span.source == "nothing":
        nothing = Parsed(None, "no answer: empty after the reasoning")
        return Parsing(nothing, nothing)
    if key.expects == "report":
        report = Parsed(ReportAnswer(text=span.text), "text")
        return Parsing(report if span.clean else Parsed(None, "not exactly one answer tag"), report)
    if len(span.text) > TAIL:
        long = Parsed(None, f"an answer of {len(span.text)} characters is not an answer")
        return Parsing(long, long)
    tolerant = _tolerant(span.text, key)
    if not span.clean:
        return Parsing(Parsed(None, "not exactly one answer tag"), tolerant)
    return Parsing(_strict(span.text, key, tolerant), tolerant)


def _strict(text: str, key: Key, tolerant: Parsed) -> Parsed:
    """The tolerant answer, where its canonical text is what was written."""
    if tolerant.answer is None:
        return tolerant
    written = re.sub(r"\s+", " ", text).strip()
    if isinstance(tolerant.answer, NumberAnswer | CountAnswer):
        readings = read_numbers(written)
        whole = len(readings) == 1 and (readings[0].start, readings[0].end) == (0, len(written))
        return tolerant if whole else Parsed(None, f"{text[:40]!r} is more than a number and its unit")
    if isinstance(tolerant.answer, SetAnswer):
        pieces = [p.strip().lower() for p in written.split(",")]
        same = len(set(pieces)) == len(pieces) and ", ".join(sorted(pieces)) == write_answer(tolerant.answer).lower()
    elif isinstance(tolerant.answer, BoxesAnswer | PointsAnswer):
        same = re.sub(r"[\s,]+", "", written) == re.sub(r"[\s,]+", "", write_answer(tolerant.answer))
    else:
        same = written.lower() == write_answer(tolerant.answer).lower()
    return tolerant if same else Parsed(None, f"{text[:40]!r} is not the canonical form")


def _tolerant(text: str, key: Key) -> Parsed:
    folded = fold(text)
    read = _READERS[key.expects](text, folded, key)
    if _UNJUDGED.search(folded):
        if read.answer is None or key.expects in ("set", "boxes", "points", "count", "number"):
            return Parsed(Unjudged(), "says that it cannot be judged")
        return Parsed(None, "says both an answer and that it cannot be judged")
    return read


_UNJUDGED: Final = re.compile(
    r"\b(?:can ?not|can't|could not|unable to|not possible to|impossible to|kann nicht)\b[ a-z]{0,25}"
    r"\b(?:judged?|assess(?:ed)?|determined?|graded?|evaluated?|tell|interpret(?:ed)?|beurteilt|bewertet)\b"
    r"|\b(?:ungradable|ungradeable|unassessable|uninterpretable|unjudg(?:e)?able|indeterminate|nicht beurteilbar)\b"
    r"|\b(?:not|non)[ -](?:gradable|gradeable|assessable|interpretable|judg(?:e)?able|determinable)\b"
)


def _read_choice(text: str, folded: str, key: Key) -> Parsed:
    options = tuple(fold(option) for option in key.options)
    allowed = LETTERS[: len(options)]
    letters = _letters(fold_case(text), allowed)
    named = {LETTERS[options.index(h.word)] for h in find_words(folded, options) if not h.negated}
    if len(letters) > 1:
        return Parsed(None, f"several letters: {', '.join(sorted(letters))}")
    if len(letters) == 1:
        letter = next(iter(letters))
        if len(named) == 1 and named != letters:
            return Parsed(None, f"letter {letter} and the text of option {next(iter(named))} disagree")
        return Parsed(ChoiceAnswer(letter=letter), "letter")
    if len(named) == 1:
        return Parsed(ChoiceAnswer(letter=named.pop()), "text of an option")
    return Parsed(None, "several options named" if named else "no letter that stands alone, and no option's text")


def fold_case(text: str) -> str:
    """Compatibility forms joined, markdown and spaces tidied, case kept."""
    plain = re.sub(r"[*`_\"“”$]", "", UNSEEN.sub("", unicodedata.normalize("NFKC", text)))
    return re.sub(r"\s+", " ", plain).strip()


_NAMED: Final = r"\b(?:option|choice|answer|letter|antwort)\s*(?:is|ist|:)?\s*[(\[]?"
_REJECTED_AFTER: Final = re.compile(
    r"[)\].]*,? (?:is|are|seems?|looks?|would be|can be|cannot|must be) "
    r"(?:wrong|incorrect|not|excluded|ruled out|false|be (?:right|correct))"
)
_REJECTED_BEFORE: Final = re.compile(
    r"(?:\bnot|\bneither|\bnor|n't|\bexcludes?|\brather than) (?:option |choice |answer )?[(\[]?$", re.IGNORECASE
)


def _letters(text: str, allowed: str) -> set[str]:
    """Letters that stand alone as an answer; a letter that is a word ("A large area") or part of one does not."""
    group = f"[{allowed}{allowed.lower()}]"
    bare = re.fullmatch(
        rf"(?:(?:option|choice|answer|letter|antwort)\s*:?\s*)?[(\[]?({group})[)\].:]*", text, re.IGNORECASE
    )
    if bare:
        return {bare[1].upper()}
    upper, any_case = f"[{allowed}]", f"[{allowed}{allowed.lower()}]"
    pair = rf"(?<![\w'])[(\[]?({upper})[)\]]?\s*(?:/|,|\bor\b|\band\b|&|\boder\b)\s*[(\[]?({upper})\b(?!['’])"
    found = {letter for match in re.findall(pair, text) for letter in match}
    alone = (
        rf"[(\[](?P<a>{upper})[)\]]",
        rf"(?i:{_NAMED})(?P<a>{upper})\b(?!['’\w])",
        rf"(?i:\b(?:option|choice|answer|letter|antwort) ?[(\[])(?P<a>{any_case})[)\]]",
        rf"^(?P<a>{upper})\s*[).:\-–]\s",
        rf"(?:[,:;–-]|\b(?:is|choose|pick|select|so|but|wähle))\s(?P<a>{upper})\s*[.!]?$",
    )
    for form in alone:
        for match in re.finditer(form, text + (" " if form.startswith("^") else "")):
            before, after = text[: match.start("a")], text[match.end("a") :]
            if not _REJECTED_AFTER.match(after) and not _REJECTED_BEFORE.search(before[-24:]):
                found.add(match["a"].upper())
    return found


_YES: Final = "yes|yeah|yep|ja|true|present|vorhanden"
_NO: Final = "no|nope|nein|false|absent|not present|nicht vorhanden"


def _read_yesno(_text: str, folded: str, _key: Key) -> Parsed:
    text = re.sub(r"\b(?:no doubt|no question|without doubt|kein zweifel)\b", "", folded).strip(" .,;:!()[]")
    if re.fullmatch(_YES + "|y", text):
        return Parsed(YesNoAnswer(yes=True), "word")
    if re.fullmatch(_NO + "|n", text):
        return Parsed(YesNoAnswer(yes=False), "word")
    if re.search(
        r"\byes\b\s*(?:/|or|and|oder|,)\s*no\b(?=\s*(?:$|[.,;)]))|\bno\b\s*(?:/|or|and)\s*yes\b|\bja\b\s*(?:/|oder)\s*nein\b",
        text,
    ):
        return Parsed(None, "both yes and no")
    turned = re.search(
        r"\b(?:actually|wait|correction|sorry|rather|instead|no,)\W+(?:\w+\W+){0,3}?(yes|no)\b(?=\s*(?:$|[.,;:!]))",
        text,
    )
    opening = re.match(r"(yes|no|ja|nein)\b(?!-| (?:one|idea|clue|way|answer|comment|longer)\b)", text)
    closing = re.findall(r"\b(?:is|be|say|answer|:)\W*(yes|no)\b(?=\s*(?:$|[.,;:!]))", text)
    said = {w in ("yes", "ja") for w in ([turned[1]] if turned else [])} | {w == "yes" for w in closing}
    if opening is not None:
        said.add(opening[1] in ("yes", "ja"))
        said |= {w == "yes" for w in re.findall(r"\b(yes|no)$", text)}
    if not said:
        alone = set(re.findall(r"\b(yes|no)\b(?=\s*(?:$|[.,;:!]))", text))
        said = {w == "yes" for w in alone}
    if len(said) == 1:
        return Parsed(YesNoAnswer(yes=said.pop()), "sentence")
    return Parsed(None, "both yes and no" if said else "neither yes nor no")


def _read_number(_text: str, folded: str, key: Key) -> Parsed:
    unit = key.answer.unit if isinstance(key.answer, NumberAnswer) else "1"
    text = _in_digits(folded)
    readings = _affirmed(text, read_numbers(text))
    fitting = [r for r in readings if r.unit is not None and convert(1.0, r.unit, unit) is not None]
    plain = [r for r in readings if r.unit is None]
    return _one_value(fitting or plain, unit, bool(readings))


_DIGITS: Final = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_SPELLED: Final = re.compile(rf"\b({'|'.join(_DIGITS)}) point((?: (?:{'|'.join(_DIGITS)}))+)\b")
_DENIED: Final = re.compile(r"(?:\bnot|n't|\bnever) (?:exactly |quite )?[^\w\s]*$")


def _in_digits(folded: str) -> str:
    """Numbers such as "zero point three five" and "minus 2.5" in digits."""
    text = _SPELLED.sub(
        lambda m: f"{_DIGITS.index(m[1])}.{''.join(str(_DIGITS.index(d)) for d in m[2].split())}", folded
    )
    return re.sub(r"\b(?:minus|negative) (?=[.\d])", "-", text)


def _affirmed(text: str, readings: list[Reading]) -> list[Reading]:
    """The numbers that are not denied: "not 5" is no answer, and "not 5 but 7" is 7."""
    return [r for r in readings if not _DENIED.search(text, max(0, r.start - 24), r.start)]


def _one_value(candidates: list[Reading], unit: str, any_number: bool) -> Parsed:
    if not candidates:
        return Parsed(None, f"no number in {unit}: another unit" if any_number else "no number")
    vague = {"range": "a range, not a value", "bound": "a bound, not a value", "ratio": "a ratio, not a value"}
    values = {convert(r.value, r.unit or unit, unit) for r in candidates if r.shape == "value"}
    if len(values) > 1:
        return Parsed(None, f"several numbers: {sorted(v for v in values if v is not None)}")
    odd = [r.shape for r in candidates if r.shape != "value"]
    if odd:
        return Parsed(None, vague[odd[0]])
    value = values.pop()
    if value is None or not abs(value) < 1e12:
        return Parsed(None, "no usable number")
    return Parsed(NumberAnswer(value=value, unit=unit), "number")


def _read_count(_text: str, folded: str, _key: Key) -> Parsed:
    total = re.search(
        r"\b(?:total(?: of)?|altogether|overall|insgesamt|sum)\W{0,4}(\d+)\b|\b(\d+) (?:in total|altogether|overall|insgesamt)\b",
        folded,
    )
    if total:
        return Parsed(CountAnswer(value=float(total[1] or total[2])), "a stated total")
    readings = _affirmed(folded, [r for r in read_numbers(folded) if r.unit in (None, "count")])
    if not readings:
        words = _affirmed(folded, read_number_words(folded))
        readings = [r for r in words if len(words) == 1 or folded[r.start : r.end] not in ("one", "single")]
        if not readings and re.search(r"^(?:there (?:are|is) )?(?:no|not any|keine?)\b", folded):
            return Parsed(CountAnswer(value=0), "none")
    found = _one_value(readings, "1", bool(readings))
    if isinstance(found.answer, NumberAnswer):
        return Parsed(CountAnswer(value=found.answer.value + 0.0), found.reason)
    return found


def _read_category(_text: str, folded: str, key: Key) -> Parsed:
    whole = _SHARED.sub(r"\1 \4 \2 \3 \4", folded)  # "early or late NPDR" names two
    named = {h.word for h in find_words(whole, key.options) if not h.negated}
    if len(named) == 1:
        return Parsed(CategoryAnswer(value=named.pop()), "word")
    return Parsed(None, f"several categories: {', '.join(sorted(named))}" if named else "no known category")


_SHARED: Final = re.compile(r"\b([a-z]+) (or|and|to) ([a-z]+) ([a-z-]+)\b")


def _read_set(_text: str, folded: str, key: Key) -> Parsed:
    values: set[str] = set()
    pieces = [p.strip(" .[](){}'-•") for p in re.split(r"[,;\n+]|\band\b|\bund\b", folded)]
    if len(pieces) > MOST_ITEMS:
        return Parsed(None, f"a list of {len(pieces)}")
    for piece in pieces:
        hits = find_words(piece, key.options)
        values.update(h.word for h in hits if not h.negated)
        if piece and not hits and not _EMPTY.search(piece) and len(piece.split()) <= 4:
            values.add(f"?{piece}")
    if values and any(_NOTHING.fullmatch(piece) for piece in pieces):
        return Parsed(None, "a list and none")
    if values - {f"?{p}" for p in pieces} or (values and len(pieces) > 1):
        return Parsed(SetAnswer(values=frozenset(values)), "list")
    if _EMPTY.search(folded) or any(h.negated for h in find_words(folded, key.options)):
        return Parsed(SetAnswer(values=frozenset()), "none")
    return Parsed(None, "no known word")


_NOTHING: Final = re.compile(r"none|nothing|keine?s?|nichts")
_EMPTY: Final = re.compile(r"\b(?:none|nothing|no|keine?s?|nichts|empty|normal)\b|^\[\]$")


def _read_boxes(text: str, folded: str, _key: Key) -> Parsed:
    groups, problem = _groups(text, folded, 4)
    if groups is None:
        return Parsed(None, problem)
    boxes: list[BoxValue] = [(min(a, c), min(b, d), max(a, c), max(b, d)) for a, b, c, d in groups]
    return Parsed(BoxesAnswer(boxes=tuple(boxes)), problem)


def _read_points(text: str, folded: str, _key: Key) -> Parsed:
    groups, problem = _groups(text, folded, 2)
    if groups is None:
        return Parsed(None, problem)
    return Parsed(PointsAnswer(points=tuple((x, y) for x, y in groups)), problem)


_NUM: Final = r"[-+]?(?:\d+(?:\.\d+)?|\.\d+)"


def _groups(text: str, folded: str, size: int) -> tuple[list[list[float]] | None, str]:
    """Bracketed groups of `size` coordinates in thousandths; a single unbracketed group is accepted."""
    inner = r"\s*[,;\s]\s*".join([_NUM] * size)
    found = [re.findall(_NUM, m) for m in re.findall(rf"[\[(<]\s*{inner}\s*[\])>]", text)]
    if not found:
        loose = re.findall(rf"(?<![\w.]){_NUM}(?![\w.])", text)
        found = [loose] if len(loose) == size else []
    groups = [[float(v) for v in group] for group in found]
    if not groups:
        none = re.search(r"\b(?:none|nothing|no|not (?:present|visible|seen)|keine?)\b|^\[\s*\]$", folded)
        return ([], "none") if none else (None, f"no group of {size} coordinates")
    if len(groups) > MOST_ITEMS:
        return None, f"a list of {len(groups)}"
    values = [v for group in groups for v in group]
    if all(v <= 1 for v in values) and any(v != int(v) for v in values):
        groups = [[v * GRID for v in group] for group in groups]
    elif any(not 0 <= v <= GRID for v in values):
        return None, f"coordinates must lie in 0 to {GRID}"
    if any(v < 0 for v in values):
        return None, f"coordinates must lie in 0 to {GRID}"
    return groups, "coordinates"


def _read_ordered(_text: str, folded: str, key: Key) -> Parsed:
    hits = find_words(folded, key.options)
    words = [h.word for h in hits]
    if len(set(words)) != len(words):
        return Parsed(None, "a word stands twice in the order")
    if words and "<" in folded and ">" not in folded:
        words.reverse()
    return Parsed(OrderedAnswer(values=tuple(words)), "list") if words else Parsed(None, "no known word")


def _read_unjudged(_text: str, _folded: str, _key: Key) -> Parsed:
    return Parsed(None, "no statement that it cannot be judged")


def _read_report(text: str, _folded: str, _key: Key) -> Parsed:
    return Parsed(ReportAnswer(text=text), "text")


_READERS: Final = {
    "choice": _read_choice,
    "yesno": _read_yesno,
    "number": _read_number,
    "count": _read_count,
    "category": _read_category,
    "set": _read_set,
    "boxes": _read_boxes,
    "points": _read_points,
    "ordered": _read_ordered,
    "report": _read_report,
    "unjudged": _read_unjudged,
}
