"""A FHIR R4 interface over HTTP: search, read and metadata below one path, for one audience.

What somebody searches is health data: it is neither logged nor stored.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

import orjson
from aiohttp import hdrs, web

from directory_service.adapters.account_standings import AccountStandings
from directory_service.adapters.huge_pages import use_huge_pages
from directory_service.adapters.search_tokens import PATHS, Audience, SearchTokenRefused, SearchTokens
from directory_service.adapters.search_turns import SearchRunning, SearchTurns, TooManySearches
from directory_service.rules.fhir.fragments import Fragments
from directory_service.rules.fhir.items import KINDS, Item, Kind, items, practice_of
from directory_service.rules.fhir.listing import Listing, Shown
from directory_service.rules.fhir.outcomes import operation_outcome
from directory_service.rules.fhir.packed_entries import FEWEST, SAMPLES, EntryPacker
from directory_service.rules.fhir.resources_shared import Wording
from directory_service.rules.fhir.values import FaultyParameter
from directory_service.rules.specialties import SpecialtyTable
from directory_service.rules.standing import Standing
from directory_service.search.fhir.asked import Asked
from directory_service.search.fhir.bundle import Page, searchset
from directory_service.search.fhir.capability import MEDIA_TYPE, capability_statement
from directory_service.search.fhir.chains import Chains
from directory_service.search.fhir.finding import Finding, Index
from directory_service.search.fhir.named_queries import NamedQueryReader, is_named
from directory_service.search.fhir.parameters import ParameterTable
from directory_service.search.fhir.query import QueryReader
from directory_service.search.meanings import Meanings
from messenger_core.catalogue import Catalogue
from messenger_core.clock import Clock, present
from messenger_core.http_limits import MOST_FIELDS, Handler

_FORM = "application/x-www-form-urlencoded"
_AT_ONCE = 20
_RETRY_AFTER_S = "10"
_HEADERS = {hdrs.CONTENT_TYPE: f"{MEDIA_TYPE}; charset=utf-8", hdrs.CACHE_CONTROL: "no-store"}


_STANDINGS = {
    Standing.UNDECIDED: (503, "transient", "search-unavailable"),
    Standing.LOCKED: (401, "login", "sign-in-locked"),
    Standing.OF_THE_HOUSE: (401, "login", "sign-in-of-the-house"),
    Standing.WITHDRAWN: (401, "login", "sign-in-withdrawn"),
    Standing.ENDED: (401, "login", "search-token"),
}


@dataclass(frozen=True, slots=True)
class Search:
    """What every FHIR interface of the directory has in common."""

    listing: Listing
    finding: Finding
    fragments: Fragments
    table: ParameterTable
    tokens: SearchTokens
    standings: AccountStandings
    texts: Catalogue
    specialties: SpecialtyTable
    meanings: Meanings
    turns: SearchTurns
    clock: Clock

    async def prepare(self) -> None:
        """Makes the JSON of every practice's entry, a few at a time while others are answered."""
        practices = [shown for audience in PATHS for shown in self.listing.shown_to(audience).values()]
        samples = [self.fragments.entry(shown) async for shown in _one_by_one(practices[:SAMPLES])]
        if len(samples) >= FEWEST:
            self.fragments.pack_with(await asyncio.to_thread(EntryPacker, samples))
        async for shown in _one_by_one(practices):
            self.fragments.prepare(shown)
        # From now on it is read, at random and all over; in a thread, since it takes as long as the rest.
        await asyncio.to_thread(use_huge_pages)


async def _one_by_one(practices: Sequence[Shown]) -> AsyncIterator[Shown]:
    """Some practices, with turns for others in between."""
    for number, shown in enumerate(practices):
        if number % _AT_ONCE == 0:
            await asyncio.sleep(0)
        yield shown


def fhir_wording(specialties: SpecialtyTable, texts: Catalogue) -> Wording:
    """What people read in resources."""
    return Wording(
        specialties,
        closed=texts.text("fhir-closed"),
        absent=texts.text("fhir-absent"),
        substitute=texts.text("fhir-substitute", who="{who}"),
    )


def fhir_search(
    *,
    listing: Listing,
    index: Index,
    specialties: SpecialtyTable,
    tokens: SearchTokens,
    standings: AccountStandings,
    texts: Catalogue,
    clock: Clock = present,
) -> Search:
    """Puts together what both FHIR interfaces use."""
    wording = fhir_wording(specialties, texts)
    return Search(
        listing=listing,
        finding=Finding(listing, index, specialties),
        fragments=Fragments(wording),
        table=ParameterTable(specialties),
        tokens=tokens,
        standings=standings,
        texts=texts,
        specialties=specialties,
        meanings=Meanings(specialties),
        turns=SearchTurns(),
        clock=clock,
    )


class _Refused(Exception):  # noqa: N818 - reads as what happened
    """A request is answered by an OperationOutcome: status, issue type, text of the catalogue and its values."""

    def __init__(self, status: int, issue: str, text: str, **values: str) -> None:
        super().__init__(text)
        self.status = status
        self.issue = issue
        self.text = text
        self.values = values


class FhirInterface:
    """The routes of one audience."""

    def __init__(self, search: Search, audience: Audience) -> None:
        self._search = search
        self._audience: Audience = audience
        self._path = PATHS[audience]
        self._base = search.tokens.directory + self._path
        chains = Chains(search.table)
        self._queries, self._named_queries = QueryReader(chains), NamedQueryReader(chains)
        self._started = search.clock()

    def add_to(self, app: web.Application) -> None:
        """Adds the routes."""
        # Each kind by its name: what is looked up in a table is found sooner than what matches a pattern.
        searches: dict[str, Handler] = {f"/{kind}": partial(self._by_address, kind) for kind in KINDS}
        others: dict[str, Handler] = {
            "/metadata": self.metadata,
            "/{kind}": self._by_unknown_kind,
            "/{kind}/_search": self._by_form,
            "/{kind}/{resource_id}": self._read,
        }
        for path, handler in (searches | others).items():
            app.router.add_route("*", self._path + path, handler)

    async def metadata(self, request: web.Request) -> web.Response:
        """What the interface can do; anybody may know."""
        try:
            _only(request, "GET", "HEAD")
        except _Refused as refusal:
            return self._refusal(refusal)
        return _fhir(orjson.dumps(capability_statement(self._base, self._started, self._search.table)))

    async def _by_address(self, kind: Kind, request: web.Request) -> web.Response:
        """``GET …/HealthcareService?…``."""
        now = self._search.clock()
        try:
            account = self._allow(request, now, "GET", "HEAD")
            return await self._answer(request, account, kind, list(request.query.items()), now)
        except _Refused as refusal:
            return self._refusal(refusal)

    async def _by_unknown_kind(self, request: web.Request) -> web.Response:
        try:
            self._allow(request, self._search.clock(), "GET", "HEAD")
            _kind(request)
        except _Refused as refusal:
            return self._refusal(refusal)
        raise AssertionError("each kind of resource has a route of its own")

    async def _by_form(self, request: web.Request) -> web.Response:
        """``POST …/HealthcareService/_search``: the search stands in no address, so no proxy writes it down."""
        now = self._search.clock()
        try:
            account = self._allow(request, now, "POST")
            kind = _kind(request)
            if request.content_type != _FORM:
                raise _Refused(415, "not-supported", "search-form")
            try:
                sent = (await request.read()).decode("utf-8")
                form = parse_qsl(sent, keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
            except ValueError:
                raise _Refused(400, "invalid", "search-form") from None
            return await self._answer(request, account, kind, [*request.query.items(), *form], now)
        except _Refused as refusal:
            return self._refusal(refusal)

    async def _read(self, request: web.Request) -> web.Response:
        """``GET …/Endpoint/ID``: one resource, an inactive one too, as long as its practice is shown."""
        try:
            self._allow(request, self._search.clock(), "GET", "HEAD")
            item = self._item(_kind(request), request.match_info["resource_id"])
        except _Refused as refusal:
            return self._refusal(refusal)
        answer = _fhir(self._search.fragments.of(*item))
        answer.headers["ETag"] = f'W/"{item.practice.version}"'
        return answer

    def _item(self, kind: Kind, resource_id: str) -> Item:
        practice = self._search.listing.seen_by(self._audience, practice_of(resource_id))
        if practice is not None:
            for item in items(kind, practice):
                if item.resource_id == resource_id:
                    return item
        raise _Refused(404, "not-found", "search-no-resource")

    def _allow(self, request: web.Request, now: datetime, *methods: str) -> str:
        """The account that searches; refuses who asks by another method, has no good token, or may search no more."""
        _only(request, *methods)
        try:
            bearer = self._search.tokens.check(request.headers.get(hdrs.AUTHORIZATION), self._audience, now)
        except SearchTokenRefused:
            raise _Refused(401, "login", "search-token") from None
        found = self._search.standings.at_search(bearer.user_id, bearer.epoch)
        if found is not Standing.ALLOWED:
            raise _Refused(*_STANDINGS[found])
        return bearer.user_id

    async def _answer(
        self, request: web.Request, account: str, kind: Kind, parameters: Sequence[tuple[str, str]], now: datetime
    ) -> web.Response:
        try:
            asked = self._understood(kind, parameters, now, lenient=_is_lenient(request))
            found = self._search.finding.find(asked, self._audience)
            page = found if isinstance(found, Page) else await self._search.turns.finish(found, account)
        except FaultyParameter as fault:
            raise _Refused(400, "invalid", f"search-{fault.reason}", parameter=fault.parameter) from None
        except SearchRunning:
            raise _Refused(429, "throttled", "search-running") from None
        except TooManySearches:
            raise _Refused(503, "transient", "search-too-many-waiting") from None
        told = [self._ignored(asked)] if asked.ignored else []
        told += self._meanings(asked)
        if page.unknown_hours:
            text = self._search.texts.line("search-unknown-hours", count=str(page.unknown_hours))
            told.append(operation_outcome("informational", text, severity="information"))
        return _fhir(searchset(page, asked, self._search.fragments, base=self._base, now=now, told=told))

    def _understood(self, kind: Kind, parameters: Sequence[tuple[str, str]], now: datetime, *, lenient: bool) -> Asked:
        if is_named(parameters):
            return self._named_queries.read(kind, parameters, now, lenient=lenient)
        return self._queries.read(kind, parameters, lenient=lenient)

    def _ignored(self, asked: Asked) -> dict[str, Any]:
        names = ", ".join(dict.fromkeys(asked.ignored))
        text = self._search.texts.line("search-ignored", parameters=names)
        return operation_outcome("not-supported", text, severity="warning")

    def _meanings(self, asked: Asked) -> list[dict[str, Any]]:
        """What words of the search were taken to mean, so that nothing is widened in silence."""
        told: list[dict[str, Any]] = []
        meanings, texts = self._search.meanings, [text for group in asked.texts for text in group]
        if not any(text.without or meanings.are_renamed(text.words) for text in texts):
            return told
        for meaning in meanings.of(text.verbatim for text in texts):
            text = self._search.texts.line("search-meaning", word=meaning.word, specialties=self._named(meaning.codes))
            if meaning.uncertain:
                named = self._named(meaning.uncertain)
                text += " " + self._search.texts.line("search-uncertain", word=meaning.word, specialties=named)
            told.append(operation_outcome("informational", text, severity="information"))
        return told

    def _named(self, codes: Sequence[str]) -> str:
        return ", ".join(map(self._search.specialties.display, codes))

    def _refusal(self, refusal: _Refused) -> web.Response:
        text = self._search.texts.line(refusal.text, **refusal.values)
        answer = _fhir(orjson.dumps(operation_outcome(refusal.issue, text)), refusal.status)
        if refusal.status == 401:
            answer.headers["WWW-Authenticate"] = "Bearer"
        if refusal.status in {429, 503}:
            answer.headers["Retry-After"] = _RETRY_AFTER_S
        if refusal.status == 405:
            answer.headers["Allow"] = refusal.values["allowed"]
        return answer


def _only(request: web.Request, *methods: str) -> None:
    if request.method not in methods:
        raise _Refused(405, "not-supported", "search-method", allowed=", ".join(methods))


def _kind(request: web.Request) -> Kind:
    kind = request.match_info["kind"]
    if kind not in KINDS:
        raise _Refused(404, "not-supported", "search-no-kind", allowed=", ".join(KINDS))
    return kind


def _is_lenient(request: web.Request) -> bool:
    """Whether the client says ``Prefer: handling=lenient``."""
    if "Prefer" not in request.headers:
        return False
    preferences = ",".join(request.headers.getall("Prefer")).replace(";", ",").split(",")
    return "handling=lenient" in {preference.strip().lower().replace('"', "") for preference in preferences}


def _fhir(body: bytes, status: int = 200) -> web.Response:
    return web.Response(body=body, status=status, headers=_HEADERS)
