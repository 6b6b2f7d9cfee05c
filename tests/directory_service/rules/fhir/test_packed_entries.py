"""Entries are kept small, and sent as they were."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.made_up_practices import practices
from directory_service.adapters.fhir_interface import fhir_wording
from directory_service.adapters.specialty_file import read_specialties
from directory_service.rules.fhir.fragments import Fragments
from directory_service.rules.fhir.listing import Shown
from directory_service.rules.fhir.packed_entries import FEWEST, EntryPacker, is_packed
from messenger_core.catalogue import Catalogue

WORDING = fhir_wording(read_specialties(), Catalogue.of("directory_service"))
PRACTICES = [practice for practice, _ in practices(FEWEST)]


@pytest.fixture(scope="module")
def packer() -> EntryPacker:
    return EntryPacker([Fragments(WORDING).entry(Shown(practice)) for practice in PRACTICES])


@given(entry=st.binary(max_size=5_000))
def test_what_was_packed_comes_back(packer: EntryPacker, entry: bytes) -> None:
    packed = packer.pack(entry)
    assert is_packed(packed)
    assert packer.unpack(packed) == entry


def test_entries_are_the_same_packed_or_not_and_much_smaller(packer: EntryPacker) -> None:
    fragments, plain = Fragments(WORDING), Fragments(WORDING)
    made_before = [Shown(practice) for practice in PRACTICES[:100]]
    for shown in made_before:
        fragments.entry(shown)
    fragments.pack_with(packer)
    everybody = [*made_before, *map(Shown, PRACTICES[100:])]
    for shown in everybody:
        expected = plain.entry(Shown(shown.practice))
        assert fragments.entry(shown) == expected  # as it is made, or as it was before there was a packer
        fragments.prepare(shown)
        assert shown.entry is not None
        assert is_packed(shown.entry)
        assert fragments.entry(shown) == expected
    kept = sum(len(shown.entry or b"") for shown in everybody)
    assert kept < sum(len(plain.entry(Shown(shown.practice))) for shown in everybody) / 5
