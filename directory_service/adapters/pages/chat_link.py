"""How a patient asks a practice for a chat: a ``matrix:`` link (Matrix URI scheme), and the same as a QR code.

Whichever Matrix client is installed opens it; no website in between learns who is written to.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import segno
from markupsafe import Markup

from directory_service.rules.fhir.items import matrix_uri


@dataclass(frozen=True, slots=True)
class ChatLink:
    """An address to write to: as a link, as its user id, and as a QR code (SVG)."""

    uri: str
    user_id: str
    qr_code: Markup


@lru_cache(4096)
def chat_link(user_id: str) -> ChatLink:
    """The link that starts a chat with an account."""
    uri = f"{matrix_uri(user_id)}?action=chat"
    drawn = segno.make(uri, error="m", micro=False).svg_inline(
        scale=4, border=4, dark="#000", light="#fff", omitsize=True, svgclass=None, lineclass=None
    )
    # segno writes nothing of the text into the drawing, only its modules.
    return ChatLink(uri, user_id, Markup(drawn))  # noqa: S704 - made by segno, see above
