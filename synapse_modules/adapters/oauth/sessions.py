"""What is done with sessions of OAuth clients: begun with a code, gone on with, ended; every step may be the last."""

from __future__ import annotations

import secrets
from contextlib import suppress
from datetime import UTC, datetime, timedelta

from prometheus_client import Counter

from messenger_core.calendar_periods import to_milliseconds
from messenger_core.clock import Clock
from synapse_modules.adapters.synapse_private.locks import PrivateLocks
from synapse_modules.adapters.synapse_private.token_sign_in import (
    AccountLockedError,
    DeviceTokens,
    PrivateTokenSignIn,
    SignInError,
    TokenDeadError,
    TokenOwner,
    TooManySignInsError,
)
from synapse_modules.rules.oauth.client_metadata import ClientMetadata
from synapse_modules.rules.oauth.codes import Code
from synapse_modules.rules.oauth.errors import ErrorCode, OAuthError
from synapse_modules.rules.oauth.token_request import RefreshToken, hash_of
from synapse_modules.store.audit import AuditEntry, AuditLog
from synapse_modules.store.oauth_sessions import Beginning, OAuthSession, OAuthSessions

_SIGN_INS = Counter("hek_oauth_sign_ins", "Sign-ins of OAuth clients", ["client", "outcome"])
_REFRESHES = Counter("hek_oauth_refreshes", "Refreshes of OAuth clients", ["outcome"])
_REPLAYS = Counter("hek_oauth_replays", "Codes and refresh tokens that were used again", ["what"])
# A client that lost the answer asks again, and so does one whose network is slow; whoever took a code comes later.
_REPEATED_WITHIN = timedelta(seconds=20)
_DEVICE_IS_BEING_MADE = timedelta(minutes=10)


class ClientSessions:
    """Keeps our row of a session and Synapse's device together: the row comes first, and goes last."""

    def __init__(
        self,
        *,
        sessions: OAuthSessions,
        synapse: PrivateTokenSignIn,
        locks: PrivateLocks,
        audit: AuditLog,
        clock: Clock,
    ) -> None:
        self._sessions = sessions
        self._synapse = synapse
        self._locks = locks
        self._audit = audit
        self._clock = clock

    async def begin(
        self,
        code: Code,
        client: ClientMetadata,
        *,
        fits: bool,
        client_label: str,
        address: str,
        user_agent: str | None,
    ) -> tuple[DeviceTokens, RefreshToken]:
        """Signs the device of a code in.

        Args:
            code: as it was opened.
            client: whose code it is.
            fits: whether the request's client, address and verifier are the code's.
            client_label: what the client is counted under.
            address: that the request came from.
            user_agent: as the client says.

        Raises:
            OAuthError: ``invalid_grant`` or ``temporarily_unavailable``.
        """
        proof_hash = hash_of(code.login_token)
        before = await self._sessions.find_by_proof(proof_hash)
        if before is not None:
            await self._code_again(before, fits=fits)
        if not fits:
            raise _dead("code")
        if await self._locks.is_locked(code.user_id):
            # The device that she may have had stays for an undo; the code is dead all the same.
            await self._burn(code.login_token)
            raise _dead("code")
        family = secrets.token_urlsafe(32)
        session = OAuthSession(
            code.user_id,
            code.device_id,
            code.client_hash,
            client.host,
            hash_of(family),
            proof_hash,
            to_milliseconds(self._clock()),
        )
        beginning = await self._sessions.begin(session)
        if beginning in {Beginning.CODE_USED, Beginning.DEVICE_OF_OTHERS}:
            _SIGN_INS.labels(client_label, beginning.value).inc()
            raise _dead("code")
        if beginning is Beginning.SAME_DEVICE:
            await self._synapse.end_tokens(session.user_id, session.device_id)
        try:
            tokens = await self._synapse.sign_in(
                code.login_token,
                device_id=code.device_id,
                device_name=client.name,
                client_address=address,
                user_agent=user_agent,
            )
        except SignInError as error:
            if beginning is Beginning.NEW_DEVICE:
                await self._sessions.end(session)
            _SIGN_INS.labels(client_label, "refused").inc()
            raise _told(error, "code", locked=ErrorCode.INVALID_GRANT) from None
        await self._write_down("oauth-signed-in", client.host, session)
        _SIGN_INS.labels(client_label, "signed in").inc()
        return tokens, RefreshToken(family, tokens.refresh_token)

    async def _burn(self, login_token: str) -> None:
        with suppress(TokenDeadError):
            await self._synapse.consume(login_token)

    async def _code_again(self, before: OAuthSession, *, fits: bool) -> None:
        age = self._clock() - datetime.fromtimestamp(before.created_at / 1000, UTC)
        _REPLAYS.labels("code").inc()
        if not fits or age > _REPEATED_WITHIN:
            await self._end(before, "code-replayed")
        raise _dead("code")

    async def go_on(self, token: RefreshToken, client_id: str) -> tuple[DeviceTokens, RefreshToken]:
        """New tokens for a refresh token.

        Raises:
            OAuthError: ``invalid_grant``, or ``temporarily_unavailable`` while the account is locked: then the client
                keeps what it has, for an undo.
        """
        async with self._synapse.one_refresh_at_a_time(token.family_hash):
            session = await self._sessions.find_by_family(token.family_hash)
            if session is None or session.client_hash != hash_of(client_id):
                _REFRESHES.labels("unknown").inc()
                raise _dead("refresh_token")
            if await self._locks.is_locked(session.user_id):
                _REFRESHES.labels("locked").inc()
                raise _told(AccountLockedError(), "refresh_token")
            owner = await self._synapse.owner_of_refresh_token(token.token)
            if owner is None or (owner.user_id, owner.device_id) != (session.user_id, session.device_id):
                raise await self._replayed(session)
            if owner.is_over:
                _REFRESHES.labels("over").inc()
                raise _dead("refresh_token")
            try:
                tokens = await self._synapse.refresh(owner, token.token)
            except TokenDeadError:
                raise await self._replayed(session) from None
            except SignInError as error:
                _REFRESHES.labels("locked").inc()
                raise _told(error, "refresh_token") from None
            _REFRESHES.labels("refreshed").inc()
            return tokens, RefreshToken(token.family, tokens.refresh_token)

    async def _replayed(self, session: OAuthSession) -> OAuthError:
        _REFRESHES.labels("dead").inc()
        _REPLAYS.labels("refresh token").inc()
        await self._end(session, "refresh-token-replayed")
        return _dead("refresh_token")

    async def revoke(self, token: str, parsed: RefreshToken | None) -> None:
        """Ends the device of a token; of an unknown one nothing is said."""
        owner = await self._synapse.owner_of_access_token(token) if parsed is None else None
        if parsed is not None:
            session = await self._sessions.find_by_family(parsed.family_hash)
            owner = None if session is None else TokenOwner(session.user_id, session.device_id)
        if owner is not None and owner.device_id is not None:
            await self.end_device(owner.user_id, owner.device_id, "revoked")

    async def end_device(self, user_id: str, device_id: str, reason: str) -> None:
        """Ends a device of whatever client, and its session if it has one."""
        session = await self._sessions.find_by_device(user_id, device_id)
        if session is not None:
            await self._end(session, reason)
        else:
            await self._synapse.end_device(user_id, device_id)

    async def _end(self, session: OAuthSession, reason: str) -> None:
        await self._synapse.end_device(session.user_id, session.device_id)
        await self._sessions.end(session)
        await self._write_down("oauth-session-ended", reason, session)

    async def _write_down(self, what: str, reason: str, session: OAuthSession) -> None:
        entry = AuditEntry(what, reason, session.client_host, user_id=session.user_id)
        await self._audit.add(entry, at=to_milliseconds(self._clock()))

    async def forget_ended(self) -> None:
        """Forgets the sessions whose device is gone: signed out, ended by the provider, or never made."""
        before = self._clock() - _DEVICE_IS_BEING_MADE
        await self._sessions.forget_without_device(begun_before=to_milliseconds(before))


def _dead(parameter: str) -> OAuthError:
    return OAuthError(ErrorCode.INVALID_GRANT, f"{parameter}: not valid, or not valid any more")


def _told(error: SignInError, parameter: str, *, locked: ErrorCode = ErrorCode.TEMPORARILY_UNAVAILABLE) -> OAuthError:
    if isinstance(error, TooManySignInsError):
        return OAuthError(ErrorCode.TEMPORARILY_UNAVAILABLE, "too many sign-ins just now")
    if isinstance(error, AccountLockedError):
        return OAuthError(locked, "this account cannot be used just now")
    return _dead(parameter)
