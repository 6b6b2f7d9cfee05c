"""Finds the words that one typing error lies between: left out, put in, wrong, or two letters swapped.

Two words are so near only if they are equal after at most one letter is left out of each. The index keeps the hash of
each word and of what remains of it without one of its letters; hashes that meet are looked at more closely.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def _shortened(word: str) -> set[int]:
    return {hash(word), *[hash(word[:place] + word[place + 1 :]) for place in range(len(word))]}


class NearWords:
    """Words by their neighbours; words are never taken out, whoever asks knows which are still there."""

    def __init__(self) -> None:
        # Most hashes have one word alone, so that a list for each would take most of the memory.
        self._by_hash: dict[int, str | tuple[str, ...]] = {}

    def add(self, words: Iterable[str]) -> None:
        """Takes words in that are not known yet."""
        by_hash = self._by_hash
        for word in words:
            if word.isalpha():
                for value in _shortened(word):
                    others = by_hash.get(value)
                    if others is None:
                        by_hash[value] = word
                    else:
                        by_hash[value] = (others, word) if isinstance(others, str) else (*others, word)

    def near(self, typed: Sequence[str]) -> set[str]:
        """The known words that are at a distance of one error from any of some words, and some that are not."""
        found: set[str] = set()
        for value in set[int]().union(*map(_shortened, typed)):
            words = self._by_hash.get(value)
            if words is not None:
                found.update((words,) if isinstance(words, str) else words)
        return found
