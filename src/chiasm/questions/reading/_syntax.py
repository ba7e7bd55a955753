"""The turns of phrase that decide how marks belong together: separators, relations, negations, counts, measures."""

from __future__ import annotations

import re
from typing import Final


def _pattern(*parts: str) -> re.Pattern[str]:
    return re.compile("".join(parts))


# How findings are listed, and when one only places another.
SEPARATOR: Final = _pattern(
    r"[,:/()]|\b(?:and|or|nor|plus|with|as well as|along with|together with|but|however|whereas|while|though|although|yet|by|",
    r"accompan[a-z]+)\b|(?=\bwithout\b)|(?=\bno\b)| - ",
)
RELATIONAL: Final = _pattern(
    r"(?:\b(?:border|edge|margin|rim|periphery|vicinity|side|boundary|neighbou?rhood|flank|outskirt)s? (?:of|to)",
    r"|\b(?<!-)(?:beside|next to|adjacent to|near|nearby|around|along|bordering|surrounding|close to|at|inside|within|into|",
    r"towards|between|neighbou?ring|flanking|abutting|hugging|lining|from|beyond|outside|relative to|following|follow|",
    r"relation to|than|as|like)) (?:the |this |these |those |any |an? |that |its |all )*",
    r"(?:largest |main |adjacent |nearest |borders? of (?:the |any )?|edges? of (?:the |any )?|areas? of )?$",
)
WEAK_RELATION: Final = _pattern(r"\b(?:at|as|from|within|inside|into|than|like|following)\b")
FROM_FAZ: Final = _pattern(r"[^a-z]*(?:from|to|at|around|near|outside|beyond|inside|within)")

# What denies or doubts.
HEADED: Final = _pattern(
    r"(?:none of [a-z ]{4,40}|(?:[a-z]+ ){0,2}(?:absent|missing|lacking|negative|",
    r"(?:not|never) (?:seen|found|present|visible|identified|detected|there))) ?[:-]",
)
BARE_NO: Final = _pattern(
    r"\s*[:=?\-(]+\s*(?:no|none|nil|0(?![.\d])|negative|absent)\b(?! [a-z]{4,})",
    r"|\s*-\s*(?:$|[.,;])|\s*,\s*(?:no|none)\s*(?:$|[.,;])",
)
UNJUDGED: Final = _pattern(
    r"(?:cannot|can ?not|can't|could not) be (?:judged|assessed|determined|evaluated)|not (?:assessable|judgeable)"
)
HYPOTHETICAL: Final = _pattern(
    r"\b(?:(?<!\bi )would(?! not)|if|could become|risk of|progress(?:ion)? to|towards)\b[^,:]*$"
)
CONDITION: Final = _pattern(r" (?:would|requires?|needs?)\b")
NOT_BEFORE: Final = _pattern(
    r"(?:\b(?:not|no|without|neither|nor|rather than|short of|less than|excludes?|excluding|never|rules? out|against|than|",
    r"isn't|is no)\b|n't)(?: (?:yet|quite|a|an|the|any|as|be|been|of|for|true|frank|reach(?:ed|es|ing)?|stage|signs?|evidence|",
    r"to|in|amount to|qualify|call|it|this|eye|diagnose|sufficient|enough|meet|criteria|features?))* $",
)
NOT_AFTER: Final = _pattern(
    r" (?:is |was |can be |has been )?(?:excluded|ruled out|not (?:present|seen|met|reached)|absent|unlikely)\b",
    r"|[ a-z]{0,12}cannot be (?:made|diagnosed)\b",
)
ADJECTIVE_DENIED: Final = _pattern(
    r"\b(?:not|n't|isn't|without|no|never|neither|nor)(?: (?:a|any|very|really|clearly|at all|signs? of|been))* $"
)
FINITE: Final = _pattern(r"\b(?:is|are|was|were|has|have|can)\b")

# What counts.
_ABOUT: Final = r"(?:about |around |approx |roughly |~ ?|only |just )?"
THINGS: Final = _pattern(
    r" (?:[a-z]+ )?(?:areas?|patch(?:es)?|foci|focus|spots?|regions?|sites?|zones?|places?|locations?|points?|tufts?|fronds?|",
    r"loops?|complex(?:es)?|lesions?|in number)\b",
)
PART: Final = _pattern(
    r" (?:of (?:them|these|those|which|the|its)|(?:more|further|other|additional|smaller)\b|",
    r"in the (?:upper|lower|left|right|top|bottom|sup|inf|nasal|temp)|",
    r"lies?\b|are (?:in|at|near)\b|on the)",
)
OF_THEM: Final = _pattern(r" of them(?:$|[,)])")
COUNT_SIGN: Final = _pattern(
    r"(?:[a-z ]{0,30}[:(])?[ :=\-+()x×,]*(?:yes|certain)?[ ,:]*(?:n|no|count(?:ed)?|number)?[ =:]*(?:is |of |at )?",
    _ABOUT,
)
COUNT_VERB: Final = _pattern(
    r"\b(?:amount(?:s|ing)? to|number(?:s|ing)?|total(?:s|ling)?|count(?:s|ed|ing)?|there (?:is|are)|",
    r"i (?:see|count|find|found)|are|is|shows?|gives|yields|was|were|found|come to)",
    r"[ :,=]*(?:of |at |gives |is |to |are |as )?",
    _ABOUT,
    "$",
)
COUNT_AFTER: Final = _pattern(r" (?:in number|in total|in all|altogether|overall|by (?:my |our )?count)")
COUNT_OPENS: Final = _pattern(r"(?:(?:yes|plenty)[,: ]+)?(?:a |about |around |just |only )*")
COUNT_TOPIC: Final = _pattern(
    r"\b(?:there (?:is|are)|counts?|counted|number(?:s|ing)?|totals?|see|find|found|shows?|amounts? to)[ :,=]*(?:of |at |is |to )?",
    _ABOUT,
    "$",
)
COUNT_FOLLOWS: Final = _pattern(
    r" (?:areas?|patch(?:es)?|foci|focus|spots?|zones?|regions?|sites?|can|are|is|were|in total|have|of them can|found|seen|",
    r"visible|present)\b|$",
)
APPROXIMATE: Final = _pattern(
    r"(?:\b(?:about|around|roughly|approx(?:imately)?|some|circa|ca|nearly|almost|perhaps|maybe|or so|estimated)|~|≈)\s*$"
)

# What a length measures.
OF_FOVEA: Final = _pattern(
    r"[ ,]*(?:\(?(?:[a-z-]+ ){0,4}?)?(?:(?:from|to|off|of) (?:the )?(?:fove|cent(?:re|er)|faz|middle|avascular)|",
    r"away|distant|from it\b|out\b|off\b)",
)
DISTANCE: Final = _pattern(
    r"(?:distance|far|eccentricity|away|within reach)[a-z ,:]*$|(?:\bat|@) (?:a distance of |about |around |roughly |some )?$",
    r"|\bfove[a-z]* *(?:by|is|:|at|,|\()? *$",
)
DIRECTION: Final = _pattern(
    r" \(?(?:to the |towards the )?(?:upper|lower|left|right|above|below|super|infer|nasal|temporal|north|south|up|down|",
    r"top|bottom)",
)
WIDE: Final = _pattern(r" *(?:in )?(?:diameter|wide|width|across|in size|calibre|caliber|thick|max(?:imum)? diameter)")
WIDTH: Final = _pattern(r"(?:diameter|width|calibre|caliber|dia|diam)[a-z ,:=()]*$")
LONG: Final = _pattern(r" *(?:long|in length)")
LENGTH: Final = _pattern(r"length[a-z ,:=()]*$")
ROUNDNESS_BEFORE: Final = _pattern(r"(?:circularity|roundness)[a-z ,:=(]*$")
ROUNDNESS_AFTER: Final = _pattern(r"[ )]*(?:in |of )?circularity")
BORDER: Final = _pattern(
    r" (?:border|edge|margin|rim|side) of (?:the |this |that )?(?:largest |main )?",
    r"(?:drop-?out|non-?perf|flow|isch|patch|faz|foveal av|area)",
)
CUE_FOLLOWS: Final = _pattern(
    r"[ ,(]*(?:for |in |is |being )?(?:the )?|[a-z ]{0,45}\b(?:lies|sits|is|is found) (?:the )?"
)
OTHERS: Final = _pattern(r"\b(?:others?|rest|remaining|second|further|smaller ones?|more|also)\b")

# What a sentence without a finding speaks of.
SPEAKS: Final = _pattern(
    r"(?:it|its|they|their|these|those|this|that|the (?:border|outline|edge|rim|contour|shape|size|area))\b"
)
