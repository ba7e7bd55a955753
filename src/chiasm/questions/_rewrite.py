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
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from pydantic import Field

from chiasm.case import Record
from chiasm.errors import require
from chiasm.questions._item import Item
from chiasm.questions.reading import claims, said

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
    """"claims differ", "cannot be read", "empty" or "server"."""
    detail: str


class Rewritten(NamedTuple):
    """What came of it."""

    items: tuple[Item, ...]
    """In the order given; those with a kept paraphrase carry it."""
    n_kept: int
    n_asked: int
    """Requests made in this run; the rest came from the cache."""
    n_unsuited: int
    """Items whose text makes no claim that the reader reads, or is not read in full: not sent."""
    thrown: tuple[Thrown, ...]

    def text(self) -> str:
        """One line to show."""
        reasons = Counter(thrown.reason for thrown in self.thrown)
        lost = ", ".join(f"{n} {reason}" for reason, n in reasons.most_common()) or "none"
        return f"{self.n_kept} rewritten, {len(self.thrown)} thrown away ({lost}), {self.n_unsuited} not suited"


def rewrite_items(items: Sequence[Item], options: RewriteOptions, cache: Path) -> Rewritten:
    """Paraphrase the reasoning of items.

    Args:
        items: Items of `ask`, in English.
        options: The server.
        cache: A JSON-lines file; made if it is missing, added to if it is there.

    Raises:
        MissingExtra: The client library is not installed.
    """
    suited = {item.item_id: item for item in items if _suited(item)}
    replies = read_cache(cache)
    wanted = {_address(item, options): item for item in suited.values()}
    missing = {address: item for address, item in wanted.items() if address not in replies}
    failures: dict[str, str] = {}
    if missing:
        replies |= asyncio.run(_ask_all(missing, options, cache, failures))
    out: list[Item] = []
    thrown: list[Thrown] = []
    for item in items:
        address = _address(item, options)
        if item.item_id not in suited:
            out.append(item)
        elif address not in replies:
            out.append(item)
            thrown.append(Thrown(item.item_id, "server", failures.get(address, "no reply")))
        else:
            kept, lost = _judged(item, replies[address])
            out.append(kept)
            thrown += [lost] if lost is not None else []
    n_kept = len(suited) - len(thrown)
    return Rewritten(tuple(out), n_kept, len(missing), len(items) - len(suited), tuple(thrown))


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


def _suited(item: Item) -> bool:
    reading = claims(item.reasoning)
    return item.language == "en" and bool(reading.claims) and not reading.unread


def _address(item: Item, options: RewriteOptions) -> str:
    parts = (options.model, options.instruction, f"{options.temperature:g}", item.reasoning)
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()


def _judged(item: Item, reply: str) -> tuple[Item, Thrown | None]:
    text = " ".join(reply.split())
    if not text:
        return item, Thrown(item.item_id, "empty", "")
    mine, theirs = claims(item.reasoning), claims(text)
    if theirs.unread:
        return item, Thrown(item.item_id, "cannot be read", theirs.unread[0])
    before, after = said(mine), said(theirs)
    if before != after:
        signed = (("lost", before - after), ("added", after - before))
        detail = "; ".join(f"{sign} {' '.join(claim)}" for sign, some in signed for claim in sorted(some))
        return item, Thrown(item.item_id, "claims differ", detail)
    return item.model_copy(update={"reasoning": text, "rewritten": True}), None


async def _ask_all(
    missing: dict[str, Item], options: RewriteOptions, cache: Path, failures: dict[str, str]
) -> dict[str, str]:
    openai: Any = require("openai", "api")
    gate = asyncio.Semaphore(options.in_flight)
    replies: dict[str, str] = {}
    cache.parent.mkdir(parents=True, exist_ok=True)
    async with openai.AsyncOpenAI(
        base_url=options.url, api_key=options.api_key, timeout=options.timeout_s, max_retries=options.tries - 1
    ) as client:
        with cache.open("a", encoding="utf-8") as file:

            async def one(address: str, item: Item) -> None:
                messages = [
                    {"role": "system", "content": options.instruction},
                    {"role": "user", "content": item.reasoning},
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

            await asyncio.gather(*(one(address, item) for address, item in missing.items()))
    return replies
