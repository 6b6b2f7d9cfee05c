"""Reads the postcodes that come with the package; the file says where they are from."""

from __future__ import annotations

from functools import cache
from importlib import resources

from directory_service.rules.places import PostcodeCentroids


@cache
def read_postcodes() -> PostcodeCentroids:
    """The centroids of ``postcodes.csv``, read once."""
    text = resources.files("directory_service").joinpath("postcodes.csv").read_text(encoding="utf-8")
    return PostcodeCentroids.from_lines(text.splitlines())
