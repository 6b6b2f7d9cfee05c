"""The TI federation as this process knows it: its master, its list, and the identity providers that were asked for."""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import urlsplit

from gesundheitsid.adapters.federation_http import Answer, FederationHttp, Unreachable
from gesundheitsid.adapters.statement_cache import StatementCache
from gesundheitsid.rules.entity_statements import STATEMENT_TYPE, read_signed_keys
from gesundheitsid.rules.refusals import Reason, SignInRefused
from gesundheitsid.rules.signed_tokens import Keys
from gesundheitsid.rules.trust_chain import ListedIdp, Master, SectoralIdp, read_idp, read_list, read_master
from gesundheitsid.settings import FederationSettings
from messenger_core.clock import Clock

_CONFIGURATION_PATH = "/.well-known/openid-federation"
_LONGEST_KEPT = timedelta(hours=24)
_KEYS_KEPT = timedelta(hours=1)
# An unknown key makes us ask anew, but no stream of bad tokens makes us ask all the time.
_REFETCH_AT_MOST_EVERY = timedelta(seconds=30)
_MOST_IDPS = 300


def _configuration_of(entity_id: str) -> str:
    return entity_id.rstrip("/") + _CONFIGURATION_PATH


class Federation:
    """Finds and verifies; everything verified is kept until it expires, at most a day."""

    def __init__(self, settings: FederationSettings, pinned: Keys, http: FederationHttp, clock: Clock) -> None:
        self._settings = settings
        self._pinned = pinned
        self._http = http
        self._clock = clock
        self._masters: StatementCache[Master] = StatementCache(1)
        self._lists: StatementCache[list[ListedIdp]] = StatementCache(1)
        self._idps: StatementCache[SectoralIdp] = StatementCache(_MOST_IDPS)
        self._keys: StatementCache[Keys] = StatementCache(_MOST_IDPS)

    async def idps(self) -> list[ListedIdp]:
        """Those among which people may choose, by name.

        Raises:
            SignInRefused: if the list cannot be had or is not to be trusted.
        """
        return await self._lists.get("", self._load_list, self._clock())

    async def idp(self, issuer: str, *, newer_than: float | None = None) -> SectoralIdp:
        """An identity provider with a verified trust chain.

        Raises:
            SignInRefused: if there is no chain to it.
        """
        now = self._clock()
        return await self._idps.get(issuer, lambda: self._load_idp(issuer), now, newer_than=newer_than)

    async def keys(self, issuer: str, *, anew: bool = False) -> Keys:
        """The keys with which an identity provider signs ID tokens.

        Args:
            issuer: the identity provider.
            anew: whether what was fetched more than half a minute ago does not suffice.

        Raises:
            SignInRefused: if they cannot be had or are not to be trusted.
        """
        now = self._clock()
        newer_than = (now - _REFETCH_AT_MOST_EVERY).timestamp() if anew else None
        idp = await self.idp(issuer, newer_than=newer_than)
        return await self._keys.get(issuer, lambda: self._load_keys(idp), now, newer_than=newer_than)

    async def _load_master(self) -> tuple[Master, float]:
        entity_id = self._settings.master
        try:
            answer = await self._http.get(_configuration_of(entity_id))
        except Unreachable:
            raise SignInRefused(Reason.FEDERATION_UNAVAILABLE) from None
        now = self._clock()
        master = read_master(
            self._statement(answer, Reason.FEDERATION_UNAVAILABLE),
            self._pinned,
            entity_id=entity_id,
            now=now,
            leeway=self._settings.clock_leeway,
        )
        return master, self._kept_until(master.statement.expires_at, now)

    async def _master(self) -> Master:
        return await self._masters.get("", self._load_master, self._clock())

    async def _load_list(self) -> tuple[list[ListedIdp], float]:
        master = await self._master()
        try:
            answer = await self._http.get(master.list_endpoint)
        except Unreachable:
            raise SignInRefused(Reason.FEDERATION_UNAVAILABLE) from None
        if answer.status != 200:
            raise SignInRefused(Reason.FEDERATION_UNAVAILABLE)
        now = self._clock()
        listed, expires_at = read_list(answer.text.strip(), master, now=now, leeway=self._settings.clock_leeway)
        return listed, self._kept_until(expires_at, now)

    async def _load_idp(self, issuer: str) -> tuple[SectoralIdp, float]:
        master = await self._master()
        try:
            about = await self._http.get(master.fetch_endpoint, {"iss": self._settings.master, "sub": issuer})
        except Unreachable:
            raise SignInRefused(Reason.FEDERATION_UNAVAILABLE) from None
        trusted = self._statement(about, Reason.NOT_IN_FEDERATION)
        try:
            own = await self._http.get(_configuration_of(issuer))
        except Unreachable:
            raise SignInRefused(Reason.PROVIDER_UNAVAILABLE) from None
        statement = self._statement(own, Reason.PROVIDER_UNAVAILABLE)
        now, leeway = self._clock(), self._settings.clock_leeway
        idp = read_idp(statement, trusted, master, issuer=issuer, now=now, leeway=leeway)
        return idp, self._kept_until(idp.expires_at, now)

    async def _load_keys(self, idp: SectoralIdp) -> tuple[Keys, float]:
        now = self._clock()
        found = dict(idp.keys.by_kid) if idp.keys is not None else {}
        if idp.signed_keys_uri is not None:
            try:
                answer = await self._http.get(idp.signed_keys_uri)
            except Unreachable:
                raise SignInRefused(Reason.PROVIDER_UNAVAILABLE) from None
            if answer.status != 200:
                raise SignInRefused(Reason.PROVIDER_UNAVAILABLE)
            strict = "signed-jwks-type" not in self._settings.tolerated_deviations
            leeway = self._settings.clock_leeway
            signed = read_signed_keys(answer.text.strip(), idp.statement, now=now, leeway=leeway, types=strict)
            found |= signed.by_kid
        return Keys(found), min(float(idp.expires_at), (now + _KEYS_KEPT).timestamp())

    def _statement(self, answer: Answer, otherwise: Reason) -> str:
        if answer.status != 200:
            raise SignInRefused(otherwise)
        strict = "statement-content-type" not in self._settings.tolerated_deviations
        if strict and answer.content_type != f"application/{STATEMENT_TYPE}":
            raise SignInRefused(Reason.STATEMENT_INVALID)
        return answer.text.strip()

    @staticmethod
    def _kept_until(expires_at: int, now: datetime) -> float:
        return min(float(expires_at), (now + _LONGEST_KEPT).timestamp())


def host_of(issuer: str) -> str:
    """An identity provider's host, which may stand in a log."""
    return urlsplit(issuer).hostname or ""
