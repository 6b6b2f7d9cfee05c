"""Store: offers to leave old chats, from the first day due to the last chat forgotten."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from messenger_core.calendar_periods import to_milliseconds
from messenger_core.database import insert_into
from retention.rules.decision import Decision
from retention.rules.moments import offer_month
from retention.rules.offering import LIVE, IdleRoom, OfferState, PersonsOffers, RoomState, next_offer
from retention.store.tables import offer, offer_room


@dataclass(frozen=True, slots=True)
class OfferedRoom:
    """One numbered room of an offer; ``reason`` says why the homeserver did not leave or forget it."""

    ordinal: int
    room_id: str
    last_message_at: int
    state: RoomState
    reason: str | None


@dataclass(frozen=True, slots=True)
class Offer:
    """An offer with its rooms in the order of their numbers; times in milliseconds since 1970."""

    id: str
    user_id: str
    state: OfferState
    invited_at: int | None
    sending_since: int | None
    answer_event_id: str | None
    answered_at: int | None
    rooms: tuple[OfferedRoom, ...]

    @property
    def numbered(self) -> dict[int, str]:
        """Number to room id."""
        return {room.ordinal: room.room_id for room in self.rooms}

    def room_ids(self, *states: RoomState) -> list[str]:
        """The rooms that are in one of the states."""
        return [room.room_id for room in self.rooms if room.state in states]


class Offers:
    """The offers in the database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    async def make(self, user_id: str, idle: Sequence[IdleRoom], *, as_of: datetime, now: datetime) -> int:
        """Makes the offer that is due to a person, if one is, and returns the number of its rooms."""
        month = offer_month(as_of)
        async with self._engine.begin() as connection:
            past = await self._past(connection, user_id)
            rooms = next_offer(idle, past, month)
            if not rooms:
                return 0
            unsent = sa.and_(offer.c.state == OfferState.TO_SEND, offer.c.sending_since.is_(None))
            replaceable = sa.or_(offer.c.state == OfferState.OPEN, unsent)
            await connection.execute(
                offer.update().where(offer.c.user_id == user_id, replaceable).values(state=OfferState.SUPERSEDED)
            )
            offer_id = secrets.token_hex(12)
            inserted = await connection.execute(
                insert_into(self._engine, offer)
                .values(
                    id=offer_id,
                    user_id=user_id,
                    month=month,
                    state=OfferState.TO_SEND,
                    made_at=to_milliseconds(now),
                )
                .on_conflict_do_nothing()
            )
            if inserted.rowcount != 1:
                # Another process was faster: its offer, or the one that it is just sending, stands.
                await connection.rollback()
                return 0
            await connection.execute(
                offer_room.insert(),
                [
                    {
                        "offer_id": offer_id,
                        "ordinal": ordinal,
                        "room_id": room.room_id,
                        "last_message_at": room.last_message_at,
                        "state": RoomState.OFFERED,
                    }
                    for ordinal, room in enumerate(rooms, 1)
                ],
            )
            return len(rooms)

    async def would_make(self, user_id: str, idle: Sequence[IdleRoom], *, as_of: datetime, now: datetime) -> int:
        """The number of rooms of the offer that ``make`` would make."""
        async with self._engine.connect() as connection:
            return len(next_offer(idle, await self._past(connection, user_id), offer_month(as_of)))

    async def _past(self, connection: AsyncConnection, user_id: str) -> PersonsOffers:
        earlier = await connection.execute(
            sa.select(offer.c.id, offer.c.month, offer.c.state).where(offer.c.user_id == user_id)
        )
        months, live_id, live_state = set(), None, None
        for row in earlier:
            months.add(row.month)
            if row.state in LIVE:
                live_id, live_state = row.id, OfferState(row.state)
        named = await connection.execute(
            sa.select(offer_room)
            .join(offer, offer.c.id == offer_room.c.offer_id)
            .where(offer.c.user_id == user_id, sa.or_(offer.c.id == live_id, offer_room.c.state == RoomState.KEPT))
        )
        live_rooms, kept = set(), set()
        for row in named:
            if row.offer_id == live_id:
                live_rooms.add(row.room_id)
            if row.state == RoomState.KEPT:
                kept.add(IdleRoom(row.room_id, row.last_message_at))
        return PersonsOffers(months, live_state, live_rooms, kept)

    async def unfinished(self) -> list[Offer]:
        """The offers that something is to be done for: to be sent, consented to, or being left; oldest first."""
        states = (OfferState.TO_SEND, OfferState.ACCEPTED, OfferState.LEAVING)
        return await self._read(offer.c.state.in_(states))

    async def live(self, user_id: str) -> Offer | None:
        """The person's unfinished offer, answered or not."""
        found = await self._read(offer.c.user_id == user_id, offer.c.state.in_(LIVE))
        return found[0] if found else None

    async def sent_as(self, event_id: str, user_id: str) -> Offer | None:
        """The person's offer that was sent as this event."""
        found = await self._read(offer.c.event_id == event_id, offer.c.user_id == user_id)
        return found[0] if found else None

    async def answered_by(self, event_id: str) -> Offer | None:
        """The offer that this message answered."""
        found = await self._read(offer.c.answer_event_id == event_id)
        return found[0] if found else None

    async def _read(self, *conditions: sa.ColumnElement[bool]) -> list[Offer]:
        query = (
            sa.select(offer, offer_room.c.ordinal, offer_room.c.room_id, offer_room.c.last_message_at)
            .add_columns(offer_room.c.state.label("room_state"), offer_room.c.reason)
            .join(offer_room, offer_room.c.offer_id == offer.c.id)
            .where(*conditions)
            .order_by(offer.c.made_at, offer.c.id, offer_room.c.ordinal)
        )
        found: dict[str, sa.Row[tuple[object, ...]]] = {}
        rooms: dict[str, list[OfferedRoom]] = {}
        async with self._engine.connect() as connection:
            for row in await connection.execute(query):
                found.setdefault(row.id, row)
                room = OfferedRoom(row.ordinal, row.room_id, row.last_message_at, RoomState(row.room_state), row.reason)
                rooms.setdefault(row.id, []).append(room)
        return [
            Offer(
                row.id,
                row.user_id,
                OfferState(row.state),
                row.invited_at,
                row.sending_since,
                row.answer_event_id,
                row.answered_at,
                tuple(rooms[row.id]),
            )
            for row in found.values()
        ]

    async def begin_inviting(self, offer_id: str, now: datetime) -> None:
        """Notes that the person is invited for this offer."""
        await self._update(offer_id, OfferState.TO_SEND, invited_at=to_milliseconds(now))

    async def not_invited(self, offer_id: str) -> None:
        """The homeserver did not take the invitation."""
        await self._update(offer_id, OfferState.TO_SEND, invited_at=None)

    async def invitation_declined(self, offer_id: str) -> None:
        """The person does not want to be asked; her rooms stay as they are, and may be offered in another month."""
        await self._update(offer_id, OfferState.TO_SEND, state=OfferState.DECLINED)

    async def begin_sending(self, offer_id: str, now: datetime) -> None:
        """Notes when the offer was sent first; a repetition does not move that moment."""
        await self._update(
            offer_id, OfferState.TO_SEND, sending_since=sa.func.coalesce(offer.c.sending_since, to_milliseconds(now))
        )

    async def sent(self, offer_id: str, event_id: str) -> None:
        """From now on the offer can be answered; ``event_id`` is under which she reads it."""
        await self._update(offer_id, OfferState.TO_SEND, state=OfferState.OPEN, event_id=event_id)

    async def withdraw(self, offer_id: str) -> None:
        """The person can no longer be asked, since the account is locked or gone."""
        await self._update(offer_id, OfferState.TO_SEND, state=OfferState.SUPERSEDED)

    async def drop(self, user_id: str) -> None:
        """The account is gone: nobody can answer its offers any more."""
        async with self._engine.begin() as connection:
            await connection.execute(
                offer.update()
                .where(offer.c.user_id == user_id, offer.c.state.in_(LIVE))
                .values(state=OfferState.SUPERSEDED)
            )

    async def _update(self, offer_id: str, expected: OfferState, **values: object) -> bool:
        async with self._engine.begin() as connection:
            result = await connection.execute(
                offer.update().where(offer.c.id == offer_id, offer.c.state == expected).values(**values)
            )
            return result.rowcount == 1

    async def answer(self, offer_id: str, decision: Decision, *, event_id: str, answered_at: datetime) -> bool:
        """Stores what the person decided: the chosen chats are to be left, the others that she was asked about kept.

        Args:
            offer_id: the open offer.
            decision: in the numbers of its list.
            event_id: the message with the decision.
            answered_at: when the homeserver took that message.

        Returns:
            False if the offer is no longer open; nothing is stored then.
        """
        async with self._engine.begin() as connection:
            result = await connection.execute(
                offer.update()
                .where(offer.c.id == offer_id, offer.c.state == OfferState.OPEN)
                .values(
                    state=OfferState.ACCEPTED if decision.chosen else OfferState.DECLINED,
                    answer_event_id=event_id,
                    answered_at=to_milliseconds(answered_at),
                )
            )
            if result.rowcount != 1:
                return False
            state = sa.case((offer_room.c.ordinal.in_(decision.chosen), RoomState.CHOSEN), else_=RoomState.KEPT)
            asked_about = sa.and_(offer_room.c.offer_id == offer_id, offer_room.c.ordinal.in_(decision.decided))
            await connection.execute(offer_room.update().where(asked_about).values(state=state))
            return True

    async def left(self, offer_id: str, left: Collection[str], refused: Mapping[str, str]) -> None:
        """Stores the homeserver's answer to leaving: rooms left, and rooms with the reason why they were not."""
        await self._step(offer_id, OfferState.LEAVING, RoomState.CHOSEN, (left, RoomState.LEFT), refused)

    async def forgotten(self, offer_id: str, forgotten: Collection[str], kept_in_history: Mapping[str, str]) -> None:
        """Stores the homeserver's answer to forgetting; what was not forgotten stays ``left``, with the reason."""
        await self._step(
            offer_id, OfferState.LEAVING, RoomState.LEFT, (forgotten, RoomState.FORGOTTEN), kept_in_history
        )

    async def _step(
        self,
        offer_id: str,
        offer_state: OfferState,
        expected: RoomState,
        done: tuple[Collection[str], RoomState],
        refused: Mapping[str, str],
    ) -> None:
        rooms = sa.and_(offer_room.c.offer_id == offer_id, offer_room.c.state == expected)
        not_done = RoomState.REFUSED if expected is RoomState.CHOSEN else RoomState.LEFT
        async with self._engine.begin() as connection:
            await connection.execute(offer.update().where(offer.c.id == offer_id).values(state=offer_state))
            for room_id, reason in refused.items():
                await connection.execute(
                    offer_room.update()
                    .where(rooms, offer_room.c.room_id == room_id)
                    .values(state=not_done, reason=reason)
                )
            for room_id in done[0]:
                await connection.execute(
                    offer_room.update().where(rooms, offer_room.c.room_id == room_id).values(state=done[1])
                )

    async def done(self, offer_id: str) -> None:
        """The person was told the result; nothing is left to do."""
        await self._update(offer_id, OfferState.LEAVING, state=OfferState.DONE)
