"""A row of the table of hooks: where a gate stands, and which rule it asks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from synapse.module_api import ModuleApi

from synapse_modules.adapters.synapse_private.hooks import Hook, Method, install


@dataclass(frozen=True, slots=True)
class Row:
    """One hook with its gate.

    Attributes:
        hook: Synapse's callback, or the method that is wrapped.
        gate: the method of a gate's class that Synapse calls there.
        rules: what the gate asks: pure functions of ``rules``, or what a store knows. The first says most.
    """

    hook: Hook
    gate: Callable[..., Any]
    rules: tuple[Callable[..., Any], ...]


def install_gates(api: ModuleApi, rows: Sequence[Row], gates: Sequence[object]) -> None:
    """Puts gates at the hooks of a table; of rows with the same hook, the one that stands first is asked first.

    Args:
        api: of the homeserver.
        rows: the table.
        gates: an object of each class that the rows name.

    Raises:
        LookupError: if a gate is missing, or is named by no row.
    """
    found = [(row.hook, _bound(row, gates)) for row in rows]
    unused = [type(gate).__name__ for gate in gates if not any(_stands_at(row, gate) for row in rows)]
    if unused:
        raise LookupError(f"no hook names {', '.join(unused)}")
    for hook, gate in found:
        if not isinstance(hook, Method):
            install(api, hook, gate)
    for hook, gate in reversed(found):
        if isinstance(hook, Method):
            install(api, hook, gate)


def _stands_at(row: Row, gate: object) -> bool:
    return getattr(type(gate), row.gate.__name__, None) is row.gate


def _bound(row: Row, gates: Sequence[object]) -> Callable[..., Any]:
    for gate in gates:
        if _stands_at(row, gate):
            bound: Callable[..., Any] = getattr(gate, row.gate.__name__)
            return bound
    raise LookupError(f"there is no gate for {row.hook}: {row.gate.__qualname__}")
