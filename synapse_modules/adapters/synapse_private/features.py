"""What this package uses of Synapse that is not public, checked when the homeserver starts."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from types import ModuleType
from typing import NoReturn

from synapse.config import ConfigError


@dataclass(frozen=True, slots=True)
class Feature:
    """A method of a class of Synapse's, or a function of a module, with the parameters that it is used with."""

    owner: type | ModuleType
    name: str
    parameters: tuple[str, ...] = ()


def check_features(features: Iterable[Feature]) -> None:
    """Checks that this Synapse has what the module needs.

    Raises:
        ConfigError: naming what is missing.
    """
    for feature in features:
        method = inspect.getattr_static(feature.owner, feature.name, None)
        # What Synapse keeps in a cache has its own method inside.
        method = getattr(method, "orig", method)
        if method is None or not set(feature.parameters) <= set(inspect.signature(method).parameters):
            raise ConfigError(
                f"synapse_modules: this release of Synapse lacks "
                f"{feature.owner.__name__}.{feature.name}({', '.join(feature.parameters)}); "
                "use a release that the README names as tested"
            )


def end_start(fault: ConfigError) -> NoReturn:
    """Ends the process with the fault's one line.

    What a module raises while Synapse starts is printed with a traceback around it; an exit by exception would be
    caught by the reactor. Nothing is under way yet that an abrupt end could harm.
    """
    print(fault.msg, file=sys.__stderr__, flush=True)
    os._exit(1)
