"""Says why a request is refused whose head says enough: to clients with an error code, to machines as a problem."""

from __future__ import annotations

import json
from http import HTTPStatus

from synapse.api.errors import Codes, SynapseError

from messenger_core import problem
from messenger_core.catalogue import Catalogue
from messenger_core.homeserver_interface import MACHINE_PREFIX
from messenger_core.problem import Problem
from synapse_modules.rules import request_limits
from synapse_modules.rules.request_limits import HeadFault, RequestHead

_CODES = {HeadFault.TOO_LARGE: Codes.TOO_LARGE, HeadFault.TOO_MANY_FIELDS: Codes.INVALID_PARAM}


class RequestHeads:
    """The rules in front of Synapse's reading (``synapse_private.request_heads.HeadRules``)."""

    def __init__(self, texts: Catalogue) -> None:
        self._texts = texts

    def refusal(self, head: RequestHead) -> SynapseError | None:
        """Why it is refused; None if its body may be read."""
        fault = request_limits.head_fault(head)
        return None if fault is None else self._error(fault)

    def most_bytes(self, head: RequestHead) -> int | None:
        """How large its body may be; None leaves Synapse's own limit."""
        return request_limits.most_bytes(head)

    def form_refusal(self, form: bytes) -> SynapseError | None:
        """Why a form is not taken apart."""
        return self._error(HeadFault.TOO_MANY_FIELDS) if request_limits.has_too_many_fields(form) else None

    def answer(self, head: RequestHead, refusal: SynapseError) -> bytes:
        """The whole answer; browsers' clients may read it too."""
        status, kind = HTTPStatus(refusal.code), "application/json"
        body: object = refusal.error_dict(None)
        if head.path.startswith(f"{MACHINE_PREFIX}/"):
            kind = problem.CONTENT_TYPE
            body = Problem(status.value, status.phrase.lower().replace(" ", "-"), refusal.msg).body()
        content = json.dumps(body).encode()
        lines = (
            f"HTTP/1.1 {status.value} {status.phrase}",
            f"Content-Type: {kind}",
            f"Content-Length: {len(content)}",
            "Access-Control-Allow-Origin: *",
            "Cache-Control: no-store",
            "Connection: close",
        )
        return "\r\n".join((*lines, "", "")).encode() + content

    def _error(self, fault: HeadFault) -> SynapseError:
        return SynapseError(fault.status, self._texts.line(fault.value), _CODES.get(fault, Codes.UNKNOWN))
