"""Reads and builds the content of Matrix messages; whatever clients send, nothing here fails."""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from typing import Any

from messenger_core.matrix import ReceivedEvent

_FILES = frozenset({"m.file", "m.image", "m.audio", "m.video"})
_MESSAGE_TYPES = frozenset({"m.room.message", "m.sticker"})


def is_message(event: ReceivedEvent) -> bool:
    """Whether people see the event as a message; the handshakes of device verification are none."""
    verification = str(event.content.get("msgtype", "")).startswith("m.key.verification.")
    return event.type in _MESSAGE_TYPES and not verification


def replaces(content: Mapping[str, Any]) -> str | None:
    """The event that an edit (``m.replace``) corrects, None for any other message."""
    relation = content.get("m.relates_to")
    if isinstance(relation, dict) and relation.get("rel_type") == "m.replace":
        return str(relation.get("event_id"))
    return None


def _current(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """The content itself, or what an edit puts in its place."""
    new = content.get("m.new_content")
    return new if replaces(content) is not None and isinstance(new, dict) else content


def is_file(content: Mapping[str, Any]) -> bool:
    """Whether a new file is sent; the edit of one only changes its caption."""
    return replaces(content) is None and content.get("msgtype") in _FILES


def text_of(content: Mapping[str, Any]) -> str:
    """The plain text of a message, empty if it has none."""
    body = _current(content).get("body")
    return body if isinstance(body, str) else ""


def caption_of(content: Mapping[str, Any]) -> str:
    """The caption of a file: its body, if the file's name stands beside it (Matrix 1.10, media captions)."""
    body, name = content.get("body"), content.get("filename")
    return body if isinstance(body, str) and isinstance(name, str) and body != name else ""


def media_of(content: Mapping[str, Any]) -> Iterator[str]:
    """The addresses of all files that a message names: the file and its thumbnail, encrypted or not."""
    info = content.get("info")
    info = info if isinstance(info, dict) else {}
    for holder in (content.get("file"), content, info.get("thumbnail_file"), {"url": info.get("thumbnail_url")}):
        url = holder.get("url") if isinstance(holder, Mapping) else None
        if isinstance(url, str) and url.startswith("mxc://"):
            yield url


def notice(text: str) -> dict[str, Any]:
    """A message of the bot itself."""
    return {"msgtype": "m.notice", "body": text}


def thread_relation(root_event_id: str) -> dict[str, Any]:
    """Puts a message into a thread; clients without threads show it as a reply to the first message."""
    return {
        "rel_type": "m.thread",
        "event_id": root_event_id,
        "is_falling_back": True,
        "m.in_reply_to": {"event_id": root_event_id},
    }


def with_emphasized_first_line(text: str) -> dict[str, Any]:
    """A message whose first line stands out, in clients that show HTML."""
    first, *others = [html.escape(line) for line in text.splitlines()]
    return {
        "msgtype": "m.text",
        "body": text,
        "format": "org.matrix.custom.html",
        "formatted_body": "<br>".join([f"<strong>{first}</strong>", *others]),
    }
