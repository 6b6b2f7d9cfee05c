"""Reads the specialties that come with the package."""

from __future__ import annotations

from functools import cache
from importlib import resources

from directory_service.rules.specialties import SpecialtyTable
from messenger_core.yaml_text import read_yaml


@cache
def read_specialties() -> SpecialtyTable:
    """The table of ``specialties.yaml``, read once."""
    text = resources.files("directory_service").joinpath("specialties.yaml").read_text(encoding="utf-8")
    return SpecialtyTable.from_entries(read_yaml(text))
