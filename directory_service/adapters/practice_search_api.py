"""How a practice's client searches: everything that is listed, also what is hidden from insured people."""

from __future__ import annotations

from aiohttp import web

from directory_service.adapters.fhir_interface import FhirInterface, Search


class PracticeSearchApi:
    """``/search/…``."""

    def __init__(self, search: Search) -> None:
        self._interface = FhirInterface(search, "practices")

    def add_to(self, app: web.Application) -> None:
        """Adds the routes."""
        self._interface.add_to(app)
