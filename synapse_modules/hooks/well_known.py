"""The hook of Synapse's pages below ``/.well-known/matrix``; installed where the settings name a contact."""

from __future__ import annotations

from synapse.app import homeserver

from synapse_modules.adapters.support_contact import WellKnownGate
from synapse_modules.adapters.synapse_private.hooks import Method
from synapse_modules.hooks.row import Row

WELL_KNOWN = (Row(Method(homeserver, "well_known_resource", ("hs",)), WellKnownGate.add_support, ()),)
