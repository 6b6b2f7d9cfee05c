"""The base of all faults of the homeserver's module."""

from __future__ import annotations


class ModuleError(Exception):
    """Whatever the module itself raises and handles; what clients are told, Synapse's own errors are.

    The names of its kinds read as what happened, and end in Error only where nothing else would say it.
    """
