"""The independent client by itself: two of it, and it with the sandbox's client, before the session is judged by it."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sandbox.encrypted_client import run_client
from sandbox.headless_sign_in import SignedIn
from sandbox.key_sign_in import key_proof, sign_in_with_key
from tests.clients.js_sdk_client import JsSdkClient, JsSdkFault, run_js_sdk_client
from tests.messenger_core.conftest import SERVER_NAME

if TYPE_CHECKING:
    from tests.messenger_core.conftest import Homeserver


async def a_device(homeserver: Homeserver, tmp_path: Path, name: str) -> SignedIn:
    """A new device of a person who is another one in each test."""
    user_id = f"@{name}-{tmp_path.name.replace('_', '-')}:{SERVER_NAME}".lower()
    return await sign_in_with_key(homeserver.url, user_id=user_id, client_id="tester", key=homeserver.key)


async def test_two_cross_signed_clients_exchange_text_and_a_file(homeserver: Homeserver, tmp_path: Path) -> None:
    data = bytes(range(256)) * 300
    async with AsyncExitStack() as clients:
        pair = []
        for name in ("anna", "bernd"):
            device = await a_device(homeserver, tmp_path, name)
            client = await clients.enter_async_context(run_js_sdk_client(homeserver.url, device, only_signed=True))
            await client.make_identity()
            pair.append(client)
        anna, bernd = pair
        room = await anna.open_chat(bernd.signed_in.user_id, wait=False)
        await bernd.join(room)
        await anna.wait_until_together(room, bernd.signed_in.user_id)
        await anna.send_text(room, "guten Tag")
        await bernd.wait_for_body("guten Tag")
        await bernd.send_file(room, data, "Befund.pdf", "application/pdf")
        file = await anna.wait_for(lambda event: event.body == "Befund.pdf", "the file")
        assert file.encrypted
        assert await anna.fetch_file(file) == data
        broken = {**file.content["file"], "hashes": {"sha256": "A" * 43}}
        with pytest.raises(JsSdkFault, match="hash"):
            await anna.command("fetch_file", file=broken, path=str(tmp_path / "broken"))


async def test_a_second_device_takes_the_identity_over_and_is_signed(homeserver: Homeserver, tmp_path: Path) -> None:
    async with AsyncExitStack() as clients:

        async def client() -> JsSdkClient:
            device = await a_device(homeserver, tmp_path, "anna")
            return await clients.enter_async_context(run_js_sdk_client(homeserver.url, device, only_signed=True))

        first = await client()
        made = await first.make_identity()
        second = await client()
        before = await second.devices(second.signed_in.user_id)
        assert before == {first.signed_in.device_id: True, second.signed_in.device_id: False}
        assert await second.import_identity(await first.export_identity()) == made
        await first.wait_until_signed(second.signed_in)


async def test_a_person_who_lost_her_keys_makes_a_new_identity(homeserver: Homeserver, tmp_path: Path) -> None:
    device = await a_device(homeserver, tmp_path, "anna")
    async with run_js_sdk_client(homeserver.url, device) as before:
        lost = await before.make_identity()
    device = await a_device(homeserver, tmp_path, "anna")
    async with run_js_sdk_client(homeserver.url, device) as after:
        with pytest.raises(JsSdkFault, match="401"):
            await after.make_identity(anew=True)
        auth = key_proof(homeserver.url, device.user_id, client_id="tester", key=homeserver.key)
        assert await after.make_identity(anew=True, auth=auth) != lost


@pytest.mark.parametrize("only_signed", [False, True])
async def test_row_06_only_the_cross_signed_mode_shuts_an_unsigned_client_out(
    homeserver: Homeserver, tmp_path: Path, *, only_signed: bool
) -> None:
    """The sandbox's client has no cross-signing: it can be spoken with in normal mode alone, which shows the modes."""
    other = await a_device(homeserver, tmp_path, "unsigned")
    device = await a_device(homeserver, tmp_path, "anna")
    async with (
        run_client(homeserver.url, other, tmp_path / "store") as unsigned,
        run_js_sdk_client(homeserver.url, device, only_signed=only_signed) as anna,
    ):
        await anna.make_identity()
        room = await anna.open_chat(other.user_id, wait=False)
        await unsigned.wait_for_invitation(device.user_id)
        await unsigned.join(room)
        await anna.wait_until_together(room, other.user_id)
        sent = await unsigned.send_text(room, "from the unsigned device")
        if only_signed:
            refused = await anna.wait_for(lambda seen: seen.event_id == sent and seen.failure is not None, "the fault")
            assert refused.failure == "UNSIGNED_SENDER_DEVICE"
        else:
            await anna.wait_for_body("from the unsigned device")
            await anna.send_text(room, "to the unsigned device")
            await unsigned.wait_for(lambda seen: seen.body == "to the unsigned device", "the answer")
