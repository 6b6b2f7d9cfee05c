"""Who may reach whom: who opens which kind of room, who is invited, joins and writes there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from messenger_core.account_kinds import AccountKind, RoomKind
from synapse_modules.rules.clear_text import carries_no_words

CHAT_WITH_PRACTICE = frozenset({RoomKind.REQUEST, RoomKind.CARE})
# What keeps a room private and encrypted never changes after it was made.
_STATE_FIXED = frozenset(
    {
        "m.room.create",
        "m.room.encryption",
        "m.room.guest_access",
        "m.room.history_visibility",
        "m.room.join_rules",
        "m.room.power_levels",
        "m.room.server_acl",
        "m.room.tombstone",
    }
)


class Refusal(StrEnum):
    """Why something is refused; each has a text in ``texts.yaml``."""

    NO_RIGHTS = "no-rights"
    ONE_INVITEE = "one-invitee"
    NOT_REACHABLE = "not-reachable"
    TRY_LATER = "try-later"
    NOT_INVITED = "not-invited"
    NOT_ACCEPTED_YET = "not-accepted-yet"
    NOT_ENCRYPTED = "not-encrypted"
    STATE_FIXED = "state-fixed"
    PROFILE_FIXED = "profile-fixed"


@dataclass(frozen=True, slots=True)
class Party:
    """An account as the rules see it; one that is not live has no rights and is not reached."""

    user_id: str
    kind: AccountKind | None
    live: bool
    reachable: bool = False
    """Whether the directory says that insured people may reach it; for practices only."""

    def may_act(self, *kinds: AccountKind) -> bool:
        """Whether it is live and of one of the kinds."""
        return self.live and self.kind in kinds


@dataclass(frozen=True, slots=True)
class House:
    """The insurer's two accounts that insured people meet."""

    support: str
    service: str


@dataclass(frozen=True, slots=True)
class RoomPlan:
    """What a room will be."""

    kind: RoomKind
    insured_user_id: str | None


@dataclass(frozen=True, slots=True)
class Room:
    """A room as the rules see it."""

    room_id: str
    kind: RoomKind
    insured_user_id: str | None


def plan_room(
    creator: Party, invitees: Sequence[Party], house: House, *, reachability_known: bool, admitted: bool
) -> RoomPlan | Refusal:
    """What room a creator may open with those invited.

    An insured person cannot tell from the refusal whether somebody is unknown, insured, an agent or a practice that
    did not opt in; nor can she when it is not known who may be reached.

    Args:
        creator: who opens it.
        invitees: who is to be invited.
        house: the insurer's accounts.
        reachability_known: whether the set of reachable practices is recent enough to be used.
        admitted: whether every invited side lets itself be invited by the creator (``permission.Permission``).
    """
    plan: RoomPlan | Refusal
    if creator.may_act(AccountKind.INSURED):
        plan = _plan_of_insured(creator, invitees, house, reachability_known=reachability_known)
    elif creator.may_act(AccountKind.PRACTICE):
        plan = _plan_with_one_insured(invitees, RoomKind.REQUEST)
    else:
        return _plan_of_house(creator, invitees, house)
    return plan if admitted or isinstance(plan, Refusal) else Refusal.NOT_REACHABLE


def _plan_of_house(creator: Party, invitees: Sequence[Party], house: House) -> RoomPlan | Refusal:
    if creator.may_act(AccountKind.SERVICE) and creator.user_id == house.support:
        if all(invitee.may_act(AccountKind.AGENT) for invitee in invitees):
            return RoomPlan(RoomKind.TEAM, None)
        return _plan_with_one_insured(invitees, RoomKind.SUPPORT)
    if creator.may_act(AccountKind.SERVICE) and creator.user_id == house.service:
        return _plan_with_one_insured(invitees, RoomKind.SERVICE)
    return Refusal.NO_RIGHTS


def _plan_of_insured(
    creator: Party, invitees: Sequence[Party], house: House, *, reachability_known: bool
) -> RoomPlan | Refusal:
    if len(invitees) != 1:
        return Refusal.ONE_INVITEE
    [invitee] = invitees
    if invitee.user_id == house.support and invitee.may_act(AccountKind.SERVICE):
        return RoomPlan(RoomKind.SUPPORT, creator.user_id)
    if invitee.user_id == house.service and invitee.may_act(AccountKind.SERVICE):
        return RoomPlan(RoomKind.SERVICE, creator.user_id)
    if not reachability_known:
        return Refusal.TRY_LATER
    if invitee.may_act(AccountKind.PRACTICE) and invitee.reachable:
        return RoomPlan(RoomKind.REQUEST, creator.user_id)
    return Refusal.NOT_REACHABLE


def _plan_with_one_insured(invitees: Sequence[Party], kind: RoomKind) -> RoomPlan | Refusal:
    if len(invitees) != 1:
        return Refusal.ONE_INVITEE
    [invitee] = invitees
    return RoomPlan(kind, invitee.user_id) if invitee.may_act(AccountKind.INSURED) else Refusal.NOT_REACHABLE


def check_invitation(
    inviter: Party,
    invitee: Party,
    room: Room | None,
    house: House,
    *,
    has_practice: bool,
    reachability_known: bool,
    admitted: bool,
) -> Refusal | None:
    """Whether somebody may invite somebody into a room; None if so.

    Args:
        inviter: who invites.
        invitee: who is invited.
        room: the room; None if it is not one of ours.
        house: the insurer's accounts.
        has_practice: whether a practice other than the invitee is in the room or invited.
        reachability_known: whether the set of reachable practices is recent enough to be used.
        admitted: whether the invited side lets itself be invited by the inviter (``permission.Permission``).
    """
    if room is None or not inviter.live:
        return Refusal.NO_RIGHTS
    is_persons_room = inviter.user_id == room.insured_user_id and inviter.may_act(AccountKind.INSURED)
    invites_person = invitee.user_id == room.insured_user_id and invitee.may_act(AccountKind.INSURED)
    allowed = False
    match room.kind:
        case RoomKind.REQUEST | RoomKind.CARE:
            if is_persons_room and not reachability_known:
                return Refusal.TRY_LATER
            reaches = invitee.may_act(AccountKind.PRACTICE) and invitee.reachable and not has_practice
            allowed = (is_persons_room and reaches) or (inviter.may_act(AccountKind.PRACTICE) and invites_person)
        case RoomKind.SUPPORT:
            writes_to_house = is_persons_room and invitee.user_id == house.support
            allowed = writes_to_house or (inviter.user_id == house.support and invites_person)
        case RoomKind.SERVICE:
            writes_to_house = is_persons_room and invitee.user_id == house.service
            allowed = writes_to_house or (inviter.user_id == house.service and invites_person)
        case RoomKind.TEAM:
            allowed = inviter.user_id == house.support and invitee.may_act(AccountKind.AGENT)
    return None if allowed and (admitted or _is_of_house(inviter, house)) else Refusal.NOT_REACHABLE


def _is_of_house(inviter: Party, house: House) -> bool:
    """Whether HEK itself writes: what it has to tell about an account cannot be refused beforehand."""
    return inviter.user_id in {house.support, house.service}


def check_join(user: Party, room: Room | None, house: House, *, is_invited: bool, is_member: bool) -> Refusal | None:
    """Whether an account may join a room; None if so.

    A member's own changed name is a join as well, also where the homeserver marks a locked one as out of reach.
    """
    if room is None or not (user.live or is_member):
        return Refusal.NO_RIGHTS
    belongs = {
        RoomKind.REQUEST: user.kind is AccountKind.PRACTICE,
        RoomKind.CARE: user.kind is AccountKind.PRACTICE,
        RoomKind.SUPPORT: user.user_id == house.support,
        RoomKind.SERVICE: user.user_id == house.service,
        RoomKind.TEAM: user.kind is AccountKind.AGENT or user.user_id == house.support,
    }[room.kind] or (user.kind is AccountKind.INSURED and user.user_id == room.insured_user_id)
    if not belongs:
        return Refusal.NO_RIGHTS
    return None if is_invited or is_member else Refusal.NOT_INVITED


def check_message(sender: Party, room: Room | None, event_type: str, content: Mapping[str, Any]) -> Refusal | None:
    """Whether an event that is not state may be sent; None if so."""
    if room is None or not sender.live or sender.kind in {None, AccountKind.ADMIN}:
        return Refusal.NO_RIGHTS
    if room.kind is RoomKind.REQUEST:
        return Refusal.NOT_ACCEPTED_YET
    return None if carries_no_words(event_type, content) else Refusal.NOT_ENCRYPTED


def check_state(sender: Party, room: Room | None, event_type: str) -> Refusal | None:
    """Whether a state event may be sent after a room was made; None if so. Members are judged by their own rules."""
    if event_type == "m.room.member":
        return None
    if room is None or not sender.live:
        return Refusal.NO_RIGHTS
    if sender.kind is not AccountKind.SERVICE or event_type in _STATE_FIXED:
        return Refusal.STATE_FIXED
    return None


def may_name_rooms(user: Party) -> bool:
    """Whether an account may give a room an alias, a name or a topic."""
    return user.may_act(AccountKind.SERVICE)


def is_hidden_from(found: Party, asking: Party) -> bool:
    """Whether a search hides an account.

    Insured people are hidden always, administrators from everybody but administrators since they are in no
    conversation, and everything from accounts without rights.
    """
    if found.kind is None or not found.live or not asking.live:
        return True
    return found.kind is AccountKind.INSURED or (
        found.kind is AccountKind.ADMIN and asking.kind is not AccountKind.ADMIN
    )
