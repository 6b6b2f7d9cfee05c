"""From the offer to the chats that are left: what she is told, what her answers do, and what nobody else's do."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from messenger_core.calendar_periods import to_milliseconds
from messenger_core.matrix import DeviceTrust
from retention.rules.moments import parse_as_of
from retention.rules.offering import IdleRoom
from tests.retention.adapters.service import ERIKA, FIRST, IDLE, JUNE, SECOND, THIRD, Service

STAYED = {FIRST: "join", SECOND: "join", THIRD: "join"}


async def test_she_is_told_everything_she_must_know_in_both_languages(service: Service) -> None:
    await service.offer()
    await service.work()
    [text] = service.account.texts("offer ")
    for part in ("VERLASSEN", "LEAVE", "exportieren", "Ihre Praxis behält", "your practice keeps", "1. https", FIRST):
        assert part in text
    assert "01.01.1970" in text


async def test_leaving_all_leaves_and_forgets_every_chat_and_says_so(service: Service) -> None:
    await service.offer()
    await service.work()
    answer = service.event("VERLASSEN")
    await service.handle(answer)
    await service.work()
    assert service.present() == dict.fromkeys(STAYED, "forgotten")
    [result] = service.account.texts("result ")
    assert "3. Chat verlassen" in result
    expected = (ERIKA, answer.event_id, to_milliseconds(answer.sent_at))
    assert set(service.homeserver.consents) == {expected}


async def test_numbers_leave_only_these_chats(service: Service) -> None:
    await service.offer()
    await service.work()
    result = await service.says("1 und 3")
    assert service.present() == STAYED | {FIRST: "forgotten", THIRD: "forgotten"}
    assert "2." not in result


@pytest.mark.parametrize("word", ["BEHALTEN", "Nein danke", "nicht verlassen", "1 4", "0", "* VERLASSEN"])
async def test_nothing_else_leaves_a_chat(service: Service, word: str) -> None:
    await service.offer()
    await service.work()
    assert await service.says(word)
    assert service.present() == STAYED


@pytest.mark.parametrize(
    "changes",
    [
        {"sender": "@max:x"},
        {"encrypted": False},
        {"content": {"msgtype": "m.text", "body": "VERLASSEN", "m.relates_to": {"rel_type": "m.replace"}}},
        {"content": {"msgtype": "m.image", "body": "VERLASSEN"}},
        {"content": {"msgtype": "m.notice", "body": "VERLASSEN"}},
        {"content": {"msgtype": "m.text", "body": ["VERLASSEN"]}},
        {"content": {}},
        {"type": "m.reaction"},
        {"room_id": "!another:x"},
    ],
)
async def test_only_her_own_encrypted_text_in_her_service_room_is_consent(
    service: Service, changes: dict[str, Any]
) -> None:
    await service.offer()
    await service.work()
    await service.says("VERLASSEN", **changes)
    assert service.present() == STAYED


async def test_a_number_that_is_not_in_the_list_is_explained(service: Service) -> None:
    await service.offer()
    await service.work()
    assert "von 1 bis 3" in await service.says("1 9")
    assert "Chat verlassen" in await service.says("2", "$second")


async def test_chats_written_in_since_are_kept_with_the_reason(service: Service) -> None:
    service.homeserver.written_since = {SECOND}
    await service.offer()
    await service.work()
    result = await service.says("VERLASSEN")
    assert service.present() == {FIRST: "forgotten", SECOND: "join", THIRD: "forgotten"}
    assert "2. Chat behalten, weil Sie dort" in result


async def test_an_answer_from_before_the_present_offer_is_no_consent_to_it(service: Service) -> None:
    await service.offer(IDLE[0])
    await service.work()
    written = service.event("VERLASSEN")
    await service.offer(*IDLE, as_of=JUNE)
    await service.handle(written)
    await service.work()
    assert service.present() == STAYED
    late = service.event("VERLASSEN", "$late", sent_at=written.sent_at - timedelta(seconds=1))
    await service.handle(late)
    assert service.present() == STAYED
    assert "noch einmal" in service.account.sent["reply $late"][1]


async def test_without_an_offer_she_is_told_so(service: Service) -> None:
    await service.offer()
    await service.work()
    await service.says("BEHALTEN")
    assert "kein offenes Angebot" in await service.says("VERLASSEN", "$later")
    assert service.present() == STAYED


@pytest.mark.parametrize(
    ("body", "months", "told"), [("FRIST 12", 12, "12 Monate"), ("PERIOD NEVER", None, "nicht mehr")]
)
async def test_she_sets_her_own_period(service: Service, body: str, months: int | None, told: str) -> None:
    await service.offer()
    await service.work()
    assert told in await service.says(body)
    assert service.homeserver.periods == {ERIKA: months}


async def test_an_impossible_period_is_explained_and_not_set(service: Service) -> None:
    await service.offer()
    await service.work()
    assert "1 bis 120" in await service.says("FRIST 500")
    assert service.homeserver.periods == {}


@pytest.mark.parametrize("account", [("insured", True), ("practice", False), None])
async def test_who_is_locked_or_gone_gets_no_offer(service: Service, account: tuple[str, bool] | None) -> None:
    service.homeserver.accounts = {ERIKA: account} if account else {}
    await service.offer()
    await service.work()
    assert service.account.sent == {}
    assert await service.offers.unfinished() == []


async def test_the_offer_is_sent_when_she_has_joined_since_only_then_her_devices_can_read_it(service: Service) -> None:
    service.account.accepts = False
    await service.offer()
    await service.work()
    assert service.account.rooms[service.service_room] == {service.account.user_id: "join", ERIKA: "invite"}
    assert service.account.sent == {}
    service.account.rooms[service.service_room][ERIKA] = "join"
    joined = service.event("", type="m.room.member", state_key=ERIKA, content={"membership": "join"})
    await service.handle(joined)
    await service.work()
    assert len(service.account.texts("offer ")) == 1


async def _declines(service: Service) -> None:
    service.account.rooms[service.service_room][ERIKA] = "leave"
    gone = service.event("", type="m.room.member", state_key=ERIKA, content={"membership": "leave"})
    await service.handle(gone)
    await service.work()


async def test_who_declines_the_invitation_is_not_invited_again_until_another_months_offer(service: Service) -> None:
    service.account.accepts = False
    await service.offer()
    await service.work()
    once = [(service.service_room, ERIKA)]
    await _declines(service)
    service.start_anew()
    await service.work()
    assert (service.account.invited, await service.offers.unfinished()) == (once, [])
    await service.offer(as_of=JUNE)
    await service.work()
    assert service.account.invited == once * 2
    await _declines(service)
    service.start_anew()
    await service.work()
    assert (service.account.invited, service.account.sent) == (once * 2, {})


async def test_who_left_after_her_answer_is_not_invited_for_the_result(service: Service) -> None:
    await service.offer()
    await service.work()
    service.homeserver.down = {"care-rooms/forget"}
    await service.says("VERLASSEN")
    await _declines(service)
    service.homeserver.down = set()
    service.start_anew()
    await service.work()
    assert service.present() == dict.fromkeys(STAYED, "forgotten")
    assert len(service.account.invited) == 1
    assert await service.offers.unfinished() == []


async def test_an_invitation_that_the_homeserver_did_not_take_is_no_refusal(service: Service) -> None:
    await service.offer()
    await service.work()
    await service.says("BEHALTEN")
    await _declines(service)
    service.account.refuses_invitations = True
    await service.offer(IdleRoom(FIRST, 9000), as_of=JUNE)
    await service.work()
    service.account.refuses_invitations = False
    service.start_anew()
    await service.work()
    assert len(service.account.texts("offer ")) == 2


async def test_next_month_the_same_room_is_used_and_a_person_who_left_it_is_invited_again(service: Service) -> None:
    await service.offer()
    await service.work()
    await service.says("BEHALTEN")
    service.account.rooms[service.service_room][ERIKA] = "leave"
    await service.offer(IdleRoom(FIRST, 9000), as_of=JUNE)
    await service.work()
    assert len(service.account.texts("offer ")) == 2
    assert service.account.rooms[service.service_room][ERIKA] == "join"


async def test_an_outage_of_the_homeserver_is_waited_out(service: Service) -> None:
    await service.offer()
    await service.work()
    service.homeserver.down = {"care-rooms/leave"}
    assert not await service.says("VERLASSEN")
    service.homeserver.down = {"care-rooms/forget"}
    service.start_anew()
    await service.work()
    assert service.present() == dict.fromkeys(STAYED, "leave")
    service.homeserver.down = set()
    service.start_anew()
    await service.work()
    assert service.present() == dict.fromkeys(STAYED, "forgotten")
    assert len(service.account.texts("result ")) == 1


@pytest.mark.parametrize(
    ("trust", "told"),
    [
        (DeviceTrust.UNKNOWN, "noch nicht bestätigt"),
        (DeviceTrust.KNOWN, "noch nicht bestätigt"),
        (DeviceTrust.IDENTITY_CHANGED, "neue Verschlüsselungs-Identität"),
    ],
)
@pytest.mark.parametrize("word", ["VERLASSEN", "1", "BEHALTEN", "FRIST NIE"])
async def test_a_device_that_she_has_not_signed_decides_nothing_and_she_is_told_so(
    service: Service, trust: DeviceTrust, told: str, word: str
) -> None:
    await service.offer()
    await service.work()
    answer = await service.says(word, "$unsigned", sender_trust=trust)
    assert told in answer
    assert "changed" in answer
    assert service.present() == STAYED
    assert service.homeserver.periods == {}
    # The offer stands: from her own device she can still decide.
    await service.says("VERLASSEN", "$signed")
    assert service.present() == dict.fromkeys(STAYED, "forgotten")


async def test_help_needs_no_signed_device(service: Service) -> None:
    await service.offer()
    await service.work()
    assert "Dieses Konto fragt Sie" in await service.says("Hallo?", sender_trust=DeviceTrust.KNOWN)


def _reply_to(offer_key: str, body: str) -> dict[str, Any]:
    return {"msgtype": "m.text", "body": body, "m.relates_to": {"m.in_reply_to": {"event_id": f"${offer_key}"}}}


async def _two_lists(service: Service) -> tuple[str, str]:
    """An older list with SECOND and THIRD as 1 and 2, and the newest with FIRST before them; their keys."""
    await service.offer(IDLE[1], IDLE[2])
    await service.work()
    await service.offer(*IDLE, as_of=JUNE)
    await service.work()
    older, newest = [key for key in service.account.sent if key.startswith("offer ")]
    return older, newest


async def test_a_reply_to_an_older_list_is_read_with_its_numbers(service: Service) -> None:
    older, _ = await _two_lists(service)
    await service.says("", content=_reply_to(older, "1"))
    assert service.present() == STAYED | {SECOND: "forgotten"}
    assert "In der neuesten Liste sind das: 2." in service.account.sent["reply $answer"][1]
    # What the older list did not name is not decided, and is asked about again.
    assert await service.offers.make(ERIKA, IDLE[:1], as_of=parse_as_of("2027-07-24"), now=datetime.now(UTC)) == 1


async def test_a_message_in_an_older_lists_thread_is_read_with_its_numbers(service: Service) -> None:
    older, newest = await _two_lists(service)
    relation = {"rel_type": "m.thread", "event_id": f"${older}", "is_falling_back": True}
    relation |= {"m.in_reply_to": {"event_id": f"${newest}"}}
    content = {"msgtype": "m.text", "body": "2", "m.relates_to": relation}
    await service.says("", content=content, thread_root=f"${older}")
    assert service.present() == STAYED | {THIRD: "forgotten"}


async def test_a_reply_to_the_newest_list_is_read_with_its_numbers(service: Service) -> None:
    _, newest = await _two_lists(service)
    await service.says("", content=_reply_to(newest, "1"))
    assert service.present() == STAYED | {FIRST: "forgotten"}


async def test_leaving_all_of_an_older_list_leaves_no_other_chat(service: Service) -> None:
    older, _ = await _two_lists(service)
    await service.says("", content=_reply_to(older, "VERLASSEN"))
    assert service.present() == {FIRST: "join", SECOND: "forgotten", THIRD: "forgotten"}


async def test_a_reply_to_a_list_whose_chats_are_no_longer_offered_changes_nothing(service: Service) -> None:
    await service.offer(IDLE[0])
    await service.work()
    [older] = [key for key in service.account.sent if key.startswith("offer ")]
    await service.offer(IDLE[1], IDLE[2], as_of=JUNE)
    await service.work()
    assert "nicht mehr zur Wahl" in await service.says("", content=_reply_to(older, "1"))
    assert service.present() == STAYED
