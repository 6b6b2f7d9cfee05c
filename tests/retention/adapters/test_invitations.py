"""Invitations: insured people are answered in rooms for two, everybody else is declined."""

import pytest

from messenger_core.matrix import Invitation
from tests.retention.adapters.service import ERIKA, IDLE, Service

HERS = "!hers:x"


async def _invited(service: Service, *, by: str = ERIKA) -> None:
    service.account.rooms.setdefault(HERS, {})
    service.account.rooms[HERS] |= {by: "join", service.account.user_id: "invite"}
    await service.conversation.handle_invitation(Invitation(HERS, by))


async def test_an_insured_person_is_told_what_the_account_is_for(service: Service) -> None:
    await _invited(service)
    await service.work()
    assert service.account.rooms[HERS][service.account.user_id] == "join"
    [text] = service.account.texts("welcome ")
    assert "FRIST 12" in text
    assert "112" in text


async def test_the_room_that_she_opened_is_her_service_room(service: Service) -> None:
    await _invited(service)
    await service.handle(service.event("FRIST 9", room_id=HERS))
    await service.offer(*IDLE)
    await service.work()
    assert service.homeserver.periods == {ERIKA: 9}
    assert [room for room, _ in service.account.sent.values()] == [HERS] * 3
    assert service.account.aliases == {}


@pytest.mark.parametrize("inviter", ["@doctor:x", "@stranger:other"])
async def test_who_is_not_insured_is_declined(service: Service, inviter: str) -> None:
    await _invited(service, by=inviter)
    await service.work()
    assert service.account.rooms[HERS][service.account.user_id] == "leave"
    assert service.account.sent == {}
    assert await service.rooms.invitations() == []


async def test_a_room_with_a_third_person_is_left(service: Service) -> None:
    service.account.rooms[HERS] = {"@third:x": "invite"}
    await _invited(service)
    await service.work()
    assert service.account.rooms[HERS][service.account.user_id] == "leave"
    assert await service.rooms.person_of(HERS) is None


async def test_a_room_without_encryption_is_left(service: Service) -> None:
    service.account.clear = {HERS}
    await _invited(service)
    await service.work()
    assert service.account.rooms[HERS][service.account.user_id] == "leave"
    assert service.account.sent == {}
