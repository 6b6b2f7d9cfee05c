"""A file belongs to its conversation: whoever was never in a room with its owner gets none, also with its id."""

from __future__ import annotations

import aiohttp

from tests.synapse_modules.homeserver_under_test import Homeserver, SignedIn


async def _put(homeserver: Homeserver, owner: SignedIn) -> str:
    headers = {"Authorization": f"Bearer {owner.access_token}"}
    address = f"{homeserver.url}/_matrix/media/v3/upload"
    async with aiohttp.ClientSession(headers=headers) as http, http.post(address, data=b"ciphertext") as answer:
        assert answer.status == 200
        return str((await answer.json())["content_uri"]).removeprefix("mxc://")


async def _status(homeserver: Homeserver, who: SignedIn, file: str, what: str = "download", query: str = "") -> int:
    headers = {"Authorization": f"Bearer {who.access_token}"}
    address = f"{homeserver.url}/_matrix/client/v1/media/{what}/{file}{query}"
    async with aiohttp.ClientSession(headers=headers) as http, http.get(address) as answer:
        return answer.status


async def test_a_file_is_for_its_conversation(homeserver: Homeserver) -> None:
    person, device, _practice, room = await homeserver.care_room()
    stranger = await homeserver.new_person()
    hers, theirs = await _put(homeserver, person), await _put(homeserver, device)
    assert await _status(homeserver, person, hers) == 200
    assert await _status(homeserver, device, hers) == 200
    assert await _status(homeserver, stranger, hers) == 404
    assert await _status(homeserver, stranger, theirs) == 404
    assert await _status(homeserver, stranger, hers, "thumbnail", "?width=32&height=32") == 404
    # What was written until somebody left stays hers to read.
    assert (await homeserver.call(person, "POST", f"/rooms/{room}/leave", {}))[0] == 200
    assert await _status(homeserver, person, theirs) == 200
    assert await _status(homeserver, device, hers) == 200


async def test_a_file_in_clear_is_not_taken_and_no_name_of_one_is_kept(homeserver: Homeserver) -> None:
    person, device, _practice, _room = await homeserver.care_room()
    for who in (person, device):
        headers = {"Authorization": f"Bearer {who.access_token}"}
        address = f"{homeserver.url}/_matrix/media/v3/upload?filename=Befund.pdf"
        async with aiohttp.ClientSession(headers=headers) as http:
            async with http.post(address, data=b"%PDF-1.7", headers={"Content-Type": "application/pdf"}) as answer:
                assert answer.status == 403
                refused = await answer.json()
                assert (refused["errcode"], "verschlüsselt" in refused["error"]) == ("M_FORBIDDEN", True)
            async with http.post(address, data=b"ciphertext") as answer:
                assert answer.status == 200
    assert not homeserver.rows("SELECT 1 FROM local_media_repository WHERE upload_name IS NOT NULL")
