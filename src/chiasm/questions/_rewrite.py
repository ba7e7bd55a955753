"""Optional paraphrase of reasoning by any OpenAI-compatible server, kept only where it says the same.

1. Each text is asked for once per (model, instruction, text); many requests are in flight at a time.
2. Every reply is appended to a cache file as it comes, so a run that was stopped goes on where it was.
3. A reply is kept if its claims, read back, are exactly the claims of the original; else the original text stays and the reply
   is counted as thrown away, with the claims that differ.

Only texts whose claims can be read in full are sent.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from pydantic import Field

from chiasm.case import Record
from chiasm.errors import require
from chiasm.questions._item import REWRITTEN, Item
from chiasm.questions.reading import claims, differing

INSTRUCTION: Final = (
    "Rewrite this reading of a retinal OCTA image in your own words, as a careful clinician would say it. "
    "Keep every finding, number, unit, direction and the conclusion; add nothing, leave nothing out. Reply with the text only."
)


class RewriteOptions(Record):
    """Where and how to ask for paraphrases."""

    url: str
    """Base address of the server, such as "http://localhost:8000/v1"."""
    model: str
    api_key: str = "none"
    """Local servers accept any."""
    in_flight: int = Field(default=16, ge=1, le=256)
    """Requests at a time."""
    temperature: float = Field(default=0.8, ge=0, le=2)
    timeout_s: float = Field(default=60.0, gt=0)
    tries: int = Field(default=3, ge=1, le=10)
    """Attempts per text before it is given up."""
    instruction: str = INSTRUCTION


class Thrown(NamedTuple):
    """A reply that was not used."""

    item_id: str
    reason: str
    """"claims differ", "cannot be read", "holds a tag", "empty" or "server"."""
    detail: str


class Paraphrases(NamedTuple):
    """What came of it."""

    texts: dict[str, str]
    """Item id -> the paraphrase, where one was kept."""
    n_asked: int
    """Requests made in this run; the rest came from the cache."""
    n_unsuited: int
    """Texts that make no claim that the reader reads, or are not read in full: not sent."""
    thrown: tuple[Thrown, ...]

    def summary(self) -> str:
        """One line to show."""
        reasons = Counter(thrown.reason for thrown in self.thrown)
        lost = ", ".join(f"{n} {reason}" for reason, n in reasons.most_common()) or "none"
        return f"{len(self.texts)} rewritten, {len(self.thrown)} thrown away ({lost}), {self.n_unsuited} not suited"


class Rewritten(NamedTuple):
    """Items, in the order given; those with a kept paraphrase carry it and the style `REWRITTEN`."""

    items: tuple[Item, ...]
    paraphrases: Paraphrases


def rewrite_items(items: Sequence[Item], options: RewriteOptions, cache: Path) -> Rewritten:
    """Paraphrase the reasoning of items; those in other languages than English stay as they are.

    Args:
        items: Items of `ask`.
        options: The server.
        cache: A JSON-lines file; made if it is missing, added to if it is there.

    Raises:
        MissingExtra: The client library is not installed.
    """
    done = rewrite_texts({i.item_id: i.reasoning for i in items if i.language == "en"}, options, cache)
    new = (
        item.model_copy(update={"reasoning": done.texts[item.item_id], "style": REWRITTEN})
        if item.item_id in done.texts
        else item
        for item in items
    )
    return Rewritten(tuple(new), done)


def rewrite_texts(texts: Mapping[str, str], options: RewriteOptions, cache: Path) -> Paraphrases:
    """Paraphrase English texts by item id; see `rewrite_items`."""
    suited = {name: text for name, text in texts.items() if _suited(text)}
    replies = read_cache(cache)
    addresses = {name: _address(text, options) for name, text in suited.items()}
    missing = {addresses[name]: text for name, text in suited.items() if addresses[name] not in replies}
    failures: dict[str, str] = {}
    if missing:
        replies |= asyncio.run(_ask_all(missing, options, cache, failures))
    kept: dict[str, str] = {}
    thrown: list[Thrown] = []
    for name, text in suited.items():
        address = addresses[name]
        if address not in replies:
            thrown.append(Thrown(name, "server", failures.get(address, "no reply")))
            continue
        new = " ".join(replies[address].split())
        reason, detail = _fault(text, new)
        if reason:
            thrown.append(Thrown(name, reason, detail))
        else:
            kept[name] = new
    return Paraphrases(kept, len(missing), len(texts) - len(suited), tuple(thrown))


def read_cache(cache: Path) -> dict[str, str]:
    """Address -> reply; a last line that was cut off is ignored, as its request is made again."""
    if not cache.exists():
        return {}
    replies: dict[str, str] = {}
    for line in cache.read_text(encoding="utf-8").splitlines():
        try:
            entry = json.loads(line)
            replies[entry["address"]] = entry["reply"]
        except (ValueError, KeyError, TypeError):
            continue
    return replies


def _suited(text: str) -> bool:
    reading = claims(text)
    return bool(reading.claims) and not reading.unread


def _address(text: str, options: RewriteOptions) -> str:
    parts = (options.model, options.instruction, f"{options.temperature:g}", text)
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()


def _fault(text: str, new: str) -> tuple[str, str]:
    """Why a paraphrase is thrown away, and in what it differs; two empty texts where it is kept."""
    if not new:
        return "empty", ""
    if new == text:
        return "unchanged", ""
    if tag := re.search(r"</?[a-z_]+ ?/?>", new, re.IGNORECASE):  # it would end the reasoning, or answer in its midst
        return "holds a tag", tag.group()
    if (theirs := claims(new)).unread:
        return "cannot be read", theirs.unread[0]
    other = differing(claims(text), theirs)
    return ("claims differ", other) if other else ("", "")


async def _ask_all(
    missing: dict[str, str], options: RewriteOptions, cache: Path, failures: dict[str, str]
) -> dict[str, str]:
    openai: Any = require("openai", "api")
    gate = asyncio.Semaphore(options.in_flight)
    replies: dict[str, str] = {}
    cache.parent.mkdir(parents=True, exist_ok=True)
    async with openai.AsyncOpenAI(
        base_url=options.url, api_key=options.api_key, timeout=options.timeout_s, max_retries=options.tries - 1
    ) as client:
        with cache.open("a", encoding="utf-8") as file:

            async def one(address: str, text: str) -> None:
                messages = [
                    {"role": "system", "content": options.instruction},
                    {"role": "user", "content": text},
                ]
                async with gate:
                    try:
                        answer = await client.chat.completions.create(
                            model=options.model, messages=messages, temperature=options.temperature
                        )
                    except openai.OpenAIError as error:
                        failures[address] = f"{type(error).__name__}: {error}"
                        return
                reply = answer.choices[0].message.content or ""
                replies[address] = reply
                file.write(json.dumps({"address": address, "reply": reply}, ensure_ascii=False) + "\n")
                file.flush()

            await asyncio.gather(*(one(address, text) for address, text in missing.items()))
    return replies
