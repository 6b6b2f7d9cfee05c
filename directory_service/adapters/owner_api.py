"""What a practice's software reads and writes about its own practice; the token's Telematik-ID says which."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from aiohttp import web
from pydantic import Field

from directory_service.adapters.client_registry import PRACTICE_SCOPE
from directory_service.adapters.practice_accounts import (
    TRIES,
    PracticeAccounts,
    account_differs,
    changed_too_often,
)
from directory_service.adapters.reachability_feed import ReachabilityFeed
from directory_service.rules.plain_text import AddressText, PracticeName
from directory_service.rules.practice import ChangeRefused, Practice
from directory_service.rules.profile import Address, Profile
from directory_service.rules.specialties import SpecialtyTable
from directory_service.store.practices import ChangedMeanwhile, PracticeStore, UnknownPractice
from messenger_core.http_service import GuardedRoutes
from messenger_core.problem import Problem, WireModel, parse_body
from messenger_core.service_auth.client import CallFailed
from messenger_core.service_auth.token_grant import Caller

logger = logging.getLogger(__name__)

_REFUSALS = {
    "withdrawn": "The practice has withdrawn. To come back, join again (POST /oauth2/register) with a new statement.",
    "not-verified": "Nobody has proven to be this practice yet; join first (POST /oauth2/register).",
    "profile-missing": "A practice without a profile cannot be shown. Write it (PUT /owner/practice), then opt in.",
}


class _Address(WireModel):
    line: AddressText
    postcode: Annotated[str, Field(pattern=r"^[0-9]{5}$")]
    city: AddressText


class _Profile(WireModel):
    name: PracticeName
    specialties: Annotated[list[str], Field(min_length=1, max_length=10)]
    address: _Address


class _Visibility(WireModel):
    visible_to_insured: bool
    consent_text: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


class _Nothing(WireModel):
    pass


class OwnerApi:
    """``/owner/…``."""

    def __init__(
        self,
        *,
        practices: PracticeStore,
        accounts: PracticeAccounts,
        specialties: SpecialtyTable,
        feed: ReachabilityFeed,
    ) -> None:
        self._practices = practices
        self._accounts = accounts
        self._specialties = specialties
        self._feed = feed

    def add_to(self, routes: GuardedRoutes) -> None:
        """Adds the routes."""
        routes.add("GET", "/owner/practice", PRACTICE_SCOPE, self._read)
        routes.add("PUT", "/owner/practice", PRACTICE_SCOPE, self._write)
        routes.add("PUT", "/owner/visibility", PRACTICE_SCOPE, self._choose_visibility)
        routes.add("POST", "/owner/withdraw", PRACTICE_SCOPE, self._withdraw)

    async def _read(self, _request: web.Request, caller: Caller) -> web.Response:
        practice = await self._practices.find(caller.client_id)
        if practice is None:
            raise _gone()
        return web.json_response(_answer(practice))

    async def _write(self, request: web.Request, caller: Caller) -> web.Response:
        asked = parse_body(_Profile, await request.read())
        self._check_specialties(asked.specialties)
        address = Address(asked.address.line, asked.address.postcode, asked.address.city)
        profile = Profile(asked.name, tuple(asked.specialties), address)
        return await _changed(self._write_everywhere(caller.client_id, profile))

    async def _write_everywhere(self, telematik_id: str, profile: Profile) -> Practice:
        """Gives the practice's account its name, then stores the profile.

        In this order nothing is stored while the homeserver is down. The name is sent every time, also if it is the
        one stored: a request that was interrupted in between has left another one at the homeserver.
        """
        for _ in range(TRIES):
            seen = await self._practices.last_entry(telematik_id)
            practice, jwks = await self._practices.find(telematik_id), await self._practices.keys(telematik_id)
            if practice is None or jwks is None:
                raise UnknownPractice
            if await self._account(telematik_id, profile.name, jwks) != practice.user_id:
                raise account_differs()
            try:
                return await self._practices.write_profile(telematik_id, profile, datetime.now(UTC), seen=seen)
            except ChangedMeanwhile:
                continue
        raise changed_too_often()

    async def _account(self, telematik_id: str, name: str, jwks: Mapping[str, Any]) -> str:
        try:
            return await self._accounts.provide(telematik_id, name, jwks)
        except CallFailed as fault:
            logger.warning("a practice could not write its profile: %s", fault)
            raise Problem(
                503,
                "homeserver-unavailable",
                "The practice's account could not be given this name because the homeserver did not answer as "
                "expected. The profile was not changed; send the same request again later.",
            ) from None

    async def _choose_visibility(self, request: web.Request, caller: Caller) -> web.Response:
        asked = parse_body(_Visibility, await request.read())
        answer = await _changed(
            self._practices.choose_visibility(
                caller.client_id,
                visible=asked.visible_to_insured,
                consent_text=asked.consent_text,
                now=datetime.now(UTC),
            )
        )
        await self._feed.tell()
        return answer

    async def _withdraw(self, request: web.Request, caller: Caller) -> web.Response:
        parse_body(_Nothing, await request.read())
        answer = await _changed(self._practices.withdraw(caller.client_id, datetime.now(UTC)))
        await self._feed.tell()
        return answer

    def _check_specialties(self, codes: list[str]) -> None:
        allowed = f"unknown code; allowed are {', '.join(self._specialties.codes())}"
        errors = [{"field": f"specialties.{place}", "detail": allowed} for place in self._specialties.unknown(codes)]
        if len(set(codes)) < len(codes):
            errors.append({"field": "specialties", "detail": "each code may stand there once"})
        if errors:
            raise Problem(400, "invalid-body", "The request's body is not as described; see errors.", errors)


async def _changed(change: Awaitable[Practice]) -> web.Response:
    try:
        return web.json_response(_answer(await change))
    except UnknownPractice:
        raise _gone() from None
    except ChangeRefused as refusal:
        raise Problem(409, refusal.reason, _REFUSALS[refusal.reason]) from None


def _gone() -> Problem:
    return Problem(
        404, "unknown-practice", "This practice is not in the directory; join first (POST /oauth2/register)."
    )


def _answer(practice: Practice) -> dict[str, Any]:
    address = practice.profile.address
    return {
        "telematik_id": practice.telematik_id,
        "user_id": practice.user_id,
        "state": practice.state.value,
        "name": practice.profile.name,
        "specialties": list(practice.profile.specialties),
        "address": {"line": address.line, "postcode": address.postcode, "city": address.city} if address else None,
    }
