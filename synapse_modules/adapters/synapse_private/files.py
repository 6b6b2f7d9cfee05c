"""Synapse's answer for a file that is not there."""

from __future__ import annotations

from synapse.http.site import SynapseRequest
from synapse.media import _base
from synapse.media._base import respond_404

from synapse_modules.adapters.synapse_private.features import Feature

FEATURES = (Feature(_base, "respond_404", ("request",)),)


def answer_not_found(request: SynapseRequest) -> None:
    """Answers as if there were no such file."""
    respond_404(request)
