"""What a practice's software reads and writes of its own practice as FHIR R4, after gematik's owner interface.

It is the same profile that ``/owner/practice`` has, with the same rules and versions. A refusal names each faulty
element (``fhir_refusals``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial

import orjson
from aiohttp import web

from directory_service.adapters.owner_routes import OwnerRoutes
from directory_service.adapters.practice_accounts import TRIES, changed_too_often
from directory_service.adapters.practice_owner import PracticeOwner
from directory_service.adapters.preconditions import Precondition, etag, read_precondition
from directory_service.rules.fhir.fragments import resource
from directory_service.rules.fhir.items import KINDS, Item, Kind, endpoint_id, items
from directory_service.rules.fhir.resources_shared import Resource, Wording
from directory_service.rules.fhir.values import FaultyParameter
from directory_service.rules.opening_hours import BERLIN
from directory_service.rules.practice import Practice
from directory_service.rules.profile import Profile
from directory_service.rules.reading.element import Fault, Reading
from directory_service.rules.reading.own_resources import (
    OwnRules,
    entry_kind,
    read_own,
    with_endpoint,
    with_entry_point,
    with_location,
)
from directory_service.search.fhir.capability import JSON_TYPES, MEDIA_TYPE
from directory_service.search.fhir.chains import Chains
from messenger_core.catalogue import Catalogue
from messenger_core.problem import Problem
from messenger_core.service_auth.token_grant import Caller

_MOST = 100
_WRITTEN: tuple[Kind, ...] = ("HealthcareService", "PractitionerRole", "Location", "Endpoint")
_Change = Callable[[Practice, Reading], Profile]


class OwnerFhirApi:
    """``/owner/HealthcareService`` and the other kinds."""

    def __init__(
        self, owner: PracticeOwner, *, rules: OwnRules, wording: Wording, chains: Chains, texts: Catalogue, base: str
    ) -> None:
        """``base`` is the directory's own address."""
        self._owner = owner
        self._rules = rules
        self._wording = wording
        self._chains = chains
        self._texts = texts
        self._base = f"{base}/owner"

    def add_to(self, routes: OwnerRoutes) -> None:
        """Adds the routes."""
        for kind in KINDS:
            routes.add("GET", f"/owner/{kind}", partial(self._search, kind))
            routes.add("GET", f"/owner/{kind}/{{resource_id}}", partial(self._read, kind))
        for kind in _WRITTEN:
            routes.add("PUT", f"/owner/{kind}/{{resource_id}}", partial(self._write, kind))
        routes.add("POST", "/owner/Endpoint", self._create_endpoint)
        routes.add("DELETE", "/owner/Endpoint/{resource_id}", self._delete_endpoint)

    async def _search(self, kind: Kind, request: web.Request, caller: Caller) -> web.Response:
        practice = await self._owner.read(caller.client_id)
        found, first, count = list(items(kind, practice)), 0, _MOST
        for name, value in request.query.items():
            if name in {"_count", "_offset"}:
                if not (value.isascii() and value.isdecimal() and len(value) < 9):
                    raise self._faulty(FaultyParameter(name, "count"))
                count, first = (min(int(value), _MOST), first) if name == "_count" else (count, int(value))
            elif name != "_format":
                try:
                    found = list(filter(self._chains.test(kind, name, value), found))
                except FaultyParameter as fault:
                    raise self._faulty(fault) from None
        page = found[first : first + count]
        link = [{"relation": "self", "url": f"{self._base}/{kind}"}]
        if page and len(found) > first + count:
            following = request.url.update_query(_offset=first + count).query_string
            link.append({"relation": "next", "url": f"{self._base}/{kind}?{following}"})
        entries = [
            {
                "fullUrl": f"{self._base}/{item.reference}",
                "resource": resource(item, self._wording),
                "search": {"mode": "match"},
            }
            for item in page
        ]
        bundle = {"resourceType": "Bundle", "type": "searchset", "total": len(found), "link": link}
        return _fhir(bundle | ({"entry": entries} if entries else {}))

    async def _read(self, kind: Kind, request: web.Request, caller: Caller) -> web.Response:
        practice = await self._owner.read(caller.client_id)
        return self._answer(_own_item(kind, practice, request.match_info["resource_id"]))

    async def _write(self, kind: Kind, request: web.Request, caller: Caller) -> web.Response:
        resource_id, allowed = request.match_info["resource_id"], read_precondition(request, needed=True, weak=True)
        body = await _body(request)
        made = False

        def change(practice: Practice, reading: Reading) -> Profile:
            nonlocal made
            known = [item for item in items(kind, practice) if item.resource_id == resource_id]
            # A practice has one Location, whose id is known before it is there.
            made = kind == "Location" and practice.profile.address is None and resource_id == practice.resource_id
            if not known and not made:
                raise _not_own()
            element = read_own(body, kind, practice, reading, resource_id)
            if kind == entry_kind(practice):
                return with_entry_point(element, practice, self._rules, datetime.now(BERLIN).date())
            if kind == "Location":
                return with_location(element, practice)
            return with_endpoint(element, practice, known[0].messenger, self._rules)

        written = await self._changed(caller.client_id, allowed, change)
        return self._answer(_own_item(kind, written, resource_id), 201 if made else 200)

    async def _create_endpoint(self, request: web.Request, caller: Caller) -> web.Response:
        body = await _body(request)

        def change(practice: Practice, reading: Reading) -> Profile:
            return with_endpoint(read_own(body, "Endpoint", practice, reading, None), practice, None, self._rules)

        written = await self._changed(caller.client_id, read_precondition(request, needed=False, weak=True), change)
        created = endpoint_id(written, written.profile.messengers[-1])
        answer = self._answer(_own_item("Endpoint", written, created), 201)
        answer.headers["Location"] = f"{self._base}/Endpoint/{created}"
        return answer

    async def _delete_endpoint(self, request: web.Request, caller: Caller) -> web.Response:
        resource_id = request.match_info["resource_id"]

        def change(practice: Practice, _reading: Reading) -> Profile:
            messenger = _own_item("Endpoint", practice, resource_id).messenger
            assert messenger is not None
            if messenger.linked:
                kind = entry_kind(practice)
                raise Problem(
                    409,
                    "endpoint-linked",
                    f"The {kind} leads to this Endpoint. Write the {kind} without the reference, then delete it.",
                    [{"field": f"{kind}.endpoint", "detail": "it leads to this Endpoint"}],
                )
            rest = tuple(one for one in practice.profile.messengers if one.user_id != messenger.user_id)
            return replace(practice.profile, messengers=rest)

        await self._changed(caller.client_id, read_precondition(request, needed=False, weak=True), change)
        return web.Response(status=204)

    async def _changed(self, telematik_id: str, allowed: Precondition, change: _Change) -> Practice:
        """Changes a part of the profile as it is; what others wrote meanwhile is never overwritten.

        Raises:
            Problem: 422 with each faulty element, and whatever the change itself is refused with.
        """
        for _ in range(TRIES):
            practice = await self._owner.read(telematik_id)
            allowed.check(practice)
            reading = Reading(strict=True)
            profile = change(practice, reading)
            for fault in () if reading.faults else self._rules.profiles.faults(profile):
                reading.faults.append(Fault(f"{entry_kind(practice)}: {fault.place}", fault.text))
            if reading.faults:
                faults = [{"field": fault.expression, "detail": fault.text} for fault in reading.faults]
                raise Problem(422, "invalid-resource", "The resource cannot be kept as it is; see the issues.", faults)
            try:
                return await self._owner.write_checked(telematik_id, profile, Precondition(frozenset({etag(practice)})))
            except Problem as refusal:
                if refusal.status != 412 or allowed.etags is not None:
                    raise
        raise changed_too_often()

    def _answer(self, item: Item, status: int = 200) -> web.Response:
        answer = _fhir(resource(item, self._wording), status)
        answer.headers["ETag"] = f"W/{etag(item.practice)}"
        return answer

    def _faulty(self, fault: FaultyParameter) -> Problem:
        text = self._texts.line(f"search-{fault.reason}", parameter=fault.parameter)
        return Problem(400, "invalid-query", text)


def _own_item(kind: Kind, practice: Practice, resource_id: str) -> Item:
    for item in items(kind, practice):
        if item.resource_id == resource_id:
            return item
    raise _not_own()


def _not_own() -> Problem:
    return Problem(404, "no-such-resource", "The practice has no such resource; GET /owner/… lists those that it has.")


async def _body(request: web.Request) -> object:
    # Without a header aiohttp takes a body for octets, as many a client says of any body.
    if request.content_type not in {*JSON_TYPES, "application/octet-stream"}:
        raise Problem(415, "unsupported-media-type", "A resource is taken as JSON only (application/fhir+json).")
    try:
        return orjson.loads(await request.read())
    except orjson.JSONDecodeError:
        raise Problem(400, "invalid-body", "The body is not JSON.") from None


def _fhir(body: Resource, status: int = 200) -> web.Response:
    return web.Response(
        body=orjson.dumps(body),
        status=status,
        content_type=MEDIA_TYPE,
        charset="utf-8",
        headers={"Cache-Control": "no-store"},
    )
