"""How a patient's client searches practices: the insured people's part of gematik's directory, and ``/metadata``."""

from __future__ import annotations

from aiohttp import web

from directory_service.adapters.fhir_interface import FhirInterface, Search


class PatientSearchApi:
    """``/fdv/search/…``, and ``/metadata`` for clients that look for it at the directory's own address."""

    def __init__(self, search: Search) -> None:
        self._interface = FhirInterface(search, "insured")

    def add_to(self, app: web.Application) -> None:
        """Adds the routes."""
        self._interface.add_to(app)
        app.router.add_route("*", "/metadata", self._interface.metadata)
