"""Files of other servers: ciphertext alone, without a name, for those who have met somebody of that server."""

from __future__ import annotations

import secrets

import aiohttp
import pytest

from tests.synapse_modules.federation import Federation
from tests.synapse_modules.homeserver_under_test import SignedIn

_CIPHERTEXT = "Content-Type: application/octet-stream"
_Got = tuple[int, str | None, str | None, str]


async def _got(federation: Federation, who: SignedIn, file: str, what: str = "download", query: str = "") -> _Got:
    """Status, type, name and text."""
    headers = {"Authorization": f"Bearer {who.access_token}"}
    address = f"{federation.ours.url}/_matrix/client/v1/media/{what}/{federation.hostile.server_name}/{file}{query}"
    async with aiohttp.ClientSession(headers=headers) as http, http.get(address) as answer:
        called = answer.headers.get("Content-Type"), answer.headers.get("Content-Disposition")
        return answer.status, *called, await answer.text()


async def _acquainted(federation: Federation) -> SignedIn:
    person = await federation.ours.new_person()
    room = federation.hostile.open_room(federation.hostile.user(f"praxis-{secrets.token_hex(4)}"))
    assert (await room.invite(person.user_id))[0] == 200
    assert await federation.ours.join(person, room.room_id) == 200
    return person


def _put(federation: Federation, called: str, text: str = "Y2lwaGVydGV4dA") -> str:
    file = secrets.token_hex(8)
    federation.hostile.files[file] = called, text
    return file


async def test_ciphertext_is_given_without_its_name_to_those_who_have_met(federation: Federation) -> None:
    person, stranger = await _acquainted(federation), await federation.ours.new_person("Max")
    file = _put(federation, f'{_CIPHERTEXT}; note=words\r\nContent-Disposition: inline; filename="words.txt"')
    status, kind, name, text = await _got(federation, person, file)
    assert (status, kind, text) == (200, "application/octet-stream", "Y2lwaGVydGV4dA")
    assert "words" not in str(name)
    status, *_, text = await _got(federation, stranger, file)
    assert (status, "Y2lwaGVydGV4dA" in text) == (404, False)


@pytest.mark.parametrize(
    "called",
    [
        "Content-Type: text/plain",
        "Content-Type: text/plain; note=application/octet-stream",
        "Content-Type: image/png",
        "Content-Type: words \u00e4",
        "Content-Disposition: inline",
        "X-Words: words",
    ],
)
async def test_what_is_not_called_ciphertext_is_not_given_and_not_kept(federation: Federation, called: str) -> None:
    person = await _acquainted(federation)
    file = _put(federation, called, "words in clear")
    for _ in range(2):
        status, *_, text = await _got(federation, person, file)
        assert (status, "words" in text) == (404, False)
    rows = federation.ours.rows("SELECT 1 FROM remote_media_cache WHERE media_id = ?", file)
    assert not rows


async def test_of_ciphertext_there_are_no_small_pictures(federation: Federation) -> None:
    person = await _acquainted(federation)
    file = _put(federation, _CIPHERTEXT)
    assert (await _got(federation, person, file, "thumbnail", "?width=32&height=32"))[0] == 404


async def test_why_a_file_is_not_given_is_told_in_our_words(federation: Federation) -> None:
    person = await _acquainted(federation)
    federation.hostile.reason = (404, "words in clear")
    try:
        status, *_, text = await _got(federation, person, "none")
    finally:
        federation.hostile.reason = None
    assert (status, "words in clear" in text) == (404, False)
