"""Synapse's files: encrypted ones without names alone, and only for those who have met who put them there."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Protocol

from synapse.api.errors import HttpResponseException, NotFoundError, SynapseError
from synapse.federation.federation_client import FederationClient
from synapse.media._base import respond_404
from synapse.media.media_repository import MediaRepository
from synapse.module_api import Requester
from synapse.server import HomeServer

from synapse_modules.adapters.synapse_private.features import Feature
from synapse_modules.adapters.synapse_private.wrapping import Call, put_in_front

FEATURES = (
    Feature(MediaRepository, "create_or_update_content", ("media_type", "upload_name")),
    Feature(MediaRepository, "get_local_media_info", ("request", "media_id")),
    Feature(MediaRepository, "get_remote_media", ("request", "server_name")),
    Feature(MediaRepository, "get_remote_media_info"),
    Feature(FederationClient, "download_media"),
    Feature(FederationClient, "federation_download_media"),
)
# What Matrix has clients call ciphertext (v1.11, "Sending encrypted attachments"); a picture would be called one.
_CIPHERTEXT = "application/octet-stream"


class FileRules(Protocol):
    """What is asked before somebody is given a file."""

    async def have_met(self, user_id: str, owner: str) -> bool:
        """Whether two users have ever been in a room together."""
        ...

    async def server_has_met(self, server_name: str, owner: str) -> bool:
        """Whether somebody of another server has ever been in a room with a user of ours."""
        ...


class PrivateFiles:
    """What the public module API has no callback for."""

    def __init__(self, hs: HomeServer) -> None:
        self._hs = hs

    def close(self, rules: FileRules, not_encrypted: Callable[[], SynapseError]) -> None:
        """Gives a file to its owner and to those whom she has met; for others it is as if there were none.

        What is not called ciphertext is not taken, from another server neither, and nothing is kept of what its owner
        calls it: names are in clear.
        """

        async def take(call: Call) -> Any:
            if call.arguments["media_type"] != _CIPHERTEXT:
                raise not_encrypted()
            return await call.go_on(upload_name=None)

        async def give(call: Call) -> Any:
            info = await call.go_on()
            request = call.arguments["request"]
            if info is None or await self._may_have(rules, request.requester, info.user_id):
                return info
            respond_404(request)
            return None

        async def give_of_other(call: Call) -> Any:
            request = call.arguments["request"]
            asking = request.requester
            is_hers = isinstance(asking, Requester) and await rules.server_has_met(
                call.arguments["server_name"], asking.user.to_string()
            )
            if is_hers:
                return await call.go_on()
            respond_404(request)
            return None

        async def show_small(_call: Call) -> Any:
            # Of ciphertext there are no small pictures.
            raise NotFoundError

        # Other workers serve no files.
        if self._hs.config.media.can_load_media_repo:
            repository, client = self._hs.get_media_repository(), self._hs.get_federation_client()
            put_in_front(repository, "create_or_update_content", take)
            put_in_front(repository, "get_local_media_info", give)
            put_in_front(repository, "get_remote_media", give_of_other)
            put_in_front(repository, "get_remote_media_info", show_small)
            put_in_front(client, "download_media", _download)
            put_in_front(client, "federation_download_media", _download)

    async def _may_have(self, rules: FileRules, asking: Requester | str | None, owner: str | None) -> bool:
        if owner is None or asking is None:
            return False
        # Of another server Synapse notes the name.
        if isinstance(asking, str):
            return await rules.server_has_met(asking, owner)
        return asking.user.to_string() == owner or await rules.have_met(asking.user.to_string(), owner)


async def _download(call: Call) -> Any:
    """A file of another server, if that calls it ciphertext; nothing else that it says of it is kept."""
    try:
        length, headers, *rest = await call.go_on()
    except HttpResponseException as fault:
        if fault.code != HTTPStatus.NOT_FOUND:
            raise
        # Synapse would show what the other server wrote.
        raise NotFoundError from None
    called = (headers.get(b"Content-Type") or [None])[0] or b""
    if called.partition(b";")[0].strip().lower() != _CIPHERTEXT.encode():
        raise NotFoundError
    return length, {b"Content-Type": [_CIPHERTEXT.encode()]}, *rest
