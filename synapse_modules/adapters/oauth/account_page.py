"""The person's own page, "Meine Geräte": what is signed in as her, signing it out, and the reset of her identity.

Links to it are easily forged. So every visit begins with a fresh sign-in, nothing happens before she sends a form, and
whoever is locked meanwhile is out.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from urllib.parse import urlencode

from messenger_core.calendar_periods import BERLIN, to_milliseconds
from messenger_core.clock import Clock
from messenger_core.homeserver_interface import SIGN_IN_PREFIX
from synapse_modules.adapters.identity_reset_gate import APPROVAL_LIFETIME
from synapse_modules.adapters.oauth import cookies
from synapse_modules.adapters.oauth.http import (
    Answer,
    Endpoint,
    SignInRequest,
    Template,
    html_answer,
    redirect,
)
from synapse_modules.adapters.oauth.sessions import ClientSessions
from synapse_modules.rules.membership import AccountState
from synapse_modules.rules.oauth.account_actions import AccountAction, read_action
from synapse_modules.rules.oauth.codes import REQUEST_LIFETIME
from synapse_modules.rules.oauth.errors import OAuthError
from synapse_modules.rules.oauth.parameters import read_parameters
from synapse_modules.rules.oauth.seals import Purpose, Seal
from synapse_modules.store.accounts import Account, Accounts
from synapse_modules.store.audit import AuditEntry, AuditLog
from synapse_modules.store.identity_resets import IdentityResets
from synapse_modules.store.own_devices import OwnDevice, OwnDevices

ACCOUNT_PATH = f"{SIGN_IN_PREFIX}/account"
_COOKIE = "__Host-hek-account"
_VISIT_LIFETIME = timedelta(minutes=10)
_LONGEST_DEVICE_ID = 512


@dataclass(frozen=True, slots=True)
class _Visitor:
    """Who signed in for this visit, with the word that her forms carry."""

    account: Account
    csrf: str


@dataclass(frozen=True, slots=True)
class ShownDevice:
    """A device as the page shows it."""

    device_id: str
    name: str
    client: str
    last_seen: str


class AccountPage:
    """Served by the main process; a visit lasts ten minutes and lies sealed in the browser."""

    def __init__(
        self,
        *,
        public_url: str,
        secret: bytes,
        accounts: Accounts,
        devices: OwnDevices,
        resets: IdentityResets,
        sessions: ClientSessions,
        audit: AuditLog,
        page: Template,
        notice_page: Template,
        clock: Clock,
    ) -> None:
        self._public_url = public_url
        self._visits = Seal(secret, Purpose.VISIT, REQUEST_LIFETIME)
        self._visitors = Seal(secret, Purpose.ACCOUNT, _VISIT_LIFETIME)
        self._accounts = accounts
        self._devices = devices
        self._resets = resets
        self._sessions = sessions
        self._audit = audit
        self._page = page
        self._notice_page = notice_page
        self._clock = clock

    def endpoints(self) -> list[Endpoint]:
        """What is served."""
        return [
            Endpoint("GET", "/account", self._show),
            Endpoint("POST", "/account/sign-out", self._sign_out),
            Endpoint("POST", "/account/reset", self._approve_reset),
            Endpoint("POST", "/account/leave", self._leave),
        ]

    def begin(self, user_id: str, held: str, sign_in_id: str) -> Answer | None:
        """Lets the person in who comes back from the sign-in that a visit began; None if it was none."""
        visit = self._visits.open(held, self._clock())
        if visit is None:
            return None
        sealed = self._visitors.close({"user_id": user_id, "csrf": secrets.token_urlsafe(16)}, self._clock())
        return redirect(
            self._address(**visit),
            [cookies.forget(sign_in_id), cookies.set_cookie(_COOKIE, sealed, _VISIT_LIFETIME)],
        )

    def _address(self, **query: str) -> str:
        asked = urlencode({name: value for name, value in query.items() if value})
        return f"{self._public_url}{ACCOUNT_PATH}{'?' if asked else ''}{asked}"

    async def _visitor(self, request: SignInRequest) -> _Visitor | None:
        content = self._visitors.open(request.cookies.get(_COOKIE, ""), self._clock())
        account = await self._accounts.find(content["user_id"]) if content is not None else None
        if content is None or account is None or account.state is not AccountState.LIVE:
            return None
        return _Visitor(account, content["csrf"])

    async def _show(self, request: SignInRequest) -> Answer:
        try:
            query = read_parameters(request.query, may_repeat=True)
        except OAuthError:
            query = {}
        action, device_id = read_action(query.get("action", "")), query.get("device_id", "")[:_LONGEST_DEVICE_ID]
        visitor = await self._visitor(request)
        if visitor is None:
            sealed = self._visits.close({"action": action.value, "device_id": device_id}, self._clock())
            return cookies.begin_sign_in(self._public_url, request.cookies, sealed, REQUEST_LIFETIME)
        devices = await self._devices.of(visitor.account.user_id)
        if action is AccountAction.RESET_IDENTITY:
            return await self._show_reset(visitor, devices, device_id)
        chosen = [one for one in devices if one.device_id == device_id]
        if action in {AccountAction.VIEW_DEVICE, AccountAction.DELETE_DEVICE} and chosen:
            return self._shown(visitor, "device", device=_as_shown(chosen[0]), others=len(devices) - 1)
        done = query.get("done", "")
        return self._shown(visitor, "devices", devices=[_as_shown(one) for one in devices], done=done)

    async def _show_reset(self, visitor: _Visitor, devices: list[OwnDevice], device_id: str) -> Answer:
        asked = await self._resets.asked_for(visitor.account.user_id, since=self._since())
        reset = next((one for one in asked if device_id in {"", one.device_id}), None)
        device = next((one for one in devices if reset is not None and one.device_id == reset.device_id), None)
        if reset is None or device is None:
            return self._shown(visitor, "no-reset")
        return self._shown(visitor, "reset", device=_as_shown(device), keys_hash=reset.keys_hash)

    def _since(self) -> int:
        return to_milliseconds(self._clock() - APPROVAL_LIFETIME)

    def _shown(self, visitor: _Visitor, view: str, **values: object) -> Answer:
        page = self._page.render(
            view=view, person=visitor.account.display_name, csrf=visitor.csrf, at=ACCOUNT_PATH, **values
        )
        return html_answer(HTTPStatus.OK, page.encode())

    async def _form(self, request: SignInRequest) -> tuple[_Visitor, Mapping[str, str]] | None:
        """Who sends a form of this page; None if nobody does, or it is not of her visit."""
        visitor = await self._visitor(request)
        try:
            form = read_parameters(request.body)
        except OAuthError:
            return None
        if visitor is None or not hmac.compare_digest(form.get("csrf", "").encode(), visitor.csrf.encode()):
            return None
        return visitor, form

    def _begin_anew(self) -> Answer:
        return html_answer(HTTPStatus.FORBIDDEN, self._notice_page.render(what="visit-over").encode())

    async def _sign_out(self, request: SignInRequest) -> Answer:
        """Signs out the device that the form names, or all others."""
        sent = await self._form(request)
        if sent is None:
            return self._begin_anew()
        visitor, form = sent
        user_id, named = visitor.account.user_id, form.get("device_id", "")
        known = {one.device_id for one in await self._devices.of(user_id)}
        if named not in known:
            return redirect(self._address(done="gone"))
        for device_id in sorted(known - {named}) if form.get("which") == "others" else [named]:
            await self._sessions.end_device(user_id, device_id, "signed-out-on-her-page")
        return redirect(self._address(done="signed-out"))

    async def _approve_reset(self, request: SignInRequest) -> Answer:
        """Approves what one device asked for: those keys, once, for ten minutes."""
        sent = await self._form(request)
        if sent is None:
            return self._begin_anew()
        visitor, form = sent
        user_id, now = visitor.account.user_id, to_milliseconds(self._clock())
        approved = await self._resets.approve(
            user_id, form.get("device_id", ""), form.get("keys", ""), at=now, since=self._since()
        )
        if not approved:
            return self._shown(visitor, "no-reset")
        await self._audit.add(
            AuditEntry("identity-reset-approved", "by-the-person", "account-page", user_id=user_id), at=now
        )
        return self._shown(visitor, "reset-approved")

    async def _leave(self, request: SignInRequest) -> Answer:
        """Ends the visit."""
        if await self._form(request) is None:
            return self._begin_anew()
        page = html_answer(HTTPStatus.OK, self._notice_page.render(what="left").encode())
        return Answer(page.status, page.body, [*page.headers, cookies.set_cookie(_COOKIE, "", timedelta())])


def _as_shown(device: OwnDevice) -> ShownDevice:
    seen = device.last_seen_at
    day = "" if seen is None else f"{datetime.fromtimestamp(seen / 1000, UTC).astimezone(BERLIN):%d.%m.%Y}"
    return ShownDevice(device.device_id, device.name, device.client_host or "", day)
