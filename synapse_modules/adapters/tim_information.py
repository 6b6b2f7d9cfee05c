"""gematik's I_TiMessengerInformation: which server an insurer's people are at, and whether a server is an insurer's."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from typing import Any

from synapse.http.site import SynapseRequest
from synapse.module_api import DirectServeJsonResource, ModuleApi
from synapse.util.clock import Clock

from messenger_core.log import fault_without_text
from synapse_modules.adapters.listed_servers import ListedServers
from synapse_modules.adapters.parties import Parties
from synapse_modules.adapters.synapse_private.openid import PrivateOpenId
from synapse_modules.rules.federation_list import server_of_ik

logger = logging.getLogger(__name__)

PATH = "/tim-information"
_INFO = {
    "title": "I_TiMessengerInformation",
    "description": "Which messenger server an insurer's people are at (HEK Messenger).",
    "version": "1.0.0",
}
_IK = re.compile(r"[0-9]{9}")
_SERVER_NAME = re.compile(r"[A-Za-z0-9.-]{1,230}(:[0-9]{1,5})?")
_Answer = tuple[int, dict[str, Any]]


def _fault(status: int, code: str, message: str) -> _Answer:
    return status, {"errorCode": code, "errorMessage": message}


class TimInformation(DirectServeJsonResource):
    """Everything below ``/tim-information``; the bearer is a Matrix OpenID token of an account of this server."""

    isLeaf = True  # noqa: N815 - Twisted's name

    def __init__(
        self,
        api: ModuleApi,
        *,
        servers: ListedServers,
        parties: Parties,
        open_id: PrivateOpenId,
        insurer_ik: str,
        clock: Clock,
    ) -> None:
        super().__init__(clock=clock)
        self._own_server = api.server_name
        self._own_ik = insurer_ik
        self._servers = servers
        self._parties = parties
        self._open_id = open_id

    async def _async_render(self, request: SynapseRequest) -> _Answer:
        """Called by Synapse for every request."""
        try:
            return await self._answer(request)
        except Exception as fault:  # noqa: BLE001 - the last resort: a caller always gets an answer
            logger.error("a question about servers failed: %s", fault_without_text(fault))  # noqa: TRY400 - no texts
            return _fault(500, "internal-error", "The service failed; the operator finds it in the log.")

    async def _answer(self, request: SynapseRequest) -> _Answer:
        path = request.path.decode("utf-8", errors="replace").removeprefix(PATH).rstrip("/")
        if path not in {"", "/v1/server/findByIk", "/v1/server/isInsurance"}:
            return _fault(404, "not-found", "There is no such operation; see I_TiMessengerInformation 1.0.0.")
        if request.method not in {b"GET", b"HEAD"}:
            request.responseHeaders.setRawHeaders("Allow", ["GET, HEAD"])
            return _fault(405, "method-not-allowed", "Only GET is answered here.")
        if not await self._is_ours(request):
            # The description knows 403 alone for the first operation, and 401 alone for the others.
            return _fault(401 if path else 403, "unauthorized", "A Matrix OpenID token of this server is needed.")
        return await self._look_up(path, request.args or {}) if path else (200, dict(_INFO))

    async def _look_up(self, path: str, arguments: Mapping[bytes, list[bytes]]) -> _Answer:
        if not self._servers.servers:
            return _fault(503, "list-not-current", "The federation list is not current; please try again later.")
        if path.endswith("findByIk"):
            return self._find_by_ik(_argument(arguments, b"ikNumber"))
        return await self._is_insurance(_argument(arguments, b"serverName"))

    async def _is_ours(self, request: SynapseRequest) -> bool:
        scheme, _, token = (request.getHeader("Authorization") or "").partition(" ")
        user_id = await self._open_id.owner_of(token.strip()) if scheme.lower() == "bearer" and token else None
        return user_id is not None and (await self._parties.of([user_id]))[user_id].live

    def _find_by_ik(self, ik: str) -> _Answer:
        if not _IK.fullmatch(ik):
            return _fault(400, "bad-request", "ikNumber: an institution code of nine digits is needed.")
        server = self._own_server if ik == self._own_ik else server_of_ik(self._servers.servers, ik)
        if server is None:
            return _fault(404, "not-found", "No server of the federation list belongs to this institution code.")
        return 200, {"serverName": server}

    async def _is_insurance(self, name: str) -> _Answer:
        if not _SERVER_NAME.fullmatch(name):
            return _fault(400, "bad-request", "serverName: a server name is needed, like messenger.example.")
        if name.lower() == self._own_server:
            return 200, {"isInsurance": True}
        server = await self._servers.find(name.lower())
        return 200, {"isInsurance": server is not None and server.is_insurance}


def _argument(arguments: Mapping[bytes, list[bytes]], name: bytes) -> str:
    """A parameter that stands there once; else an empty text."""
    values = arguments.get(name, [])
    return values[0].decode("utf-8", errors="replace") if len(values) == 1 else ""
