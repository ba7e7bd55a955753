"""Short guideline entries that medical questions look up, each with its source (`knowledge.json`)."""

from __future__ import annotations

import functools
import json
import re
from importlib import resources

from chiasm.case import Record
from chiasm.errors import UnknownName


class Entry(Record):
    """One entry."""

    name: str
    keywords: tuple[str, ...]
    text: str
    source: str


@functools.lru_cache(maxsize=1)
def entries() -> dict[str, Entry]:
    """Every entry by name."""
    data = json.loads(resources.files("chiasm.questions").joinpath("knowledge.json").read_text(encoding="utf-8"))
    return {name: Entry(name=name, **body) for name, body in data.items()}


def entry(name: str) -> Entry:
    """An entry by name; UnknownName where there is none."""
    known = entries()
    if name not in known:
        raise UnknownName("guideline entry", name, known)
    return known[name]


def search_entries(query: str, most: int = 2) -> list[Entry]:
    """Entries whose keywords and words occur in a query, best first; a second only if it scores at least half of the first."""
    words = set(re.findall(r"[a-z0-9-]+", query.lower()))
    scored = []
    for found in entries().values():
        held = sum(keyword in query.lower() for keyword in found.keywords)
        shared = len(words & set(re.findall(r"[a-z0-9-]+", found.text.lower())))
        if held:
            scored.append((held * 10 + shared, found))
    scored.sort(key=lambda pair: (-pair[0], pair[1].name))
    return [found for points, found in scored[:most] if points * 2 >= scored[0][0]]
