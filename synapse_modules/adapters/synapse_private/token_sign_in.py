"""Synapse's own sign-in by login token, its refresh and the end of devices, for the OAuth API that stands over them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from synapse.api.errors import AuthError, LimitExceededError, SynapseError, UserLockedError
from synapse.handlers.auth import AuthHandler
from synapse.handlers.device import DeviceHandler
from synapse.http.site import RequestInfo
from synapse.rest.client.login import LoginRestServlet
from synapse.server import HomeServer
from synapse.storage.databases.main.registration import RegistrationWorkerStore
from synapse.util.async_helpers import Linearizer

from synapse_modules.adapters.synapse_private.features import Feature
from synapse_modules.rules.errors import ModuleError

FEATURES = (
    Feature(AuthHandler, "consume_login_token", ("login_token",)),
    Feature(AuthHandler, "delete_access_tokens_for_devices", ("user_id", "device_ids")),
    Feature(
        AuthHandler,
        "refresh_token",
        ("refresh_token", "access_token_valid_until_ms", "refresh_token_valid_until_ms"),
    ),
    Feature(DeviceHandler, "delete_devices", ("user_id", "device_ids")),
    Feature(LoginRestServlet, "_do_token_login", ("login_submission", "should_issue_refresh_token", "request_info")),
    Feature(RegistrationWorkerStore, "get_user_by_access_token", ("token",)),
    Feature(RegistrationWorkerStore, "lookup_refresh_token", ("token",)),
)


class SignInError(ModuleError):
    """Synapse does not sign a device in, or does not go on with one."""


class TokenDeadError(SignInError):
    """The token was used, is over, or was never given; or the account may not sign in."""


class AccountLockedError(SignInError):
    """The account is locked; everything stays for an undo."""


class TooManySignInsError(SignInError):
    """The account signed in too often just now."""


@dataclass(frozen=True, slots=True)
class SignInProof:
    """Who signed in at which provider."""

    user_id: str
    provider_id: str | None
    provider_session_id: str | None


@dataclass(frozen=True, slots=True)
class DeviceTokens:
    """Synapse's tokens of a device."""

    user_id: str
    access_token: str
    refresh_token: str
    expires_in: timedelta


@dataclass(frozen=True, slots=True)
class TokenOwner:
    """Whose a token is.

    Attributes:
        is_over: whether its time is over; of an access token it is not asked.
    """

    user_id: str
    device_id: str | None
    is_over: bool = False


class PrivateTokenSignIn:
    """What the public module API cannot do with login tokens, refresh tokens and devices; in the main process."""

    def __init__(self, hs: HomeServer) -> None:
        self._hs = hs
        self._servlet: LoginRestServlet | None = None
        self._refreshes = Linearizer(name="hek_oauth_refresh", clock=hs.get_clock())

    @property
    def cookie_secret(self) -> bytes:
        """What Synapse's own sign-in cookies are made with; the same in all processes."""
        secret: bytes = self._hs.config.key.macaroon_secret_key
        return secret

    async def consume(self, login_token: str) -> SignInProof:
        """Uses a login token up.

        Raises:
            TokenDeadError: if it was used, is over, or was never given.
        """
        try:
            found = await self._hs.get_auth_handler().consume_login_token(login_token)
        except AuthError:
            raise TokenDeadError from None
        return SignInProof(found.user_id, found.auth_provider_id, found.auth_provider_session_id)

    async def sign_in(
        self, login_token: str, *, device_id: str, device_name: str, client_address: str, user_agent: str | None
    ) -> DeviceTokens:
        """What ``POST /login`` with a login token does, with every rule that stands there.

        Raises:
            SignInError: by its reason.
        """
        submission = {
            "type": LoginRestServlet.TOKEN_TYPE,
            "token": login_token,
            "device_id": device_id,
            "initial_device_display_name": device_name,
        }
        # Made late, as Synapse does: it looks for providers of sign-in that are set up after the modules.
        self._servlet = self._servlet or LoginRestServlet(self._hs)
        try:
            made = await self._servlet._do_token_login(
                submission,
                should_issue_refresh_token=True,
                request_info=RequestInfo(user_agent=user_agent, ip=client_address),
            )
        except UserLockedError:
            raise AccountLockedError from None
        except LimitExceededError:
            raise TooManySignInsError from None
        except SynapseError as refusal:
            raise _refused(refusal) from None
        access_token, refresh_token, expires_in_ms = made["access_token"], made["refresh_token"], made["expires_in_ms"]
        assert access_token is not None  # a refreshable lifetime is checked at start
        assert refresh_token is not None
        assert expires_in_ms is not None
        return DeviceTokens(made["user_id"], access_token, refresh_token, timedelta(milliseconds=expires_in_ms))

    @asynccontextmanager
    async def one_refresh_at_a_time(self, session: str) -> AsyncIterator[None]:
        """Keeps the order in which refreshes of a session came: the last answer holds the tokens that are valid."""
        async with self._refreshes.queue(session):
            yield

    async def owner_of_refresh_token(self, token: str) -> TokenOwner | None:
        """Whose a refresh token of Synapse's is; None if there is no such token any more."""
        found = await self._hs.get_datastores().main.lookup_refresh_token(token)
        if found is None:
            return None
        ends_ms = [one for one in (found.expiry_ts, found.ultimate_session_expiry_ts) if one is not None]
        is_over = bool(ends_ms) and min(ends_ms) < self._hs.get_clock().time_msec()
        return TokenOwner(found.user_id, found.device_id, is_over)

    async def owner_of_access_token(self, token: str) -> TokenOwner | None:
        """Whose an access token is, whether or not it is over; None if there is no such token."""
        store: Any = self._hs.get_datastores().main
        found = await store.get_user_by_access_token(token)
        return None if found is None else TokenOwner(found.user_id, found.device_id)

    async def refresh(self, owner: TokenOwner, token: str) -> DeviceTokens:
        """New tokens for a refresh token of Synapse's.

        Raises:
            SignInError: by its reason.
        """
        registration, now_ms = self._hs.config.registration, self._hs.get_clock().time_msec()
        lifetime_ms, refresh_lifetime_ms = (
            registration.refreshable_access_token_lifetime,
            registration.refresh_token_lifetime,
        )
        assert lifetime_ms is not None  # checked at start
        try:
            access_token, refresh_token, valid_until_ms = await self._hs.get_auth_handler().refresh_token(
                token, now_ms + lifetime_ms, None if refresh_lifetime_ms is None else now_ms + refresh_lifetime_ms
            )
        except UserLockedError:
            raise AccountLockedError from None
        except SynapseError as refusal:
            raise _refused(refusal) from None
        expires_in = timedelta(milliseconds=(valid_until_ms or now_ms + lifetime_ms) - now_ms)
        return DeviceTokens(owner.user_id, access_token, refresh_token, expires_in)

    async def end_tokens(self, user_id: str, device_id: str) -> None:
        """Ends all tokens of a device; the device stays."""
        await self._hs.get_auth_handler().delete_access_tokens_for_devices(user_id, [device_id])

    async def end_device(self, user_id: str, device_id: str) -> None:
        """Ends a device with its tokens, keys and pushers; one that is gone already stays gone."""
        await self._hs.get_device_handler().delete_devices(user_id, [device_id])


def _refused(refusal: SynapseError) -> Exception:
    """A refusal of Synapse's as one of ours; a fault of the server's stays what it is."""
    return TokenDeadError() if refusal.code < HTTPStatus.INTERNAL_SERVER_ERROR else refusal
