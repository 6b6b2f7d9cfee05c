"""What a practice's software does at the directory: joins with its key, writes its profile, opts in, leaves."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

import aiohttp
from joserfc.jwk import ECKey

from messenger_core.service_auth.assertions import sign_statement
from messenger_core.service_auth.client import CallFailed, ServiceClient
from messenger_core.service_auth.keys import public_jwks
from sandbox.people import Practice

VERIFIER = "https://ownership-verifier.sandbox.invalid"
"""The issuer of the stand-in for the body that checks who owns a practice."""
CONSENT_TEXT = "2026-11"
_STATEMENT_LIFETIME_S = 300
_SCOPE = "practice:write"


def software_statement(practice: Practice, key: ECKey, *, verifier_key: ECKey, directory: str, now: datetime) -> str:
    """The ownership verifier's word that the key belongs to the practice."""
    issued = int(now.timestamp())
    return sign_statement(
        verifier_key,
        {
            "iss": VERIFIER,
            "aud": directory,
            "sub": practice.telematik_id,
            "cnf": {"jkt": key.thumbprint()},
            "jti": secrets.token_urlsafe(24),
            "iat": issued,
            "exp": issued + _STATEMENT_LIFETIME_S,
        },
    )


async def join_directory(practice: Practice, key: ECKey, *, verifier_key: ECKey, directory: str) -> str:
    """Joins, writes the profile, and opts in if the practice wants to be reached; may be done again.

    Returns:
        The practice's Matrix user id.

    Raises:
        CallFailed: if the directory refuses one of the steps.
    """
    statement = software_statement(practice, key, verifier_key=verifier_key, directory=directory, now=datetime.now(UTC))
    body = {"client_name": practice.title, "jwks": public_jwks(key), "software_statement": statement}
    async with aiohttp.ClientSession() as http, http.post(f"{directory}/oauth2/register", json=body) as answer:
        content = await answer.json(content_type=None)
        if answer.status != 201:
            raise CallFailed("POST /oauth2/register", answer.status, content.get("type") or content.get("error"))
    profile = {
        "name": practice.title,
        "specialties": practice.specialties,
        "address": {"line": practice.line, "postcode": practice.postcode, "city": practice.city},
    } | practice.further
    async with _owner(practice, key, directory) as client:
        # The sandbox's practices have no other software that could have written in between.
        await client.call("PUT", "/owner/practice", scope=_SCOPE, body=profile, headers={"If-Match": "*"})
    if practice.opts_in:
        await set_visibility(practice, key, directory=directory, visible=True)
    return str(content["user_id"])


async def set_visibility(practice: Practice, key: ECKey, *, directory: str, visible: bool) -> None:
    """Opts in to be found and reached by insured people, or pauses that.

    Raises:
        CallFailed: if the directory refuses.
    """
    body = {"visible_to_insured": visible, "consent_text": CONSENT_TEXT}
    async with _owner(practice, key, directory) as client:
        await client.call("PUT", "/owner/visibility", scope=_SCOPE, body=body)


async def leave_directory(practice: Practice, key: ECKey, *, directory: str) -> None:
    """Withdraws: the practice is neither found nor reachable any more.

    Raises:
        CallFailed: if the directory refuses.
    """
    async with _owner(practice, key, directory) as client:
        await client.call("POST", "/owner/withdraw", scope=_SCOPE, body={})


def _owner(practice: Practice, key: ECKey, directory: str) -> ServiceClient:
    return ServiceClient(
        client_id=practice.telematik_id, key=key, base_url=directory, token_endpoint=f"{directory}/oauth2/token"
    )
