"""Puts the texts of the catalogue together: the offer with its numbered chats, and what became of them."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from messenger_core.calendar_periods import berlin_day, from_milliseconds
from messenger_core.catalogue import Catalogue, Language
from retention.rules.offering import RoomState
from retention.store.offers import Offer, OfferedRoom


class Wording:
    """Texts for insured people, German first and English below."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def text(self, key: str, /, **values: object) -> str:
        """A text without a list."""
        return self._catalogue.both(key, **values)

    def about_chat(self, key: str, room_id: str) -> str:
        """A text about one chat."""
        return self._catalogue.both(key, link=_link_to(room_id))

    def offer(self, offer: Offer) -> str:
        """The offer with its numbered chats."""
        return self._with_rooms("offer", offer.rooms, self._offered)

    def result(self, offer: Offer) -> str:
        """What became of the chats that the person chose."""
        chosen = tuple(room for room in offer.rooms if room.state not in {RoomState.KEPT, RoomState.OFFERED})
        return self._with_rooms("result", chosen, self._outcome)

    def _with_rooms(
        self, key: str, rooms: tuple[OfferedRoom, ...], line: Callable[[OfferedRoom, Language], str]
    ) -> str:
        languages: tuple[Language, ...] = ("de", "en")
        return "\n\n".join(
            self._catalogue.text(key, language, rooms="\n".join(line(room, language) for room in rooms))
            for language in languages
        )

    def _offered(self, room: OfferedRoom, language: Language) -> str:
        # The service account is in no care room and knows no name; the person's client shows the link as the chat.
        link = _link_to(room.room_id)
        day = berlin_day(from_milliseconds(room.last_message_at))
        return self._catalogue.text("room", language, number=room.ordinal, link=link, day=day)

    def _outcome(self, room: OfferedRoom, language: Language) -> str:
        if room.state is RoomState.FORGOTTEN:
            key = "result_forgotten"
        elif room.state is RoomState.LEFT:
            key = "result_left"
        elif room.reason == "written-since":
            key = "result_written_since"
        else:
            key = "result_refused"
        return self._catalogue.text(key, language, number=room.ordinal)


def _link_to(room_id: str) -> str:
    return f"https://matrix.to/#/{quote(room_id, safe='!:')}"
