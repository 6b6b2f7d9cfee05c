"""How a patient's client searches practices: FHIR R4, the insured people's part of gematik's directory.

What a person searches is health data: it is neither logged nor stored.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from directory_service.adapters.fhir_resources import (
    SEARCH_PATH,
    capability_statement,
    operation_outcome,
    searchset,
)
from directory_service.adapters.search_tokens import SearchTokenRefused, SearchTokens
from directory_service.rules.fhir_search import PARAMETERS, FaultyParameter, read_search
from directory_service.rules.specialties import SpecialtyTable
from directory_service.store.search import PracticeSearch
from messenger_core.catalogue import Catalogue


class PatientSearchApi:
    """``GET /fdv/search/HealthcareService`` and ``GET /metadata``."""

    def __init__(
        self, *, search: PracticeSearch, specialties: SpecialtyTable, tokens: SearchTokens, texts: Catalogue
    ) -> None:
        self._search = search
        self._specialties = specialties
        self._tokens = tokens
        self._texts = texts
        self._started = datetime.now(UTC)

    def add_to(self, app: web.Application) -> None:
        """Adds the routes."""
        app.router.add_get(SEARCH_PATH, self._healthcare_services)
        app.router.add_get("/metadata", self._metadata)

    async def _healthcare_services(self, request: web.Request) -> web.Response:
        now = datetime.now(UTC)
        try:
            self._tokens.check(request.headers.get("Authorization"), now)
            asked = read_search(request.query.items(), self._specialties)
        except SearchTokenRefused:
            refusal = _fhir(operation_outcome("login", self._texts.line("search-token")), 401)
            refusal.headers["WWW-Authenticate"] = "Bearer"
            return refusal
        except FaultyParameter as fault:
            return _fhir(operation_outcome("invalid", self._explained(fault)), 400)
        found = await self._search.find(asked.search, count=asked.count, after=asked.after)
        bundle = searchset(found, asked, directory=self._tokens.directory, specialties=self._specialties, now=now)
        return _fhir(bundle)

    def _explained(self, fault: FaultyParameter) -> str:
        values = {"parameter": fault.parameter}
        if fault.reason == "unknown":
            values["allowed"] = ", ".join(PARAMETERS)
        return self._texts.line(f"search-{fault.reason}", **values)

    async def _metadata(self, _request: web.Request) -> web.Response:
        return _fhir(capability_statement(self._tokens.directory, self._started))


def _fhir(resource: dict[str, Any], status: int = 200) -> web.Response:
    return web.Response(
        text=json.dumps(resource),
        status=status,
        content_type="application/fhir+json",
        charset="utf-8",
        headers={"Cache-Control": "no-store"},
    )
