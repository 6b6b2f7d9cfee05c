"""A search as it was understood, whatever kind of resource it is for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from directory_service.rules.fhir.items import Kind
from directory_service.search.fhir.chains import Test
from directory_service.search.fhir.places import Near
from directory_service.search.fhir.texts import TextSearch
from directory_service.search.fields import Condition

DEFAULT_COUNT = 20
MAX_COUNT = 100


@dataclass(slots=True)
class Asked:
    """What must fit, all of it, and what is to be sent; readers of parameters fill it in, nobody else changes it.

    Attributes:
        kind: what is searched.
        operators: whether gematik's operators mean something in texts.
        texts: of each group any alternative.
        near: a circle on the map.
        nearest_first: whether distance counts before how well a text fits.
        specialties: of each group any code.
        cities: of each group any beginning of the city's name, folded.
        postcodes: of each group any beginning.
        conditions: what other fields must have.
        tests: what else each resource has to pass.
        open_at: the moment at which it has to be open, with a zone; None if that does not matter.
        practices: logical ids of the only practices that can fit, if the search names them.
        telematik_ids: their Telematik-IDs, likewise.
        includes: the kinds of linked resources to send along.
        page_size: how many matches a page has, 1 to 100.
        count_only: whether only the number of matches is wanted.
        after: the page's beginning, as our own ``next`` link gave it.
        understood: the parameters that were understood, without the position, for links.
        ignored: the names of those that were not, if the client asked for lenience.
    """

    kind: Kind
    operators: bool = False
    texts: tuple[tuple[TextSearch, ...], ...] = ()
    near: Near | None = None
    nearest_first: bool = False
    specialties: tuple[frozenset[str], ...] = ()
    cities: tuple[tuple[str, ...], ...] = ()
    postcodes: tuple[tuple[str, ...], ...] = ()
    conditions: tuple[Condition, ...] = ()
    tests: tuple[Test, ...] = ()
    open_at: datetime | None = None
    practices: frozenset[str] | None = None
    telematik_ids: frozenset[str] | None = None
    includes: frozenset[Kind] = frozenset()
    page_size: int = DEFAULT_COUNT
    count_only: bool = False
    after: str | None = None
    understood: tuple[tuple[str, str], ...] = ()
    ignored: tuple[str, ...] = ()
