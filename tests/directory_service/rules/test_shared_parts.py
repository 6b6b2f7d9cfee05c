"""Equal parts of practices are one object."""

from __future__ import annotations

from dataclasses import replace

from directory_service.rules.shared_parts import shared
from directory_service.store.profile_document import from_document, to_document
from tests.directory_service.fhir_samples import FULL


def test_the_first_of_equal_parts_stands_for_all() -> None:
    one, other = (tuple(tags.split()) for tags in ("de uk", "de uk"))
    assert one is not other
    assert shared(one) is shared(other)


def test_practices_read_from_the_database_share_what_they_have_alike() -> None:
    one = from_document(to_document(FULL.profile))
    other = from_document(to_document(replace(FULL.profile, name="Praxis Winter")))
    assert one == FULL.profile
    assert one.languages is other.languages
    assert one.specialties is other.specialties
    assert one.accessibility is other.accessibility
