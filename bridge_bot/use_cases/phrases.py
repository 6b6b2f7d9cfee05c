"""Puts the texts of the catalogue together with numbers, topics and times. Insured people read two languages."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from bridge_bot.rules.conversation import Text
from bridge_bot.rules.promise import Block
from bridge_bot.rules.tickets import Ticket
from bridge_bot.rules.topics import Topic
from messenger_core.catalogue import Catalogue, Language

_WITH_TOPIC_LIST = frozenset({Text.GREETING, Text.TOPICS, Text.CHOOSE_TOPIC_FIRST, Text.TICKET_CLOSED_PERSON})


def _hours_and_minutes(span: timedelta) -> dict[str, int]:
    hours, minutes = divmod(round(abs(span.total_seconds()) / 60), 60)
    return {"hours": hours, "minutes": minutes}


class Phrases:
    """What is said to insured people and to agents."""

    def __init__(self, catalogue: Catalogue, topics: Sequence[Topic]) -> None:
        self._catalogue = catalogue
        self._topics = topics

    def to_person(self, key: str, *, topic: str | None, number: str | None, due_at: datetime | None, kept: int) -> str:
        """A text for the insured person, German first, English beside it; unused values are left out."""
        languages: tuple[Language, ...] = ("de", "en")
        values = {"number": number or "", "due": due_at or "", "kept": kept}
        parts = [
            self._catalogue.text(key, language, **values, topic=self._title(topic, language)) for language in languages
        ]
        if key in _WITH_TOPIC_LIST:
            parts.append(self._topic_list())
        return "\n\n".join(parts)

    def _title(self, key: str | None, language: Language) -> str:
        topic = next((topic for topic in self._topics if topic.key == key), None)
        if topic is None:
            return key or ""
        return topic.title_de if language == "de" else topic.title_en

    def _topic_list(self) -> str:
        return "\n".join(
            f"{number}. {topic.title_de} / {topic.title_en}" for number, topic in enumerate(self._topics, start=1)
        )

    def answer(self, text: str) -> str:
        """An agent's answer, signed by the insurer, without the agent's name."""
        return self._catalogue.text("answer", text=text)

    def thread_root(self, ticket: Ticket, *, name: str, due_at: datetime, now: datetime) -> str:
        """The first message of a ticket's thread."""
        left = due_at - now
        return self._catalogue.text(
            "thread_root",
            number=ticket.number,
            topic=self._title(ticket.topic, "de"),
            name=name or self._catalogue.text("name_unknown"),
            left=self._catalogue.text("time_left" if left >= timedelta() else "time_over", **_hours_and_minutes(left)),
            due=due_at,
        )

    def of_person(self, text: str, *, corrects: bool) -> str:
        """The text of the insured person's message, as the agents see it."""
        shown_text = text if text.strip() else self._catalogue.text("no_text")
        return self._catalogue.text("correction", text=shown_text) if corrects else shown_text

    def delivered(self, block: Block | None, at: datetime) -> str:
        """That an answer was delivered; ``block`` is what it answers, None if nothing was waiting."""
        if block is None:
            return self._catalogue.text("answer_extra", at=at)
        key = "answer_in_time" if at <= block.due_at else "answer_late"
        return self._catalogue.text(key, at=at, **_hours_and_minutes(at - block.received_at))

    def to_agents(self, key: str) -> str:
        """A text for agents that needs no values."""
        return self._catalogue.text(key)
