"""Element's own library (matrix-js-sdk with Rust crypto) on both sides of a chat: no rule stands in its way."""

from __future__ import annotations

from contextlib import AsyncExitStack

from sandbox import headless_sign_in
from tests.clients.js_sdk_client import run_js_sdk_client
from tests.synapse_modules.homeserver_under_test import Homeserver, SignedIn


def of_client(device: SignedIn) -> headless_sign_in.SignedIn:
    return headless_sign_in.SignedIn(device.user_id, device.access_token, device.device_id)


async def test_a_person_and_a_practice_write_and_send_files_with_cross_signed_devices(homeserver: Homeserver) -> None:
    """Its keys are published, its devices signed, its messages and their keys delivered, as it sends them."""
    data = bytes(range(256)) * 300
    person, practice = await homeserver.new_person(), await homeserver.new_practice("Praxis")
    device = await homeserver.practice_device(practice)
    status, made = await homeserver.create_room(person, practice.user_id)
    assert status == 200, made
    room_id = made["room_id"]
    async with AsyncExitStack() as clients:
        erika, praxis = [
            await clients.enter_async_context(run_js_sdk_client(homeserver.base, of_client(one), only_signed=True))
            for one in (person, device)
        ]
        for client in (erika, praxis):
            await client.make_identity()
        await praxis.join(room_id)
        await erika.wait_until_together(room_id, practice.user_id)
        await erika.send_text(room_id, "guten Tag")
        await praxis.wait_for_body("guten Tag")
        await praxis.send_file(room_id, data, "Befund.pdf", "application/pdf")
        file = await erika.wait_for(lambda event: event.body == "Befund.pdf", "the file")
        assert await erika.fetch_file(file) == data
        # The practice's second device asks the first for nothing, is signed by it, and reads what comes from then on.
        another = of_client(await homeserver.practice_device(practice))
        second = await clients.enter_async_context(run_js_sdk_client(homeserver.base, another, only_signed=True))
        await second.import_identity(await praxis.export_identity())
        await erika.wait_until_signed(second.signed_in)
        await second.wait_until_together(room_id, person.user_id)
        await erika.send_text(room_id, "an beide Geräte")
        await second.wait_for_body("an beide Geräte")
