"""One row as others write a conversation."""

from __future__ import annotations

import base64
from typing import Any

from chiasm.errors import InvalidInput

_TAG = "<image>"


def sharegpt_row(row: dict[str, Any], pictures: list[str]) -> dict[str, Any]:
    """OpenAI roles, text with an `<image>` tag for each picture."""
    messages = [{"role": m["role"], "content": _tagged(row, m, "")} for m in row["messages"]]
    return {"messages": messages, "images": pictures}


def llava_row(row: dict[str, Any], pictures: list[str]) -> dict[str, Any]:
    """LLaVA's conversations; `image` is one path, or a list where the question shows several."""
    speakers = {"user": "human", "assistant": "gpt", "system": "system"}
    conversations = [{"from": speakers[m["role"]], "value": _tagged(row, m, "\n")} for m in row["messages"]]
    shown: str | list[str] = pictures[0] if len(pictures) == 1 else pictures
    return {"id": row["item_id"], "image": shown, "conversations": conversations}


def openai_row(row: dict[str, Any], _pictures: list[str]) -> dict[str, Any]:
    """OpenAI's chat form; pictures as data URLs."""
    images = iter(row["images"])
    messages: list[dict[str, Any]] = []
    for message in row["messages"]:
        if message["role"] == "assistant":
            messages.append({"role": "assistant", "content": "".join(p["text"] or "" for p in message["content"])})
            continue
        content: list[dict[str, Any]] = []
        for part in message["content"]:
            if part["type"] == "image":
                url = "data:image/png;base64," + base64.b64encode(next(images)["bytes"]).decode()
                content.append({"type": "image_url", "image_url": {"url": url}})
            else:
                content.append({"type": "text", "text": part["text"]})
        messages.append({"role": message["role"], "content": content})
    return {"messages": messages}


def _tagged(row: dict[str, Any], message: dict[str, Any], after: str) -> str:
    parts = []
    for part in message["content"]:
        if part["type"] == "image":
            parts.append(_TAG + after)
        elif _TAG in (part["text"] or ""):
            msg = f"item {row['item_id']} has the tag {_TAG} in its text, which this form reads as a picture; it cannot be exported"
            raise InvalidInput(msg)
        else:
            parts.append(part["text"] or "")
    return "".join(parts)
