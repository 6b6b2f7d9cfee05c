"""Gives files to those alone who have met their owner, and takes ciphertext without a name alone."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from synapse.api.errors import HttpResponseException, NotFoundError
from synapse.module_api import Requester

from synapse_modules.adapters.refusals import Refusals
from synapse_modules.adapters.synapse_private.files import answer_not_found
from synapse_modules.adapters.synapse_private.wrapping import Call
from synapse_modules.rules.reach import Refusal
from synapse_modules.store.common_rooms import CommonRooms

# What Matrix has clients call ciphertext (v1.11, "Sending encrypted attachments"); a picture would be called one.
_CIPHERTEXT = "application/octet-stream"


class FileGate:
    """Stands in front of Synapse's files; for whom a file is not, it is as if there were none.

    What is not called ciphertext is not taken, from another server neither, and nothing is stored of what its owner
    calls it: names are in clear.
    """

    def __init__(self, common_rooms: CommonRooms, refusals: Refusals) -> None:
        self._common_rooms = common_rooms
        self._refusals = refusals

    async def take(self, call: Call) -> Any:
        """A file that somebody of ours puts here.

        Raises:
            SynapseError: if it is not called ciphertext.
        """
        if call.arguments["media_type"] != _CIPHERTEXT:
            raise self._refusals.error(Refusal.FILE_NOT_ENCRYPTED)
        return await call.go_on(upload_name=None)

    async def give(self, call: Call) -> Any:
        """A file of ours."""
        info = await call.go_on()
        request = call.arguments["request"]
        if info is None or await self._may_have(request.requester, info.user_id):
            return info
        answer_not_found(request)
        return None

    async def give_of_other_server(self, call: Call) -> Any:
        """A file of another server, to people of ours."""
        request = call.arguments["request"]
        requester = request.requester
        if isinstance(requester, Requester) and await self._common_rooms.server_has_met(
            call.arguments["server_name"], requester.user.to_string()
        ):
            return await call.go_on()
        answer_not_found(request)
        return None

    async def give_small_picture(self, _call: Call) -> Any:
        """There are no small pictures of ciphertext.

        Raises:
            NotFoundError: always.
        """
        raise NotFoundError

    async def download(self, call: Call) -> Any:
        """A file of another server, if that calls it ciphertext; nothing else that it says of it is stored.

        Raises:
            NotFoundError: if it does not, or has none; Synapse would show what the other server wrote.
        """
        try:
            length, headers, *rest = await call.go_on()
        except HttpResponseException as fault:
            if fault.code != HTTPStatus.NOT_FOUND:
                raise
            raise NotFoundError from None
        called = (headers.get(b"Content-Type") or [None])[0] or b""
        if called.partition(b";")[0].strip().lower() != _CIPHERTEXT.encode():
            raise NotFoundError
        return length, {b"Content-Type": [_CIPHERTEXT.encode()]}, *rest

    async def _may_have(self, requester: Requester | str | None, owner: str | None) -> bool:
        if owner is None or requester is None:
            return False
        # Of another server Synapse notes the name.
        if isinstance(requester, str):
            return await self._common_rooms.server_has_met(requester, owner)
        user_id = requester.user.to_string()
        return user_id == owner or await self._common_rooms.have_met(user_id, owner)
