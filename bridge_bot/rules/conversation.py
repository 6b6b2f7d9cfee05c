"""Rule: what becomes of each message of an insured person. None is lost, whether a topic was chosen or not.

Source: HEK FAQ, HEK Messenger: "Anschließend wählen Sie Ihr Anliegen aus und können uns eine Nachricht senden."
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from bridge_bot.rules.topics import Topic, chosen_topic

TOPIC_COMMANDS = frozenset({"!thema", "!topic"})


class Text(StrEnum):
    """What the person is told; the values are keys of the text catalogue."""

    GREETING = "greeting"
    TOPICS = "topics"
    TICKET_STILL_OPEN = "ticket_still_open"
    CHOOSE_TOPIC_FIRST = "choose_topic_first"
    KEPT_UNTIL_TOPIC = "kept_until_topic"
    TOPIC_CHOSEN = "topic_chosen"
    TICKET_OPENED = "ticket_opened"
    TICKET_CLOSED_PERSON = "ticket_closed_person"
    NOT_ENCRYPTED = "not_encrypted"
    FILE_NOT_READABLE_PERSON = "file_not_readable_person"
    MESSAGE_NOT_TAKEN_PERSON = "message_not_taken_person"


@dataclass(frozen=True, slots=True)
class Conversation:
    """Where a person's conversation with her insurer stands.

    Attributes:
        topic: the key of the topic chosen for the next ticket.
        ticket_open: whether a ticket is open; everything she writes then belongs to it.
        kept: how many messages wait for a topic.
    """

    topic: str | None = None
    ticket_open: bool = False
    kept: int = 0


@dataclass(frozen=True, slots=True)
class Incoming:
    """One message of the person: its text, or None for a file."""

    text: str | None


class Placement(StrEnum):
    """Where a message goes."""

    COMMAND = "command"
    """It was meant for the bot: a choice of topic or a command."""
    KEPT = "kept"
    """It waits until a topic is chosen."""
    RELAYED = "relayed"
    """It goes to the ticket, after all messages that were kept."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do with one message.

    Attributes:
        conversation: how it stands afterwards.
        placement: where the message goes.
        open_ticket: the topic's key if a ticket is opened, with all kept messages in their order.
        tell: what the person is told, or None.
    """

    conversation: Conversation
    placement: Placement
    open_ticket: str | None = None
    tell: Text | None = None


def decide(conversation: Conversation, incoming: Incoming, topics: Sequence[Topic]) -> Decision:
    """Decides on one message of the person; call it once a message, in their order."""
    if incoming.text is not None and incoming.text.strip().casefold() in TOPIC_COMMANDS:
        if conversation.ticket_open:
            return Decision(conversation, Placement.COMMAND, tell=Text.TICKET_STILL_OPEN)
        return Decision(replace(conversation, topic=None), Placement.COMMAND, tell=Text.TOPICS)
    if conversation.ticket_open:
        return Decision(conversation, Placement.RELAYED)
    if conversation.topic not in {topic.key for topic in topics}:
        # The operator may have taken the topic out of the settings since; no team would answer it.
        conversation = replace(conversation, topic=None)
    return _before_ticket(conversation, incoming, topics)


def _before_ticket(conversation: Conversation, incoming: Incoming, topics: Sequence[Topic]) -> Decision:
    choice = chosen_topic(incoming.text, topics) if incoming.text is not None else None
    if choice is not None and conversation.kept == 0:
        return Decision(replace(conversation, topic=choice.key), Placement.COMMAND, tell=Text.TOPIC_CHOSEN)
    if choice is not None:
        return _opened(choice.key, Placement.COMMAND)
    if conversation.topic is not None:
        return _opened(conversation.topic, Placement.RELAYED)
    tell = Text.CHOOSE_TOPIC_FIRST if conversation.kept == 0 else Text.KEPT_UNTIL_TOPIC
    return Decision(replace(conversation, kept=conversation.kept + 1), Placement.KEPT, tell=tell)


def _opened(topic: str, placement: Placement) -> Decision:
    after = Conversation(topic=None, ticket_open=True, kept=0)
    return Decision(after, placement, open_ticket=topic, tell=Text.TICKET_OPENED)
