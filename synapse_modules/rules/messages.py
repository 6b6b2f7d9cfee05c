"""What may be sent into a room that is no state: ciphertext, a reaction, a deletion of one's own message."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from messenger_core.account_kinds import AccountKind, RoomKind
from synapse_modules.rules.clear_text import carries_no_words
from synapse_modules.rules.reach import Refusal, Room

DELETION = "m.room.redaction"
_REACTION = "m.reaction"


@dataclass(frozen=True, slots=True)
class SentEvent:
    """An event that is to be deleted; ``sent_at`` is in milliseconds since 1970, by the server's receipt."""

    sender: str
    is_state: bool
    sent_at: int


def check_message(
    sender: AccountKind | None, room: Room | None, event_type: str, content: Mapping[str, Any]
) -> Refusal | None:
    """Whether an event that is not state may be sent; None if so."""
    if room is None or sender in {None, AccountKind.ADMIN}:
        return Refusal.NO_RIGHTS
    if room.kind is RoomKind.REQUEST:
        return Refusal.NOT_ACCEPTED_YET if room.is_open else Refusal.REQUEST_ENDED
    if carries_no_words(event_type, content):
        return None
    return Refusal.NOT_ONE_EMOJI if event_type == _REACTION else Refusal.NOT_ENCRYPTED


def is_for_readers(sender: AccountKind | None, room: Room | None, event_type: str) -> bool:
    """Whether somebody must be there to read it: what an insured person sends into a chat with a practice.

    A deletion is for whoever was there before.
    """
    in_chat = room is not None and room.kind is RoomKind.CARE
    return in_chat and sender is AccountKind.INSURED and event_type != DELETION


def check_readers(practices: Collection[str]) -> Refusal | None:
    """Whether a practice is there to read what an insured person sends; None if so.

    A practice may have left since the chat began, and another one be asked in its place.

    Args:
        practices: the memberships (``join``, ``invite``) of the practices of a chat.
    """
    if "join" in practices:
        return None
    return Refusal.NOT_ACCEPTED_YET if "invite" in practices else Refusal.PRACTICE_GONE


def check_deletion(sender: str, target: SentEvent | None, *, now: int, max_age: timedelta | None) -> Refusal | None:
    """Whether somebody may delete an event; None if so.

    People delete their own messages, at any time unless the network sets an age (A_28358: 24 hours). State is never
    deleted: without its content a room would no longer be encrypted.

    Args:
        sender: who deletes.
        target: what is deleted; None if it is not in the room.
        now: milliseconds since 1970.
        max_age: how old it may be; None for any age.
    """
    if target is None or target.sender != sender or target.is_state:
        return Refusal.NOT_DELETABLE
    if max_age is not None and now - target.sent_at > max_age / timedelta(milliseconds=1):
        return Refusal.TOO_OLD_TO_DELETE
    return None
