"""What a practice's software reads and writes about its own practice; the token's Telematik-ID says which."""

from __future__ import annotations

from typing import Annotated

from aiohttp import web
from pydantic import Field

from directory_service.adapters.owner_routes import OwnerRoutes
from directory_service.adapters.practice_owner import PracticeOwner
from directory_service.adapters.preconditions import etag, read_precondition
from directory_service.adapters.profile_wire import ProfileWire, profile_body
from directory_service.rules.practice import Practice, is_listed, is_open_to_insured
from messenger_core.calendar_periods import to_milliseconds
from messenger_core.problem import WireModel, parse_body
from messenger_core.service_auth.token_grant import Caller


class _Visibility(WireModel):
    visible_to_insured: bool
    consent_text: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


class _Nothing(WireModel):
    pass


class OwnerApi:
    """``/owner/…``."""

    def __init__(self, owner: PracticeOwner) -> None:
        self._owner = owner

    def add_to(self, routes: OwnerRoutes) -> None:
        """Adds the routes."""
        routes.add("GET", "/owner/practice", self._read)
        routes.add("PUT", "/owner/practice", self._write)
        routes.add("PUT", "/owner/visibility", self._choose_visibility)
        routes.add("POST", "/owner/withdraw", self._withdraw)

    async def _read(self, _request: web.Request, caller: Caller) -> web.Response:
        return _answer(await self._owner.read(caller.client_id))

    async def _write(self, request: web.Request, caller: Caller) -> web.Response:
        allowed = read_precondition(request, needed=True)
        asked = parse_body(ProfileWire, await request.read())
        return _answer(await self._owner.write_profile(caller.client_id, asked, allowed))

    async def _choose_visibility(self, request: web.Request, caller: Caller) -> web.Response:
        allowed = read_precondition(request, needed=False)
        asked = parse_body(_Visibility, await request.read())
        return _answer(
            await self._owner.choose_visibility(
                caller.client_id, visible=asked.visible_to_insured, consent_text=asked.consent_text, allowed=allowed
            )
        )

    async def _withdraw(self, request: web.Request, caller: Caller) -> web.Response:
        allowed = read_precondition(request, needed=False)
        parse_body(_Nothing, await request.read())
        return _answer(await self._owner.withdraw(caller.client_id, allowed))


def _answer(practice: Practice) -> web.Response:
    consent = practice.consent
    body = {
        "telematik_id": practice.telematik_id,
        "user_id": practice.user_id,
        "state": practice.state.value,
        "consent": {
            "text_version": consent.text_version,
            "by": consent.by,
            "consented_at": to_milliseconds(consent.at),
        }
        if consent
        else None,
        "found_by_practices": is_listed(practice),
        "found_by_insured": is_open_to_insured(practice),
    } | profile_body(practice.profile)
    return web.json_response(body, headers={"ETag": etag(practice), "Cache-Control": "no-store"})
