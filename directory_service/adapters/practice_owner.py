"""Changes of a practice by its owner: what is checked, what the homeserver is told first, and what is stored."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Collection, Mapping
from datetime import UTC, datetime
from typing import Any

from directory_service.adapters.practice_accounts import (
    TRIES,
    PracticeAccounts,
    account_differs,
    changed_too_often,
)
from directory_service.adapters.preconditions import Precondition, changed_since_read
from directory_service.adapters.profile_wire import ProfileWire
from directory_service.adapters.version_watch import VersionWatches
from directory_service.rules.practice import ChangeRefused, Practice
from directory_service.rules.profile import Profile
from directory_service.rules.profile_check import ProfileRules
from directory_service.store.practices import ChangedMeanwhile, PracticeStore, UnknownPractice
from messenger_core.problem import Problem
from messenger_core.service_auth.client import CallFailed

logger = logging.getLogger(__name__)

_REFUSALS = {
    "withdrawn": "The practice has withdrawn. To come back, join again (POST /oauth2/register) with a new statement.",
    "not-verified": "Nobody has proven to be this practice yet; join first (POST /oauth2/register).",
    "profile-missing": "A practice without a profile cannot be shown. Write it (PUT /owner/practice), then opt in.",
}


class PracticeOwner:
    """What the owner of a practice may do with its entry; every refusal is a ``Problem``."""

    def __init__(
        self,
        *,
        practices: PracticeStore,
        accounts: PracticeAccounts,
        profiles: ProfileRules,
        watches: VersionWatches,
        insured_servers: Collection[str],
    ) -> None:
        """``insured_servers`` are the server names of homeservers where insured people have their accounts."""
        self._practices = practices
        self._accounts = accounts
        self._profiles = profiles
        self._watches = watches
        self._insured_servers = insured_servers

    async def read(self, telematik_id: str) -> Practice:
        """The practice as it is.

        Raises:
            Problem: 404 if it is unknown.
        """
        practice = await self._practices.find(telematik_id)
        if practice is None:
            raise _gone()
        return practice

    async def write_profile(self, telematik_id: str, asked: ProfileWire, allowed: Precondition) -> Practice:
        """Replaces what the practice says about itself.

        Raises:
            Problem: 400 with each faulty field, 404, 412, 502 or 503.
        """
        practice = await self.read(telematik_id)
        self._check(asked, practice)
        return await self.write_checked(telematik_id, asked.profile(practice.user_id), allowed)

    async def write_checked(self, telematik_id: str, profile: Profile, allowed: Precondition) -> Practice:
        """Replaces what the practice says about itself by a profile that was checked in another form.

        Raises:
            Problem: 404, 409, 412, 502 or 503.
        """
        return await self._changed(self._write_everywhere(telematik_id, profile, allowed))

    async def choose_visibility(
        self, telematik_id: str, *, visible: bool, consent_text: str, allowed: Precondition
    ) -> Practice:
        """Lets insured people find and reach the practice, or no longer.

        Raises:
            Problem: 404, 409 or 412.
        """
        practice = await self.read(telematik_id)
        allowed.check(practice)
        faults = self._profiles.faults(practice.profile) if visible else []
        if faults:
            errors = [{"field": fault.place, "detail": fault.text} for fault in faults]
            detail = "The profile must not be shown as it is; see errors. Change it (PUT /owner/practice), then opt in."
            raise Problem(409, "profile-refused", detail, errors)
        return await self._changed(
            self._practices.choose_visibility(
                telematik_id,
                visible=visible,
                consent_text=consent_text,
                now=datetime.now(UTC),
                seen=_seen(allowed, practice),
            )
        )

    async def withdraw(self, telematik_id: str, allowed: Precondition) -> Practice:
        """Takes the practice out of the directory.

        Raises:
            Problem: 404 or 412.
        """
        practice = await self.read(telematik_id)
        allowed.check(practice)
        return await self._changed(
            self._practices.withdraw(telematik_id, datetime.now(UTC), seen=_seen(allowed, practice))
        )

    async def _write_everywhere(self, telematik_id: str, profile: Profile, allowed: Precondition) -> Practice:
        """Gives the practice's account its name, then stores the profile.

        In this order nothing is stored while the homeserver is down. The name is sent every time, also if it is the
        one stored: a request that was interrupted in between has left another one at the homeserver. For the same
        reason, who is refused only after the name was sent has the stored one sent again.
        """
        refused: Problem | None = None
        sent = False
        for _ in range(TRIES):
            practice, jwks = await self._practices.find(telematik_id), await self._practices.keys(telematik_id)
            if practice is None or jwks is None:
                raise UnknownPractice
            try:
                allowed.check(practice)
            except Problem as fault:
                if not sent:
                    raise
                refused = fault
            name = practice.profile.name if refused else profile.name
            if await self._account(telematik_id, name, jwks) != practice.user_id:
                raise account_differs()
            sent = True
            if refused and await self._practices.version(telematik_id) == practice.version:
                raise refused
            if not refused:
                try:
                    return await self._practices.write_profile(
                        telematik_id, profile, datetime.now(UTC), seen=practice.version
                    )
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

    def _check(self, asked: ProfileWire, practice: Practice) -> None:
        """What only the directory can know about a profile: which codes exist, and whose accounts are named."""
        faults = self._profiles.faults(asked.profile(practice.user_id))
        errors = [{"field": fault.place, "detail": fault.text} for fault in faults]
        own = f"on this homeserver only the practice's own account is allowed ({practice.user_id})"
        errors += [
            {"field": f"messengers.{place}.user_id", "detail": own}
            for place in asked.foreign_addresses(practice.user_id, self._insured_servers)
        ]
        if errors:
            raise Problem(400, "invalid-body", "The request's body is not as described; see errors.", errors)

    async def _changed(self, change: Awaitable[Practice]) -> Practice:
        try:
            practice = await change
        except UnknownPractice:
            raise _gone() from None
        except ChangedMeanwhile:
            raise changed_since_read() from None
        except ChangeRefused as refusal:
            raise Problem(409, refusal.reason, _REFUSALS[refusal.reason]) from None
        await self._watches.tell()
        return practice


def _seen(allowed: Precondition, practice: Practice) -> int | None:
    """The version that must still be there at the commit, if the caller named one."""
    return None if allowed.etags is None else practice.version


def _gone() -> Problem:
    return Problem(
        404, "unknown-practice", "This practice is not in the directory; join first (POST /oauth2/register)."
    )
