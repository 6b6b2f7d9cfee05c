"""What a message is in a ticket, and what agents are told about one."""

from __future__ import annotations

from enum import StrEnum


class Direction(StrEnum):
    """Where a message goes, or why nowhere; kept with it."""

    IN = "in"
    """From the insured person to the team."""
    OUT = "out"
    """An agent's answer."""
    NOTE = "note"
    """An agent's own; it stays in the team."""
    NOTICE = "notice"
    """The messenger's own."""
    CHOICE = "choice"
    """The person's choice of a topic, or a command."""
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    """The person deleted it before it was relayed."""
    LAPSED = "lapsed"
    """The membership ended before a topic was chosen."""


class AgentText(StrEnum):
    """What agents are told; the values are keys of the text catalogue."""

    INTERNAL_NOTE = "internal_note"
    UNKNOWN_COMMAND = "unknown_command"
    NOT_IN_THREAD = "not_in_thread"
    EDIT_NOT_SENT = "edit_not_sent"
    AGENT_ENDED = "agent_ended"
    DEVICE_NOT_SIGNED = "device_not_signed"
    IDENTITY_CHANGED = "identity_changed"
    TICKET_IS_CLOSED = "ticket_is_closed"
    CLOSE_NEEDS_REASON = "close_needs_reason"
    TICKET_CLOSED = "ticket_closed"
    TICKET_CLOSED_MEMBERSHIP = "ticket_closed_membership"
    ANSWER_DELIVERED = "answer_delivered"
    """Which of three texts says it depends on when it was."""
    ANSWER_NOT_READABLE_EVERYWHERE = "answer_not_readable_everywhere"
    ANSWER_NOT_TAKEN = "answer_not_taken"
    ANSWER_OF_NOBODY = "answer_of_nobody"
    ANSWER_UNDELIVERED = "answer_undelivered"
    FILE_NOT_SENT = "file_not_sent"
    FILE_NOT_READABLE = "file_not_readable"
    MESSAGE_NOT_TAKEN = "message_not_taken"
