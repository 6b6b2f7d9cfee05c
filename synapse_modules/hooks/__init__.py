"""The table of hooks: where in Synapse which gate of ours stands, and which rule it asks.

A newcomer reads here what is enforced, and where: ``Row(hook, gate, rules)``. The same rows are installed when the
homeserver starts (``install_gates``), checked against the running Synapse before (``check_hooks``), and shown by
``docs/where-rules-are-enforced.md``.

A new gate:

1. The rule is a pure function in ``rules/``, what it needs from the database a method of a store.
2. The gate is a method of a class in ``adapters/*_gate.py`` whose constructor only keeps what it is given. For a
   ``Callback`` it takes what Synapse's documentation says; for a ``Method`` it takes a ``Call``: ``call.arguments`` by
   the method's own names, ``await call.go_on(name=other)`` carries it out. A refusal is raised.
3. A row in the file of its subject here, with the parameters that the gate reads or changes. A class of which there is
   one object in a homeserver stands in ``synapse_private.hooks``, any other one is wrapped for all its objects.
4. The gate is made in ``app.gates`` (or ``federation_wiring``).
5. ``python -m synapse_modules.hooks.page`` writes the page anew. What else is private in Synapse is named in a
   ``FEATURES`` of ``synapse_private``, and tables in ``synapse_private.tables``.

Of several rows with one hook the first is asked first.
"""

from __future__ import annotations

from synapse_modules.hooks.federation import FEDERATION
from synapse_modules.hooks.front import FRONT
from synapse_modules.hooks.locks import LOCKS
from synapse_modules.hooks.people import PEOPLE
from synapse_modules.hooks.rooms import ROOMS
from synapse_modules.hooks.row import Row, install_gates
from synapse_modules.hooks.sign_in import SIGN_IN
from synapse_modules.hooks.well_known import WELL_KNOWN

HOOKS: tuple[Row, ...] = (*FRONT, *SIGN_IN, *ROOMS, *LOCKS, *PEOPLE)
"""What every homeserver has."""

__all__ = ["FEDERATION", "HOOKS", "WELL_KNOWN", "Row", "install_gates"]
