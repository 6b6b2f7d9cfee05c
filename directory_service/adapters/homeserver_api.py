"""What a homeserver asks: who may be reached, and what its people's own search box should show."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from aiohttp import web
from joserfc.jwk import ECKey
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from directory_service.adapters.reachability_feed import ReachabilityFeed
from directory_service.rules.audit_chain import head_of
from directory_service.rules.practice import Practice
from directory_service.rules.specialties import SpecialtyTable
from directory_service.search.held import Held
from directory_service.search.index.fit import TooManyWords, search_words
from directory_service.search.index.query import SearchQuery
from directory_service.search.meanings import Meanings
from directory_service.store.history import Position
from messenger_core.http_service import GuardedRoutes
from messenger_core.problem import Problem, WireModel, parse_body
from messenger_core.service_auth.assertions import sign_statement
from messenger_core.service_auth.token_grant import Caller


class _Since(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    since: Annotated[int, Field(ge=0, lt=2**63)] = 0
    mark: Annotated[str, Field(max_length=200)] = ""
    wait: Annotated[int, Field(ge=0, le=30)] = 0
    limit: Annotated[int, Field(ge=1, le=100_000)] | None = None

    @property
    def position(self) -> Position | None:
        """What the homeserver has; without a mark, or with one that is not ours, nothing that can be gone on from."""
        head = head_of(self.mark)
        return Position(self.since, head) if self.since and head else None


class _PeopleSearch(WireModel):
    term: Annotated[str, Field(max_length=1000)]
    limit: Annotated[int, Field(ge=1, le=50)]


class HomeserverApi:
    """``/reachable`` and ``/people-search``."""

    def __init__(
        self, *, feed: ReachabilityFeed, held: Held, specialties: SpecialtyTable, issuer: str, key: ECKey
    ) -> None:
        """``key`` signs the deltas in the name of ``issuer``, the directory's own address."""
        self._feed = feed
        self._held = held
        self._specialties = specialties
        self._meanings = Meanings(specialties)
        self._issuer = issuer
        self._key = key

    def add_to(self, routes: GuardedRoutes) -> None:
        """Adds the routes."""
        routes.add("GET", "/reachable", "reachability:read", self._reachable)
        routes.add("POST", "/people-search", "directory:search", self._people_search)

    async def _reachable(self, request: web.Request, _caller: Caller) -> web.Response:
        asked = _since(request)
        change = await self._feed.since(asked.position, asked.wait, asked.limit)
        claims = {
            "iss": self._issuer,
            "iat": int(datetime.now(UTC).timestamp()),
            "full": change.full,
            "since": change.since,
            "version": change.position.version,
            "mark": change.position.head.mark,
            "add": list(change.add),
            "remove": list(change.remove),
        }
        if asked.limit is not None:
            claims["more"] = change.more
        delta = sign_statement(self._key, claims, token_type="reachable+jwt")
        return web.json_response({"delta": delta}, headers={"Cache-Control": "no-store"})

    async def _people_search(self, request: web.Request, _caller: Caller) -> web.Response:
        asked = parse_body(_PeopleSearch, await request.read())
        try:
            words = search_words([asked.term])
        except TooManyWords:
            errors = [{"field": "term", "detail": "it has too many words"}]
            raise Problem(400, "invalid-body", "The request's body is not as described; see errors.", errors) from None
        if not words:
            return web.json_response({"limited": False, "results": [], "meanings": []})
        page = self._held.index.search(SearchQuery(words=words), count=asked.limit)
        results = [
            {
                "user_id": _account(practice),
                "display_name": self._display_name(practice),
                "reason": hit.reason.value if hit.reason else None,
            }
            for hit in page.hits
            if (practice := self._held.listing.seen_by("insured", hit.resource_id)) is not None
        ]
        meanings = [
            {"word": meaning.word, "specialties": list(map(self._specialties.display, meaning.codes))}
            for meaning in self._meanings.of([asked.term])
        ]
        return web.json_response({"limited": page.next_position is not None, "results": results, "meanings": meanings})

    def _display_name(self, practice: Practice) -> str:
        """``Name – Fachgebiet, Ort``: Matrix clients show nothing else of a result."""
        specialties = " / ".join(map(self._specialties.display, practice.profile.specialties))
        place = f", {practice.profile.address.city}" if practice.profile.address else ""
        return f"{practice.profile.name} – {specialties}{place}"


def _account(practice: Practice) -> str:
    """The account that a chat is asked of: the one that the homeserver made, if insured people may reach it there."""
    addresses = practice.profile.insured_addresses
    return practice.user_id if practice.user_id in addresses else addresses[0]


def _since(request: web.Request) -> _Since:
    query = request.query
    try:
        if len(set(query)) < len(query):
            raise Problem(400, "invalid-query", "Each parameter may stand there once.")
        return _Since.model_validate(dict(query))
    except ValidationError as faults:
        errors = [
            {"field": ".".join(map(str, fault["loc"])), "detail": fault["msg"]}
            for fault in faults.errors(include_url=False, include_input=False, include_context=False)
        ]
        detail = (
            "Allowed are since (a version, 0 for everything) with its mark, wait (0 to 30 seconds) and "
            "limit (1 to 100000)."
        )
        raise Problem(400, "invalid-query", detail, errors) from None
