"""Who may reach whom: who opens which kind of room, and who is invited, joins and is removed there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from messenger_core.account_kinds import AccountKind, RoomKind

CHAT_WITH_PRACTICE = frozenset({RoomKind.REQUEST, RoomKind.CARE})


class Refusal(StrEnum):
    """Why something is refused; each has a text in ``texts.yaml``."""

    NO_RIGHTS = "no-rights"
    ONE_INVITEE = "one-invitee"
    NOT_REACHABLE = "not-reachable"
    TRY_LATER = "try-later"
    NOT_INVITED = "not-invited"
    NOT_REMOVABLE = "not-removable"
    NOT_AS_IT_IS = "not-as-it-is"
    NOT_ACCEPTED_YET = "not-accepted-yet"
    REQUEST_ENDED = "request-ended"
    PRACTICE_GONE = "practice-gone"
    NOT_DELETABLE = "not-deletable"
    TOO_OLD_TO_DELETE = "too-old-to-delete"
    NOT_ENCRYPTED = "not-encrypted"
    FILE_NOT_ENCRYPTED = "file-not-encrypted"
    NOT_ONE_EMOJI = "not-one-emoji"
    STATE_FIXED = "state-fixed"
    NOT_LISTED = "not-listed"
    PROFILE_FIXED = "profile-fixed"
    NOT_AN_ADMINISTRATOR = "not-an-administrator"
    NOT_A_CHAT = "not-a-chat"
    NO_ANSWER_FROM_THERE = "no-answer-from-there"


@dataclass(frozen=True, slots=True)
class Party:
    """An account as the rules see it; one that is not live has no rights and is not reached."""

    user_id: str
    kind: AccountKind | None
    live: bool
    reachable: bool = False
    """Whether the directory says that insured people may reach it; for practices only."""
    directory_heard_at: int = 0
    """When the directory was last heard saying who may be reached, in milliseconds; known of local accounts only."""

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
    is_open: bool = True
    """Whether somebody is still invited; for requests only: one that was declined or withdrawn is not."""


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What else an invitation depends on.

    Attributes:
        reachability_known: whether what is known of those who are asked is recent enough to be used: the set of
            reachable practices for insured people, the federation list for who asks somebody of another server.
        admitted: whether the invited side lets itself be invited by the inviter (``permission.Permission``).
        practices: how many practices other than the invitee are in the room or invited.
        insured_people: how many insured people other than the invitee are in the room or invited.
        second_insured_by_practice: whether a practice may bring a second insured person into a chat (gematik's
            exception, TI-Messenger-Testsuite 4.3).
    """

    reachability_known: bool
    admitted: bool
    practices: int = 0
    insured_people: int = 0
    second_insured_by_practice: bool = False


def plan_room(creator: Party, invitees: Sequence[Party], house: House, given: Circumstances) -> RoomPlan | Refusal:
    """What room a creator may open with those invited.

    An insured person cannot tell from the refusal whether somebody is unknown, insured, an agent or a practice that
    did not opt in; nor can she when it is not known who may be reached.

    Args:
        creator: who opens it.
        invitees: who is to be invited.
        house: the insurer's accounts.
        given: ``admitted`` by every invited side, and whether ``reachability_known``.
    """
    plan: RoomPlan | Refusal
    if creator.may_act(AccountKind.INSURED):
        plan = _plan_of_insured(creator, invitees, house, reachability_known=given.reachability_known)
    elif creator.may_act(AccountKind.PRACTICE):
        plan = _plan_with_one_insured(invitees, RoomKind.REQUEST)
        if plan is Refusal.NOT_REACHABLE and not given.reachability_known:
            plan = Refusal.TRY_LATER
    else:
        return _plan_of_house(creator, invitees, house)
    return plan if given.admitted or isinstance(plan, Refusal) else Refusal.NOT_REACHABLE


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
    inviter: Party, invitee: Party, room: Room | None, house: House, given: Circumstances
) -> Refusal | None:
    """Whether somebody may invite somebody into a room; None if so."""
    if room is None or not inviter.live:
        return Refusal.NO_RIGHTS
    match room.kind:
        case RoomKind.REQUEST | RoomKind.CARE:
            return _check_chat_invitation(inviter, invitee, room, given)
        case RoomKind.SUPPORT:
            allowed = _is_between(inviter, invitee, room, house.support)
        case RoomKind.SERVICE:
            allowed = _is_between(inviter, invitee, room, house.service)
        case RoomKind.TEAM:
            allowed = inviter.user_id == house.support and invitee.may_act(AccountKind.AGENT)
    # HEK's own invitations are not subject to a permission: what it has to tell about an account always arrives.
    return None if allowed else Refusal.NOT_REACHABLE


def _is_between(inviter: Party, invitee: Party, room: Room, account: str) -> bool:
    """Whether one of a room's person and HEK's account invites the other."""
    person = inviter if inviter.user_id == room.insured_user_id else invitee
    return {inviter.user_id, invitee.user_id} == {room.insured_user_id, account} and person.may_act(AccountKind.INSURED)


def _check_chat_invitation(inviter: Party, invitee: Party, room: Room, given: Circumstances) -> Refusal | None:
    allowed, refusal = False, Refusal.NOT_REACHABLE
    if inviter.user_id == room.insured_user_id and inviter.may_act(AccountKind.INSURED):
        if not given.reachability_known:
            return Refusal.TRY_LATER
        allowed = invitee.may_act(AccountKind.PRACTICE) and invitee.reachable and not given.practices
    elif inviter.may_act(AccountKind.PRACTICE):
        is_second = given.second_insured_by_practice and room.kind is RoomKind.CARE and given.insured_people <= 1
        allowed = invitee.may_act(AccountKind.INSURED) and (invitee.user_id == room.insured_user_id or is_second)
        if not given.reachability_known:
            refusal = Refusal.TRY_LATER
    return None if allowed and given.admitted else refusal


def check_invitation_from_elsewhere(inviter: Party, invitee: Party, *, admitted: bool) -> Refusal | None:
    """Whether somebody of another server may invite one of ours into a room there; None if so.

    A practice asks an insured person; what she can find and start is another matter (``plan_room``).
    """
    allowed = inviter.may_act(AccountKind.PRACTICE) and invitee.may_act(AccountKind.INSURED) and admitted
    return None if allowed else Refusal.NOT_REACHABLE


def check_join(
    user: Party, room: Room | None, house: House, *, is_invited: bool, second_insured: bool = False
) -> Refusal | None:
    """Whether an account that is not in a room may join it; None if so.

    Args:
        user: who joins.
        room: the room; None if it is not one of ours.
        house: the insurer's accounts.
        is_invited: whether the user is invited.
        second_insured: whether a practice may bring a second insured person into a chat.
    """
    if not user.live:
        return Refusal.NO_RIGHTS
    if room is None:
        return Refusal.NOT_INVITED
    belongs = {
        RoomKind.REQUEST: user.kind is AccountKind.PRACTICE,
        RoomKind.CARE: user.kind is AccountKind.PRACTICE or (second_insured and user.kind is AccountKind.INSURED),
        RoomKind.SUPPORT: user.user_id == house.support,
        RoomKind.SERVICE: user.user_id == house.service,
        RoomKind.TEAM: user.kind is AccountKind.AGENT or user.user_id == house.support,
    }[room.kind] or (user.kind is AccountKind.INSURED and user.user_id == room.insured_user_id)
    return None if belongs and is_invited else Refusal.NOT_INVITED


def check_removal(remover: Party, room: Room | None, house: House, *, is_invited: bool, is_ban: bool) -> Refusal | None:
    """Whether somebody may remove somebody else from a room; None if so.

    In a chat nobody is thrown out: only an invitation that is not yet accepted is taken back. Who may do so by the
    room's power levels, Synapse checks.

    Args:
        remover: who removes.
        room: the room; None if it is not one of ours.
        house: the insurer's accounts.
        is_invited: whether the one to be removed is invited and not joined.
        is_ban: whether a ban is set or lifted.
    """
    if room is None or not remover.live or remover.kind in {None, AccountKind.ADMIN}:
        return Refusal.NO_RIGHTS
    if room.kind is RoomKind.TEAM:
        return None if remover.user_id == house.support else Refusal.NOT_REMOVABLE
    return None if is_invited and not is_ban else Refusal.NOT_REMOVABLE


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
