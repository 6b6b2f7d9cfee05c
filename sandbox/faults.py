"""The base of what can go wrong in the sandbox. The names say what happened, as its commands tell people."""

from __future__ import annotations


class SandboxFault(Exception):  # noqa: N818 - said above, for all of them
    """Something that the sandbox tells in one line."""


class WrongCommand(SandboxFault):
    """What was typed names nothing that there is."""
