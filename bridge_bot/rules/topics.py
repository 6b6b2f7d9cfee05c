"""Rule: which topic (Anliegen) an insured person chooses with what she writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Topic:
    """What a request can be about, and the team that answers it."""

    key: str
    team: str
    title_de: str
    title_en: str


def chosen_topic(text: str, topics: Sequence[Topic]) -> Topic | None:
    """The topic that ``text`` names by its number in the list (from 1) or by its title in either language."""
    choice = text.strip().rstrip(".)").strip().casefold()
    for number, topic in enumerate(topics, start=1):
        if choice in {str(number), topic.title_de.casefold(), topic.title_en.casefold()}:
            return topic
    return None
