"""Which changes of a chat an insured person is told in her service room, and for how long that is worth it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

TEXT_OF_CHANGE: Mapping[str, str] = {
    "left-alone": "chat_left_alone",
    "practice-pauses": "chat_practice_pauses",
    "room-left": "chat_left",
}
"""The homeserver's word for a change, and the text of ``texts.yaml`` for it."""

# Who has not opened her service room for so long is not told old news.
_WORTH_TELLING = timedelta(days=30)


def is_worth_telling(happened_at: datetime, now: datetime) -> bool:
    """Whether a change is still news to a person who was not told of it yet."""
    return now - happened_at <= _WORTH_TELLING
