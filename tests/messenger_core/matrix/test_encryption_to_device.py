"""To-device messages: whatever they hold, each is taken in once, all of it or nothing."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import vodozemac

from messenger_core.matrix.encryption.machine import OlmMachine
from messenger_core.matrix.encryption.megolm_decryption import RoomKeyMissing
from messenger_core.matrix.encryption.olm_channel import MEGOLM
from messenger_core.matrix.faults import StoreUnwritable
from messenger_core.matrix.store.key_requests import KeyRequest
from messenger_core.settings import SettingsError
from tests.messenger_core.matrix.olm_peer import DEVICE, ROOM, STORE_KEY, USER, OfflineDevice, Peer, text


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[OfflineDevice]:
    device = OfflineDevice(tmp_path / "store")
    yield device
    device.machine.close()


@pytest.fixture
def peer(ours: OfflineDevice) -> Peer:
    return Peer("@peer:here.example", ours)


def reads(ours: OfflineDevice, peer: Peer, session: vodozemac.GroupSession) -> bool:
    """Whether a message that comes now can be read."""
    event = peer.event(session, text("hello"), event_id=f"${session.message_index}")
    try:
        return bool(ours.decryptor.decrypt_megolm(ROOM, event).event["content"]["body"] == "hello")
    except RoomKeyMissing:
        return False


# -- row 2: poison ----------------------------------------------------------------------------------------------------


def _unknown_one_time_key(peer: Peer) -> object:
    stranger = Peer(peer.user_id, peer.to)
    stranger.open_session(vodozemac.Curve25519SecretKey().public_key().to_base64())
    return stranger.room_key(vodozemac.GroupSession())


POISON: dict[str, Callable[[Peer], object]] = {
    "unknown one-time key": _unknown_one_time_key,
    "malformed first message": lambda peer: peer.envelope(0, "AAAA"),
    "malformed later message": lambda peer: peer.envelope(1, "AAAA"),
    "no base64": lambda peer: peer.envelope(0, "ä\x00\ud800"),
    "no base64 later": lambda peer: peer.envelope(1, "ä\x00\ud800"),
    "empty": lambda peer: peer.envelope(1, ""),
    "body of a wrong type": lambda peer: peer.envelope(0, ["x"]),
    "kind of a wrong type": lambda peer: peer.envelope(True, "AAAA"),
    "unknown kind": lambda peer: peer.envelope(7, "AAAA"),
    "content of a wrong type": lambda peer: {"type": "m.room.encrypted", "sender": peer.user_id, "content": [1]},
    "sender of a wrong type": lambda peer: {**peer.envelope(0, "AAAA"), "sender": {"x": 1}},
    "ciphertext of a wrong type": lambda peer: {
        "type": "m.room.encrypted",
        "sender": peer.user_id,
        "content": {"algorithm": "m.olm.v1.curve25519-aes-sha2", "sender_key": "A" * 43, "ciphertext": "x"},
    },
    "sender key that is none": lambda peer: {
        "type": "m.room.encrypted",
        "sender": peer.user_id,
        "content": {**peer.envelope(0, "AAAA")["content"], "sender_key": "\ud800"},
    },
    "no object": lambda _: [1, 2],
    "no JSON": lambda _: "{",
    "NaN": lambda _: '{"type": NaN, "sender": "@x:x", "content": {}}',
    "30,000 levels": lambda _: '{"a":' * 30_000 + "1" + "}" * 30_000,
    "30,000 lists": lambda _: "[" * 30_000 + "]" * 30_000,
    "letter of 30,000 levels": lambda peer: peer.seal('{"a":' * 30_000 + "1" + "}" * 30_000),
    "letter with NaN": lambda peer: peer.seal(json.dumps(peer.letter("m.room_key", {"x": float("nan")}))),
    "letter with broken text": lambda peer: peer.seal(json.dumps(peer.letter("m.dummy\x00\ud800", {"\ud800": "\x00"}))),
    "letter that is no object": lambda peer: peer.seal("[]"),
    "letter without content": lambda peer: peer.seal(peer.letter("m.room_key", None)),
    "letter with odd keys": lambda peer: peer.seal(peer.letter("m.room_key", {}, keys=[1], recipient_keys=7)),
    "letter to somebody else": lambda peer: peer.seal(peer.letter("m.dummy", {}, recipient="@other:here.example")),
    "letter of somebody else": lambda peer: peer.seal(peer.letter("m.dummy", {}, sender="@other:here.example")),
    "room key of wrong types": lambda peer: peer.room_key(vodozemac.GroupSession(), room_id=7),
    "room key with a NUL": lambda peer: peer.room_key(vodozemac.GroupSession(), session_id="\x00"),
    "room key that is none": lambda peer: peer.room_key(vodozemac.GroupSession(), session_key="AAAA"),
    "room key of another name": lambda peer: peer.room_key(vodozemac.GroupSession(), session_id="x"),
    "key request of wrong types": lambda peer: {
        "type": "m.room_key_request",
        "sender": peer.user_id,
        "content": {"action": "request", "body": {"algorithm": MEGOLM, "room_id": [], "session_id": 1}},
    },
}


@pytest.mark.parametrize("poison", POISON.values(), ids=POISON.keys())
def test_row_02_a_poisoned_message_stops_nothing(
    ours: OfflineDevice, peer: Peer, poison: Callable[[Peer], object]
) -> None:
    before, after = vodozemac.GroupSession(), vodozemac.GroupSession()
    batch = [peer.room_key(before), poison(peer), peer.room_key(after)]
    taken = ours.take(*batch)
    assert taken.learned == {(ROOM, before.session_id), (ROOM, after.session_id)}
    assert reads(ours, peer, before)
    assert reads(ours, peer, after)


def test_row_02_a_fault_that_is_no_exception_stops_nothing(
    ours: OfflineDevice, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Panic(BaseException):
        """What PyO3 makes of a panic in Rust."""

    session, calls = vodozemac.GroupSession(), []
    original = OlmMachine.save_session

    def panics_once(machine: OlmMachine, *arguments: Any) -> None:
        original(machine, *arguments)
        calls.append(1)
        if len(calls) == 1:
            raise Panic

    monkeypatch.setattr(OlmMachine, "save_session", panics_once)
    message = peer.room_key(session)
    taken = ours.take(message)
    assert taken.refused == {"Panic": 1}
    # The session that it moved on was put back, so that the same message can be opened.
    assert ours.take(message, first=2).learned == {(ROOM, session.session_id)}


def test_row_02_an_unknown_one_time_key_marks_the_device_so_that_it_can_write_again(
    ours: OfflineDevice, peer: Peer
) -> None:
    peer.open_session(vodozemac.Curve25519SecretKey().public_key().to_base64())
    taken = ours.take(peer.room_key(vodozemac.GroupSession()))
    assert taken.refused == {"undecryptable": 1}
    assert ours.wedged() == [(peer.user_id, peer.curve25519)]


# -- row 3: the account -----------------------------------------------------------------------------------------------


def test_row_03_a_used_one_time_key_is_used_up_on_disk(ours: OfflineDevice, peer: Peer, tmp_path: Path) -> None:
    message = peer.room_key(vodozemac.GroupSession())
    assert ours.take(message).learned
    ours.machine.close()
    again = OfflineDevice(tmp_path / "store")
    # Without the session that it opened, only the one-time key could open it again.
    again.machine.sql("DELETE FROM olmsessions")
    assert again.take(message, first=2).refused == {"undecryptable": 1}
    again.machine.close()


# -- kills ------------------------------------------------------------------------------------------------------------

_KILLED = """
import json, os, signal, sys
from pathlib import Path
from messenger_core.matrix.encryption.machine import OlmMachine
from messenger_core.matrix.encryption.room_keys import RoomKeys
from tests.messenger_core.matrix.olm_peer import OfflineDevice

folder, rows, point = Path(sys.argv[1]), json.loads(sys.argv[2]), sys.argv[3]

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

def dying_after(owner, name):
    original = getattr(owner, name)
    def patched(*arguments):
        result = original(*arguments)
        die()
        return result
    setattr(owner, name, patched)

device = OfflineDevice(folder)
if point == "session written":
    dying_after(OlmMachine, "save_session")
elif point == "account written":
    dying_after(OlmMachine, "save_account")
elif point == "room key written":
    dying_after(RoomKeys, "add")
elif point == "before the commit":
    dying_after(type(device.intake), "_take_one")
    device.intake.take([(number, row) for number, row in rows], ())
device.intake.take([(number, row) for number, row in rows], ())
die()
"""


@pytest.mark.parametrize(
    "point", ["session written", "account written", "room key written", "before the commit", "after the commit"]
)
@pytest.mark.parametrize("known_session", [False, True], ids=["first message", "later message"])
def test_row_03_a_kill_between_ratchet_account_and_room_key_loses_nothing(
    ours: OfflineDevice, peer: Peer, tmp_path: Path, point: str, known_session: bool
) -> None:
    if known_session:
        ours.take(peer.room_key(vodozemac.GroupSession()))
        # Our answer turns its messages into later ones, which open no session.
        (ours_session,) = ours.machine.olm_sessions(peer.curve25519)
        peer.session.decrypt(ours_session.encrypt("hello"))
        ours.machine.save_session(peer.curve25519, ours_session)
    ours.know(peer.known)
    sessions = [vodozemac.GroupSession() for _ in range(3)]
    rows = [(number, json.dumps(peer.room_key(session))) for number, session in enumerate(sessions, 10)]
    ours.machine.close()
    store = str(tmp_path / "store")
    child = subprocess.run([sys.executable, "-c", _KILLED, store, json.dumps(rows), point], check=False, timeout=60)
    assert child.returncode == -signal.SIGKILL
    again = OfflineDevice(tmp_path / "store")
    taken = again.intake.take(rows, ())
    assert not taken.refused
    assert again.wedged() == []
    for session in sessions:
        assert reads(again, peer, session)
    again.machine.close()


# -- a full disk ------------------------------------------------------------------------------------------------------


def test_a_full_disk_changes_nothing_and_the_same_messages_are_taken_in_later(ours: OfflineDevice, peer: Peer) -> None:
    sessions = [vodozemac.GroupSession() for _ in range(200)]
    messages = [peer.room_key(session) for session in sessions]
    ((pages,),) = ours.machine.sql("PRAGMA page_count")
    for _ in range(2):
        ours.machine.sql(f"PRAGMA max_page_count = {pages + 2}")
        with pytest.raises(StoreUnwritable):
            ours.take(*messages)
        assert not reads(ours, peer, sessions[0])
        assert ours.machine.olm_sessions(peer.curve25519) == []
    ours.machine.sql("PRAGMA max_page_count = 1073741823")
    taken = ours.take(*messages)
    assert len(taken.learned) == 200
    assert not taken.refused
    assert all(reads(ours, peer, session) for session in sessions)


# -- which keys are believed ------------------------------------------------------------------------------------------


def test_a_worse_copy_of_a_room_key_does_not_replace_a_better_one(ours: OfflineDevice, peer: Peer) -> None:
    session = vodozemac.GroupSession()
    first = peer.event(session, text("from the start"))
    # The key as it begins now reads later messages only.
    worse = peer.room_key(session)
    assert ours.take(worse).learned == {(ROOM, session.session_id)}
    with pytest.raises(RoomKeyMissing):
        ours.decryptor.decrypt_megolm(ROOM, first)
    again = vodozemac.GroupSession()
    start = peer.room_key(again)
    event = peer.event(again, text("the first"))
    later = peer.room_key(again)
    assert ours.take(start, first=2).learned
    assert not ours.take(later, first=3).learned
    assert ours.decryptor.decrypt_megolm(ROOM, event).event["content"]["body"] == "the first"


def exported(session: vodozemac.GroupSession, peer: Peer) -> dict[str, Any]:
    """What forwards a room key, as its own device does it."""
    inbound = vodozemac.InboundGroupSession(session.session_key)
    key = inbound.export_at(inbound.first_known_index)
    assert key is not None
    return {
        "algorithm": MEGOLM,
        "room_id": ROOM,
        "session_id": session.session_id,
        "session_key": key.to_base64(),
        "sender_key": peer.curve25519,
        "sender_claimed_ed25519_key": peer.account.ed25519_key.to_base64(),
        "forwarding_curve25519_key_chain": [],
    }


def test_row_14_a_forwarded_key_is_accepted_from_the_device_that_was_asked_and_owns_it_alone(
    ours: OfflineDevice, peer: Peer
) -> None:
    session = vodozemac.GroupSession()
    content = exported(session, peer)
    asked = KeyRequest("1", ROOM, session.session_id, peer.user_id, peer.device_id)
    other = Peer("@other:here.example", ours, "OTHER")
    second = Peer(peer.user_id, ours, "SECOND")

    def take(sender: Peer, content: dict[str, Any], request: KeyRequest | None) -> bool:
        take.number += 1  # type: ignore[attr-defined]
        message = sender.seal(sender.letter("m.forwarded_room_key", content))
        requests = [] if request is None else [request]
        return bool(ours.take(message, first=take.number, asked=requests).learned)  # type: ignore[attr-defined]

    take.number = 0  # type: ignore[attr-defined]
    assert not take(peer, content, asked), "a device that is not known"
    ours.know(peer.known, other.known, second.known)
    assert not take(peer, content, None), "nobody was asked"
    assert not take(peer, content, replace(asked, session_id="x")), "another key was asked for"
    assert not take(peer, content, replace(asked, room_id="!other:x")), "another room was meant"
    assert not take(other, {**content, "sender_key": other.curve25519}, asked), "another person"
    assert not take(second, {**content, "sender_key": second.curve25519}, asked), "another device"
    assert not take(second, content, replace(asked, device_id="*")), "a device that does not own it"
    assert not take(peer, {**content, "session_key": "AAAA"}, asked), "no key"
    assert not take(peer, {**content, "algorithm": "x"}, asked), "another algorithm"
    assert not reads(ours, peer, session)
    assert take(peer, content, asked)
    assert reads(ours, peer, session)


def test_nobody_makes_us_deaf_to_somebody_by_listing_her_public_key_as_her_own(ours: OfflineDevice, peer: Peer) -> None:
    """A device's curve25519 key is public; whoever lists it under her own name and signs it has it in her list."""
    mallory = Peer("@mallory:here.example", ours, "MALLORY")
    listed_by_mallory = replace(mallory.known, curve25519=peer.curve25519)
    for number, devices in enumerate([(listed_by_mallory,), (peer.known,)], 1):
        ours.know(*devices)
        session = vodozemac.GroupSession()
        taken = ours.take(peer.room_key(session), first=number)
        assert taken.refused == {}
        assert taken.learned == {(ROOM, session.session_id)}
        assert reads(ours, peer, session)


def test_a_letter_that_claims_another_signing_key_than_its_sender_lists_is_not_believed(
    ours: OfflineDevice, peer: Peer
) -> None:
    ours.know(replace(peer.known, ed25519=Peer(peer.user_id, ours).known.ed25519))
    taken = ours.take(peer.room_key(vodozemac.GroupSession()))
    assert taken.refused == {"other_signing_key": 1}
    assert not taken.learned


def test_a_device_that_opens_many_sessions_keeps_the_newest_alone(ours: OfflineDevice, peer: Peer) -> None:
    for number in range(30):
        peer.open_session(ours.one_time_key())
        assert ours.take(peer.room_key(vodozemac.GroupSession()), first=number).learned
    ((count,),) = ours.machine.sql("SELECT count(*) FROM olmsessions")
    assert count == 20
    ours.machine.forget_memory()
    assert ours.take(peer.room_key(vodozemac.GroupSession()), first=99).learned


def test_a_message_that_no_session_opens_marks_its_device_once(ours: OfflineDevice, peer: Peer) -> None:
    ours.take(peer.room_key(vodozemac.GroupSession()))
    (session,) = ours.machine.olm_sessions(peer.curve25519)
    peer.session.decrypt(session.encrypt("hello"))
    ours.machine.sql("DELETE FROM olmsessions")
    ours.machine.forget_memory()
    lost = [peer.room_key(vodozemac.GroupSession()) for _ in range(3)]
    assert ours.take(*lost, first=2).refused == {"no_session": 3}
    assert ours.wedged() == [(peer.user_id, peer.curve25519)]


def test_what_is_sent_in_clear_is_never_a_room_key(ours: OfflineDevice, peer: Peer) -> None:
    session = vodozemac.GroupSession()
    content = {
        "algorithm": MEGOLM,
        "room_id": ROOM,
        "session_id": session.session_id,
        "session_key": session.session_key.to_base64(),
    }
    for kind in ("m.room_key", "m.forwarded_room_key"):
        assert not ours.take({"type": kind, "sender": peer.user_id, "content": content}).learned
    assert not reads(ours, peer, session)


# -- row 21: the store ------------------------------------------------------------------------------------------------


def test_row_21_the_store_is_the_owners_alone_and_encrypted_with_a_real_secret(
    ours: OfflineDevice, peer: Peer, tmp_path: Path
) -> None:
    session = vodozemac.GroupSession()
    secret = base64.b64decode(session.session_key.to_base64() + "==")[5:133]
    ours.take(peer.room_key(session))
    store = tmp_path / "store"
    assert store.stat().st_mode & 0o777 == 0o700
    for file in store.iterdir():
        assert file.stat().st_mode & 0o777 == 0o600
        assert secret not in file.read_bytes()
        assert base64.b64encode(secret)[:60] not in file.read_bytes()
    ((journal_mode,),) = ours.machine.sql("PRAGMA journal_mode")
    ((synchronous,),) = ours.machine.sql("PRAGMA synchronous")
    assert (journal_mode, synchronous) == ("truncate", 2)


@pytest.mark.parametrize("store_key", ["", "short"])
def test_row_21_a_store_key_that_is_no_secret_is_refused_before_anything_is_written(
    tmp_path: Path, store_key: str
) -> None:
    with pytest.raises(SettingsError, match="16 characters"):
        OlmMachine.open(USER, DEVICE, tmp_path / "new", store_key)
    assert not (tmp_path / "new").exists()


def test_row_21_another_store_key_opens_nothing_and_destroys_nothing(ours: OfflineDevice, tmp_path: Path) -> None:
    own = ours.machine.curve25519
    ours.machine.close()
    with pytest.raises(SettingsError, match="does not fit"):
        OlmMachine.open(USER, DEVICE, tmp_path / "store", "another key than before")
    again = OlmMachine.open(USER, DEVICE, tmp_path / "store", STORE_KEY)
    assert again.curve25519 == own
    again.close()
