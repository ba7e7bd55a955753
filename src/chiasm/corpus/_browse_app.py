"""The browser's pages, as a FastAPI application; imported only where the extra `web` is installed.

Server-rendered; the script only draws overlays and listens to keys. Nothing is loaded from elsewhere: the Content-Security-
Policy allows this server alone, and no inline script or style. Text from the data is escaped by the templates. Rows are
addressed by number, so that no path comes from the client; the server answers to its own names.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import numpy as np
from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.staticfiles import StaticFiles
from fastapi.templating import Jinja2Templates
from starlette.middleware.trustedhost import TrustedHostMiddleware

from chiasm.case import term
from chiasm.corpus._browse_index import FILTERS, BrowseIndex
from chiasm.corpus._dataset import DataSet
from chiasm.errors import UnknownName
from chiasm.questions import Trace
from chiasm.questions.language import split_sentences

PAGE: Final = 48
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
_DRAWN: Final = ("term", "image", "visible", "box", "points", "polyline", "mask_size", "mask_counts")
_HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def make_app(data: DataSet, hosts: tuple[str, ...]) -> FastAPI:
    """The pages of a data set, answering to these host names alone."""
    here = Path(__file__).parent
    pages = _Pages(data, Jinja2Templates(directory=here / "templates"))
    app = FastAPI(title="chiasm browse", openapi_url=None)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))
    app.mount("/static", StaticFiles(directory=here / "static"))
    app.get("/")(pages.list)
    app.get("/item/{number}")(pages.item)
    app.get("/image/{number}/{position}")(pages.image)

    @app.middleware("http")
    async def _guard(request: Request, proceed: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await proceed(request)
        response.headers.update(_HEADERS)
        return response

    return app


class _Pages:
    """The three things that are served."""

    def __init__(self, data: DataSet, templates: Jinja2Templates) -> None:
        self._name, self._index, self._templates = data.where.resolve().name, BrowseIndex(data), templates

    def list(self, request: Request, page: int = 0) -> Response:
        """Thumbnails of the questions that fit the filters."""
        wanted = _wanted(request)
        rows = self._index.select(wanted)
        page = min(max(page, 0), max((len(rows) - 1) // PAGE, 0))
        shown = rows[page * PAGE : (page + 1) * PAGE].tolist()
        context = {
            "name": self._name,
            "total": self._index.size,
            "found": len(rows),
            "cards": [self._index.brief(n) | {"number": n} for n in shown],
            "values": self._index.values | {"finding": self._index.terms},
            "wanted": wanted,
            "query": urlencode(wanted),
            "page": page,
            "pages": (len(rows) + PAGE - 1) // PAGE,
        }
        return self._templates.TemplateResponse(request, "list.html", context)

    def item(self, request: Request, number: int) -> Response:
        """One question with its pictures, overlays, reasoning and answer."""
        row = self._row(number)
        wanted = _wanted(request)
        rows = self._index.select(wanted)
        at = int(np.searchsorted(rows, number))
        inside = at < len(rows) and rows[at] == number
        context = {
            "name": self._name,
            "number": number,
            "row": row,
            "place": at + 1 if inside else None,
            "found": len(rows),
            "before": int(rows[at - 1]) if at > 0 else None,
            "after": int(rows[at + inside]) if at + inside < len(rows) else None,
            "page": at // PAGE,
            "query": urlencode(wanted),
            "sentences": sentences(row),
            "drawing": {"findings": [_drawn(finding) for finding in row["findings"]]},
            "key": json.loads(row["key"]),
            "facts": _facts(row),
            "stage": _stage(row),
            "answer": _answer(row),
            "captions": [_caption(view) for view in row["views"]],
        }
        return self._templates.TemplateResponse(request, "item.html", context)

    def image(self, request: Request, number: int, position: int) -> Response:
        """One picture of a question, as stored."""
        images = self._row(number)["images"]
        if not 0 <= position < len(images):
            raise HTTPException(404, f"row {number} has {len(images)} images")
        content: bytes = images[position]["bytes"]
        tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        headers = {"ETag": tag, "Cache-Control": "private, max-age=3600"}
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers=headers)
        return Response(content, media_type="image/png", headers=headers)

    def _row(self, number: int) -> dict[str, Any]:
        try:
            return self._index.row(number)
        except IndexError:
            raise HTTPException(404, f"there is no row {number}") from None


def sentences(row: dict[str, Any]) -> list[dict[str, Any]]:
    """The reasoning's sentences, each with the ids of the findings used since the sentence before it.

    A step that speaks often only judges what the steps before it found, so its own evidence is not enough. Where text and
    trace do not match, sentences have none.
    """
    trace = Trace.model_validate_json(row["trace"])
    proofs: list[list[str]] = []
    used: set[str] = set()
    for step in trace.steps:
        used |= {evidence.finding_id for evidence in step.evidence}
        proofs += [sorted(used)] * len(step.statements)
        if step.statements:
            used = set()
    texts = split_sentences(row["reasoning"])
    if len(texts) != len(proofs):
        proofs = [[]] * len(texts)
    return [{"text": text, "evidence": proof} for text, proof in zip(texts, proofs, strict=True)]


def _wanted(request: Request) -> dict[str, str]:
    asked = {name: request.query_params.get(name, "")[:200] for name in (*FILTERS, "finding", "text")}
    return {name: value for name, value in asked.items() if value}


def _drawn(finding: dict[str, Any]) -> dict[str, Any]:
    """What the overlay script needs of a finding; its kind decides the colour where its term has none."""
    return {"id": finding["finding_id"], "kind": _kind(finding["term"])} | {name: finding[name] for name in _DRAWN}


def _kind(name: str) -> str:
    try:
        return term(name).kind
    except UnknownName:
        return "lesion"


def _stage(row: dict[str, Any]) -> str:
    """The stage of all lesions, and where the first image shows less, the stage that it shows."""
    drawn = row["stage"] or "stage unknown"
    shown = {f.get("view_id"): f["value"] for f in json.loads(row["facts"]) if f["name"] == "stage_visible"}
    first = row["views"][0]["view_id"] if row["views"] else None
    return drawn if shown.get(first, drawn) == drawn else f"eye {drawn}, of which the image shows {shown[first]}"


def _answer(row: dict[str, Any]) -> str:
    """The answer; of a choice, its letter with the option's words."""
    place = ord(row["answer"]) - ord("A") if len(row["answer"]) == 1 else -1
    return f"{row['answer']}) {row['options'][place]}" if 0 <= place < len(row["options"]) else row["answer"]


def _caption(view: dict[str, Any]) -> str:
    told = json.loads(view["attributes"])
    field = f"{told['fov_mm']:g} mm" if "fov_mm" in told else None
    change = None if view["change"] == "none" else f"changed: {view['change']}"
    parts = (view["view_id"], view["modality"], told.get("slab"), field, told.get("profile"), change)
    return " · ".join(part for part in parts if part)


def _facts(row: dict[str, Any]) -> list[tuple[str, str]]:
    told = []
    for fact in json.loads(row["facts"]):
        value = fact["value"]
        shown = f"{value:.4g}" if isinstance(value, float) else str(value)
        unit = fact.get("unit")
        told.append((fact["name"], shown + (f" {unit}" if unit and unit != "1" else "")))
    return told
