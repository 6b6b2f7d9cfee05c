"""Does what the database says is to be done: send offers, leave and forget chats, pass periods on, take invitations.

Every step is in the database before it is taken and may be taken twice, so a kill at any point loses nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from messenger_core.clock import Clock
from messenger_core.log import fault_without_text
from messenger_core.matrix import Invitation, SendFailed
from messenger_core.service_auth.client import CallFailed
from messenger_core.waking import woken
from retention.rules.offering import OfferState, RoomState
from retention.store.offers import Offer, Offers
from retention.store.period_wishes import PeriodWish, PeriodWishes
from retention.store.service_rooms import ServiceRooms
from retention.use_cases.machines import Consent, Homeserver, RoomResults
from retention.use_cases.retry_schedule import Patience
from retention.use_cases.service_account import ServiceAccount, message, notice
from retention.use_cases.service_room import service_room_of
from retention.use_cases.wording import Wording

logger = logging.getLogger(__name__)

_POLL_S = 1.0
# The session reports at once that a person has joined or declined; this is only for what it may have missed.
_LOOK_AGAIN_S = 3600.0


class _NotJoinedYet(Exception):  # noqa: N818 - reads as what is waited for
    """The person has not accepted the invitation to the service room."""


class Desk:
    """The work of the service account, one item after another.

    Attributes:
        sending: held while an offer is sent and marked as open, and while an answer is read, so that an answer never
            overtakes the mark.
        wake: set when there may be new work.
    """

    def __init__(
        self,
        account: ServiceAccount,
        homeserver: Homeserver,
        *,
        offers: Offers,
        rooms: ServiceRooms,
        wishes: PeriodWishes,
        wording: Wording,
        clock: Clock,
    ) -> None:
        self._account = account
        self._homeserver = homeserver
        self._offers = offers
        self._rooms = rooms
        self._wishes = wishes
        self._wording = wording
        self._clock = clock
        self._patience = Patience()
        self.sending = asyncio.Lock()
        self.wake = asyncio.Event()

    async def run(self) -> None:
        """Works until it is cancelled; jobs of other processes are noticed within a second."""
        while True:
            self.wake.clear()
            await self.work_once()
            await woken(self.wake, _POLL_S)

    async def work_once(self) -> None:
        """Takes the next step of everything that is unfinished."""
        for invitation in await self._rooms.invitations():
            await self._attempt(f"invitation {invitation.room_id}", self.decide, invitation)
        for wish in await self._wishes.open():
            await self._attempt(f"period {wish.event_id}", self._pass_on, wish)
        steps = {OfferState.TO_SEND: self._send, OfferState.ACCEPTED: self._leave, OfferState.LEAVING: self._conclude}
        for offer in await self._offers.unfinished():
            await self._attempt(f"offer {offer.id}", steps[offer.state], offer)

    async def _attempt(self, name: str, step: Callable[..., Awaitable[None]], item: object) -> None:
        clock = asyncio.get_running_loop().time
        if not self._patience.may_try(name, clock()):
            return
        try:
            await step(item)
        except _NotJoinedYet:
            self._patience.wait(name, clock(), _LOOK_AGAIN_S)
        except Exception as fault:  # noqa: BLE001 - one person's trouble must not stop the others
            self._patience.failed(name, clock())
            # The texts of these two name a status and nothing of a person.
            known = str(fault) if isinstance(fault, CallFailed | SendFailed) else fault_without_text(fault)
            logger.warning("%s is tried again later: %s", name.partition(" ")[0], known)
        else:
            self._patience.succeeded(name)

    async def decide(self, invitation: Invitation) -> None:
        """Takes an insured person's invitation into an encrypted room for two, and declines every other."""
        if not await self._homeserver.is_reachable_insured(invitation.inviter):
            await self._decline(invitation)
            return
        await self._account.join(invitation.room_id)
        room = await self._account.room(invitation.room_id)
        if not room.encrypted or room.present != {self._account.user_id, invitation.inviter}:
            await self._decline(invitation)
            return
        await self._rooms.adopt(invitation, self._clock())
        await self._account.send(
            invitation.room_id, notice(self._wording.text("help")), key=f"welcome {invitation.room_id}"
        )
        await self._rooms.decided(invitation.room_id)

    async def _decline(self, invitation: Invitation) -> None:
        try:
            await self._account.leave(invitation.room_id)
        except SendFailed:
            # Already left, or taken back; an invitation that is still open comes again at the next start.
            logger.info("an invitation could not be declined")
        await self._rooms.decided(invitation.room_id)

    async def _pass_on(self, wish: PeriodWish) -> None:
        await self._homeserver.set_period(wish.user_id, wish.months)
        text = (
            self._wording.text("period_never")
            if wish.months is None
            else self._wording.text("period_set", months=wish.months)
        )
        await self._account.send(wish.room_id, notice(text), key=f"period {wish.event_id}")
        await self._wishes.done(wish.event_id)

    async def _service_room(self, user_id: str) -> str:
        return await service_room_of(user_id, self._account, self._rooms, self._clock())

    async def _room_with_invited(self, offer: Offer) -> tuple[str, str]:
        """The service room with the person invited, at most once an offer, and her membership there.

        ``leave`` means that she declined or left after she was invited for this offer.
        """
        before = (await self._rooms.reserve(offer.user_id, self._clock())).room_id
        invited = offer.invited_at is not None or before is None
        if offer.invited_at is None:
            # First, since after a kill nobody could tell a refusal of this invitation from an older one.
            await self._offers.begin_inviting(offer.id, self._clock())
        room_id = before or await self._service_room(offer.user_id)
        membership = (await self._account.room(room_id)).members.get(offer.user_id)
        if membership is None or (membership not in {"join", "invite"} and not invited):
            await self._invite(offer, room_id)
            membership = (await self._account.room(room_id)).members.get(offer.user_id)
        return room_id, membership or "leave"

    async def _invite(self, offer: Offer, room_id: str) -> None:
        try:
            await self._account.invite(room_id, offer.user_id)
        except SendFailed:
            await self._offers.not_invited(offer.id)
            raise

    async def has_come_or_gone(self, user_id: str) -> None:
        """The person came into the service room, left it, or declined; what waited for that is done now."""
        offer = await self._offers.live(user_id)
        if offer is not None:
            self._patience.succeeded(f"offer {offer.id}")
        self.wake.set()

    async def _send(self, offer: Offer) -> None:
        """Sends an offer once the person has joined: only then are the keys of all her devices known.

        Who declines the invitation or leaves has answered, and is not invited again before another offer.
        """
        if not await self._homeserver.is_reachable_insured(offer.user_id):
            await self._offers.withdraw(offer.id)
            return
        room_id, membership = await self._room_with_invited(offer)
        if membership == "invite":
            raise _NotJoinedYet
        if membership != "join":
            await self._offers.invitation_declined(offer.id)
            return
        async with self.sending:
            await self._put_before(offer, room_id)

    async def _put_before(self, offer: Offer, room_id: str) -> None:
        await self._offers.begin_sending(offer.id, self._clock())
        sent = await self._account.send(room_id, message(self._wording.offer(offer)), key=f"offer {offer.id}")
        await self._offers.sent(offer.id, sent.event_id)

    async def open_offer(self, user_id: str) -> Offer | None:
        """The offer that a person can answer; to be called while ``sending`` is held.

        An offer that was perhaps sent before a kill is sent again under the same key first, so that its answer counts.
        """
        offer = await self._offers.live(user_id)
        if offer is not None and offer.state is OfferState.TO_SEND and offer.sending_since is not None:
            room_id = await self._service_room(user_id)
            await self._put_before(offer, room_id)
            offer = await self._offers.live(user_id)
        return offer if offer is not None and offer.state is OfferState.OPEN else None

    async def _leave(self, offer: Offer) -> None:
        chosen = offer.room_ids(RoomState.CHOSEN)
        results = await self._homeserver.leave(_consent(offer), chosen)
        # After a kill the rooms may have been left already: who is not a member has left.
        left, refused = _sorted(results, chosen, as_done="not-a-member")
        await self._offers.left(offer.id, left, refused)
        self.wake.set()

    async def _conclude(self, offer: Offer) -> None:
        left = [room.room_id for room in offer.rooms if room.state is RoomState.LEFT and room.reason is None]
        if left:
            results = await self._homeserver.forget(_consent(offer), left)
            forgotten, refused = _sorted(results, left, as_done="not-a-member")
            await self._offers.forgotten(offer.id, forgotten, refused)
            offer = await self._offers.live(offer.user_id) or offer
        room_id = await self._service_room(offer.user_id)
        await self._account.send(room_id, notice(self._wording.result(offer)), key=f"result {offer.id}")
        await self._offers.done(offer.id)


def _consent(offer: Offer) -> Consent:
    assert offer.answer_event_id is not None
    assert offer.answered_at is not None
    return Consent(offer.user_id, offer.answer_event_id, offer.answered_at)


def _sorted(results: RoomResults, asked: list[str], *, as_done: str) -> tuple[set[str], dict[str, str]]:
    """Rooms done, and the others with their reason.

    Raises:
        CallFailed: if the answer says nothing about a room that was asked for.
    """
    done = {room_id for room_id in asked if room_id in results.done or results.refused.get(room_id) == as_done}
    refused = {room: reason for room, reason in results.refused.items() if room in asked and room not in done}
    if done | refused.keys() != set(asked):
        raise CallFailed("the homeserver's answer leaves out a room")
    return done, refused
