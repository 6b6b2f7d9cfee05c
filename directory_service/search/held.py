"""The practices and their index as one process holds them: both change together."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from directory_service.rules.fhir.listing import Listing
from directory_service.rules.practice import Practice, is_listed
from directory_service.search.index.entry import IndexedPractice, Indexer
from directory_service.search.index.practice_index import PracticeIndex


class Held:
    """Listed practices, to be looked up and to be searched.

    Attributes:
        listing: by their ids.
        index: by what patients ask.
    """

    def __init__(self, indexer: Indexer, index: PracticeIndex) -> None:
        self.listing = Listing()
        self.index = index
        self._indexer = indexer

    def load(self, practices: Iterable[Practice]) -> None:
        """Takes all practices that are listed, once at first; faster than one by one."""
        self.index.load(self._taken_in(practices))

    def _taken_in(self, practices: Iterable[Practice]) -> Iterator[IndexedPractice]:
        """One by one, since all entries at once would take more memory than the index itself."""
        for practice in practices:
            self.listing.put(practice)
            yield self._indexer.entry(practice)

    def put(self, practice: Practice) -> None:
        """Takes a practice as it is now; one that is no longer listed is dropped."""
        self.listing.put(practice)
        if is_listed(practice):
            self.index.put(self._indexer.entry(practice))
        else:
            self.index.remove(practice.resource_id)
