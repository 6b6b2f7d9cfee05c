"""Takes in what insured people write to the service account: consent, refusal, a period, or something else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from messenger_core.calendar_periods import to_milliseconds
from messenger_core.matrix import Invitation, Message, ReceivedEvent, ToSend, refusal_of_device
from retention.rules.decision import Undecided, decide
from retention.rules.offering import OfferState
from retention.rules.reply import Keep, Leave, Reply, SetPeriod, Unclear, read_reply
from retention.store.offers import Offer, Offers
from retention.store.period_wishes import PeriodWish, PeriodWishes
from retention.store.service_rooms import ServiceRooms
from retention.use_cases.desk import Desk
from retention.use_cases.notice_work import NoticeWork
from retention.use_cases.service_account import notice
from retention.use_cases.wording import Wording


def reply_target(content: Mapping[str, Any]) -> str | None:
    """The event that a message replies to; None for one that only stands in a thread, or replies to none."""
    relation = content.get("m.relates_to")
    # Within a thread, clients name its last message for those that show no threads.
    if not isinstance(relation, dict) or relation.get("is_falling_back") is True:
        return None
    replied = relation.get("m.in_reply_to")
    event_id = replied.get("event_id") if isinstance(replied, dict) else None
    return event_id if isinstance(event_id, str) else None


def _reply_of(event: ReceivedEvent) -> Reply:
    """What a message means; one that is no plain text, was not encrypted, or replaces another is never consent."""
    body = event.content.get("body")
    relation = event.content.get("m.relates_to")
    replaces = isinstance(relation, dict) and relation.get("rel_type") == "m.replace"
    if not event.encrypted or replaces or event.content.get("msgtype") != "m.text" or not isinstance(body, str):
        return Unclear.NOT_UNDERSTOOD
    return read_reply(body)


class Conversation:
    """The handler of the Matrix session. It stores what a person decided; the desk does the rest."""

    def __init__(
        self,
        desk: Desk,
        *,
        offers: Offers,
        rooms: ServiceRooms,
        wishes: PeriodWishes,
        wording: Wording,
        require_signed_devices: bool,
        notices: Sequence[NoticeWork] = (),
    ) -> None:
        """``notices`` is what else waits for people to come into their rooms."""
        self._require_signed_devices = require_signed_devices
        self._desk = desk
        self._notices = notices
        self._offers = offers
        self._rooms = rooms
        self._wishes = wishes
        self._wording = wording

    async def handle_invitation(self, invitation: Invitation) -> None:
        """Stores an invitation for the desk."""
        await self._rooms.note_invitation(invitation)
        self._desk.wake.set()

    async def handle(self, event: ReceivedEvent) -> Sequence[ToSend]:
        """Handles one event; only the insured person's own in the person's own service room counts."""
        if event.type == "m.room.member" and event.content.get("membership") in {"join", "leave"}:
            await self._came_or_went(event)
        if event.type != "m.room.message" or event.content.get("msgtype") == "m.notice":
            return ()
        for invitation in await self._rooms.invitations():
            if invitation.room_id == event.room_id:
                await self._desk.decide(invitation)
        person = await self._rooms.person_of(event.room_id)
        if person is None or person != event.sender:
            return ()
        text: str | None = None
        reply = _reply_of(event)
        refusal = refusal_of_device(event.sender_trust) if self._require_signed_devices else None
        if refusal is not None and isinstance(reply, SetPeriod | Leave | Keep):
            text = self._wording.text(refusal)
        elif isinstance(reply, SetPeriod):
            wish = PeriodWish(event.event_id, person, event.room_id, reply.months)
            await self._wishes.record(wish, event.sent_at)
        elif isinstance(reply, Leave | Keep):
            text = await self._answer(event, reply)
        elif reply is Unclear.PERIOD_OUT_OF_RANGE:
            text = self._wording.text("period_out_of_range")
        else:
            text = self._wording.text("help")
        self._desk.wake.set()
        return () if text is None else (Message(event.room_id, notice(text)),)

    async def _came_or_went(self, event: ReceivedEvent) -> None:
        if event.state_key == event.sender == await self._rooms.person_of(event.room_id):
            await self._desk.has_come_or_gone(event.sender)
            for work in self._notices:
                work.has_come_or_gone(event.sender)

    async def _answer(self, event: ReceivedEvent, reply: Leave | Keep) -> str | None:
        async with self._desk.sending:
            answered = await self._offers.answered_by(event.event_id)
            text = None if answered is not None else await self._decide(event, reply)
            answered = answered or await self._offers.answered_by(event.event_id)
        if answered is not None and answered.state is OfferState.DECLINED:
            text = self._wording.text("kept")
        return text

    async def _decide(self, event: ReceivedEvent, reply: Leave | Keep) -> str | None:
        """Stores the decision, or returns the text that says why it cannot count."""
        offer = await self._desk.open_offer(event.sender)
        if offer is None:
            return self._wording.text("no_offer")
        if offer.sending_since is None or to_milliseconds(event.sent_at) < offer.sending_since:
            return self._wording.text("answer_again")
        answered = await self._answered_list(event) or offer
        decision = decide(reply, answered=answered.numbered, offered=offer.numbered)
        if isinstance(decision, Undecided):
            return self._wording.text(decision.value, count=len(answered.rooms))
        if not await self._offers.answer(offer.id, decision, event_id=event.event_id, answered_at=event.sent_at):
            return self._wording.text("answer_again")
        if answered.id == offer.id or not decision.chosen:
            return None
        return self._wording.text("older_list", numbers=", ".join(map(str, sorted(decision.chosen))))

    async def _answered_list(self, event: ReceivedEvent) -> Offer | None:
        """The offer to which a message is a reply, or in whose thread it stands."""
        for event_id in filter(None, (reply_target(event.content), event.thread_root)):
            offer = await self._offers.sent_as(event_id, event.sender)
            if offer is not None:
                return offer
        return None
