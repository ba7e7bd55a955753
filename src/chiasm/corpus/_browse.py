"""A local page to look through a data set: filters, overlays, and reasoning whose sentences light their evidence."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from chiasm.corpus._dataset import open_dataset
from chiasm.errors import require

if TYPE_CHECKING:
    from fastapi import FastAPI


def browse(where: str | Path, *, port: int = 8000) -> None:
    """Serve the page of a data set on this machine until interrupted.

    Args:
        where: The data set's folder.
        port: TCP port on the loopback [1 to 65535].

    Raises:
        MissingExtra: The extra `web` is not installed.
        InvalidInput: There is no data set there, or it has other columns than ours.
    """
    uvicorn = require("uvicorn", "web")
    uvicorn.run(browse_app(where), host="127.0.0.1", port=port, log_level="warning")


def browse_app(where: str | Path, *, hosts: tuple[str, ...] = ("localhost", "127.0.0.1")) -> FastAPI:
    """The page as an ASGI application.

    Args:
        where: The data set's folder.
        hosts: Names under which it answers; others are refused, so that no other site can reach it through a browser.

    Raises:
        MissingExtra: The extra `web` is not installed.
        InvalidInput: There is no data set there, or it has other columns than ours.
    """
    require("fastapi", "web")
    from chiasm.corpus._browse_app import make_app

    return make_app(open_dataset(where), hosts)
