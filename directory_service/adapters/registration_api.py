"""How a practice's software joins (RFC 7591): a verifier's statement binds its key to the practice."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from aiohttp import web
from joserfc.jwk import KeySet

from directory_service.adapters.practice_accounts import TRIES, PracticeAccounts, account_differs, changed_too_often
from directory_service.adapters.version_watch import VersionWatches
from directory_service.rules.practice import Practice
from directory_service.rules.profile_check import ProfileRules
from directory_service.rules.profile_types import PracticeName
from directory_service.store.practices import (
    AccountDiffers,
    ChangedMeanwhile,
    Joining,
    PracticeStore,
    StatementUsed,
)
from messenger_core.identifiers import check_telematik_id
from messenger_core.problem import Problem, WireModel, parse_body
from messenger_core.rate_limits import RateGuard
from messenger_core.service_auth.assertions import Statement, StatementRefused, unverified_issuer, verify_statement
from messenger_core.service_auth.client import CallFailed
from messenger_core.service_auth.keys import parse_jwks, public_jwks

logger = logging.getLogger(__name__)

REGISTRATION_PATH = "/oauth2/register"
_STATEMENT_LIFETIME = timedelta(minutes=10)


class _Registration(WireModel):
    client_name: PracticeName
    jwks: dict[str, Any]
    software_statement: str


class RegistrationApi:
    """``POST /oauth2/register``."""

    def __init__(
        self,
        *,
        practices: PracticeStore,
        accounts: PracticeAccounts,
        watches: VersionWatches,
        verifiers: Mapping[str, KeySet],
        audience: str,
        profiles: ProfileRules,
        guard: RateGuard,
    ) -> None:
        """``verifiers`` are the keys of each trusted issuer; ``audience`` is the directory's own address."""
        self._profiles = profiles
        self._guard = guard
        self._practices = practices
        self._accounts = accounts
        self._watches = watches
        self._verifiers = verifiers
        self._audience = audience

    def add_to(self, app: web.Application) -> None:
        """Adds the route."""
        app.router.add_post(REGISTRATION_PATH, self._register)

    async def _register(self, request: web.Request) -> web.Response:
        self._guard.check(request)
        asked = parse_body(_Registration, await request.read())
        if faults := self._profiles.name_faults(asked.client_name):
            errors = [{"field": "client_name", "detail": fault.text} for fault in faults]
            raise Problem(400, "invalid-body", "The request's body is not as described; see errors.", errors)
        keys = _one_key(asked.jwks)
        now = datetime.now(UTC)
        statement = self._verified(asked.software_statement, keys, now)
        # The homeserver comes before the commit here, so a statement is looked at first: one that was used must not
        # change the account's keys. If this process dies in between, the same statement can be sent again.
        if await self._practices.statement_is_used(statement.issuer, statement.statement_id):
            raise _refused("it was used before (jti); ask the verifier for a new one")
        practice = await self._join(statement, asked.client_name, public_jwks(*keys), now)
        await self._watches.tell()
        body = {"client_id": practice.telematik_id, "user_id": practice.user_id}
        return web.json_response(body, status=201, headers={"Cache-Control": "no-store"})

    async def _join(self, statement: Statement, name: str, jwks: Mapping[str, Any], now: datetime) -> Practice:
        for _ in range(TRIES):
            seen = await self._practices.version(statement.subject)
            joining = Joining(
                telematik_id=statement.subject,
                user_id=await self._account(statement.subject, name, jwks),
                name=name,
                jwks=jwks,
                verifier=statement.issuer,
                statement_id=statement.statement_id,
                expires_at=statement.expires_at,
            )
            try:
                return await self._practices.join(joining, now, seen=seen)
            except ChangedMeanwhile:
                continue
            except StatementUsed:
                raise _refused("it was used before (jti); ask the verifier for a new one") from None
            except AccountDiffers:
                raise account_differs() from None
        raise changed_too_often()

    def _verified(self, text: str, keys: KeySet, now: datetime) -> Statement:
        try:
            issuer = unverified_issuer(text)
            if issuer not in self._verifiers:
                raise StatementRefused("its issuer is not a verifier that this directory trusts")
            statement = verify_statement(
                text,
                self._verifiers[issuer],
                issuer=issuer,
                audience=self._audience,
                now=now,
                max_lifetime=_STATEMENT_LIFETIME,
            )
            check_telematik_id(statement.subject)
        except (StatementRefused, ValueError) as refusal:
            raise _refused(str(refusal)) from None
        confirmation = statement.claims.get("cnf")
        confirmed = confirmation.get("jkt") if isinstance(confirmation, dict) else None
        if confirmed != keys.keys[0].thumbprint():
            raise _refused("it confirms another key (cnf.jkt) than the one in jwks")
        return statement

    async def _account(self, telematik_id: str, name: str, jwks: Mapping[str, Any]) -> str:
        try:
            return await self._accounts.provide(telematik_id, name, jwks)
        except CallFailed as fault:
            logger.warning("a practice could not join: %s", fault)
            raise Problem(
                503,
                "homeserver-unavailable",
                "The practice's account could not be made because the homeserver did not answer as expected. "
                "Nothing was changed; send the same request again later.",
            ) from None


def _refused(reason: str) -> Problem:
    return Problem(400, "invalid-software-statement", f"The software_statement is not accepted: {reason}.")


def _one_key(jwks: Mapping[str, Any]) -> KeySet:
    """The one key of the set: the statement confirms one, and a second would be let in unconfirmed.

    Raises:
        Problem: 400 if the set has no, several or unusable keys.
    """
    try:
        keys = parse_jwks(jwks)
        if len(keys.keys) != 1:
            raise ValueError("exactly one key is allowed: the statement confirms one (cnf.jkt)")
    except ValueError as fault:
        errors = [{"field": "jwks", "detail": str(fault)}]
        raise Problem(400, "invalid-body", "The request's body is not as described; see errors.", errors) from None
    return keys
