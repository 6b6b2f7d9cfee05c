"""What happens by itself: what has expired is forgotten, and clients are told of sessions that have ended."""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Mapping

import aiohttp

from gesundheitsid.adapters.key_file import KeyFile
from gesundheitsid.rules.provider import Client, logout_token
from gesundheitsid.store.grants import EndedSession, Grants
from gesundheitsid.store.sign_ins import SignIns
from messenger_core.background import BackgroundTasks
from messenger_core.clock import Clock
from messenger_core.service_auth.assertions import sign_statement

logger = logging.getLogger(__name__)

_EVERY_S = 2.0
_TIMEOUT = aiohttp.ClientTimeout(total=10)


class Housekeeping:
    """Runs beside the requests. Several processes may do the same work twice; neither part minds."""

    def __init__(
        self,
        *,
        issuer: str,
        clients: Mapping[str, Client],
        sign_ins: SignIns,
        grants: Grants,
        keys: KeyFile,
        clock: Clock,
    ) -> None:
        self._issuer = issuer
        self._clients = clients
        self._sign_ins = sign_ins
        self._grants = grants
        self._keys = keys
        self._clock = clock

    def start(self, tasks: BackgroundTasks) -> None:
        """Starts both parts. Each begins anew after a fault: what one round leaves undone, the next one finds."""
        tasks.start("removal of what has expired", self._remove_expired)
        tasks.start("logout notices", self._send_logouts)

    async def _remove_expired(self) -> None:
        while True:
            now = self._clock()
            await self._sign_ins.remove_expired(now)
            await self._grants.remove_expired(now)
            await asyncio.sleep(_EVERY_S)

    async def _send_logouts(self) -> None:
        while True:
            await self.send_due_logouts()
            await asyncio.sleep(_EVERY_S)

    async def send_due_logouts(self) -> None:
        """Tells clients of the sessions that have ended and that they do not know of yet."""
        ended = await self._grants.due_logouts(self._clock())
        if ended:
            async with aiohttp.ClientSession(timeout=_TIMEOUT) as http:
                for session in ended:
                    await self._tell(http, session)

    async def _tell(self, http: aiohttp.ClientSession, ended: EndedSession) -> None:
        """OpenID Connect Back-Channel Logout 1.0, 2.5."""
        client = self._clients.get(ended.client_id)
        if client is None or client.logout_uri is None:
            await self._grants.forget_session(ended.session)
            return
        claims = logout_token(
            issuer=self._issuer,
            client_id=client.client_id,
            subject=ended.subject,
            session=ended.session,
            token_id=secrets.token_urlsafe(24),
            now=self._clock(),
        )
        token = sign_statement(self._keys.ring("id-token").current, claims, token_type="logout+jwt")
        try:
            async with http.post(client.logout_uri, data={"logout_token": token}, allow_redirects=False) as answer:
                status = answer.status
        except (aiohttp.ClientError, TimeoutError) as fault:
            logger.warning("%s is not told of an ended session yet: %s", client.client_id, type(fault).__name__)
            await self._grants.postpone_logout(ended.session, self._clock())
            return
        # 400 is a client's final word as well, e.g. for a session that it no longer has.
        if status in {200, 204, 400}:
            await self._grants.forget_session(ended.session)
            logger.info("%s was told of an ended session (status %d)", client.client_id, status)
        else:
            logger.warning("%s is not told of an ended session yet: status %d", client.client_id, status)
            await self._grants.postpone_logout(ended.session, self._clock())
