"""Every refusal below a FHIR address is an ``OperationOutcome``, whoever refused: a route, the token check, the server.

What is asked for in another format than JSON is refused here as well (FHIR R4, 3.1.0.1.11).
"""

from __future__ import annotations

import re

import orjson
from aiohttp import hdrs, web

from directory_service.rules.fhir.resources_shared import Resource
from directory_service.search.fhir.capability import JSON_TYPES, MEDIA_TYPE
from messenger_core import problem
from messenger_core.http_limits import Handler
from messenger_core.http_service import problem_response
from messenger_core.problem import Problem

# Kinds of resources begin with a capital letter; what the owner calls otherwise is no FHIR.
_ADDRESS = re.compile(r"(/fdv)?/search(/.*)?|/metadata|/owner/[A-Z].*", re.DOTALL)
_ISSUES = {
    400: "invalid",
    401: "login",
    403: "forbidden",
    404: "not-found",
    405: "not-supported",
    406: "not-supported",
    409: "conflict",
    412: "conflict",
    413: "too-long",
    414: "too-long",
    415: "not-supported",
    422: "invalid",
    428: "required",
    429: "throttled",
    500: "exception",
    503: "transient",
}
_KEPT_HEADERS = ("WWW-Authenticate", "Allow", "Retry-After")
_JSON_RANGES = frozenset({"*/*", "application/*", *JSON_TYPES})
_REFUSED_RANGE = re.compile(r";\s*q=0(\.0*)?\s*(;|$)")


@web.middleware
async def outcomes(request: web.Request, handler: Handler) -> web.StreamResponse:
    """To stand before all others, since it turns what they say into FHIR."""
    if not _takes_json(request) and _is_fhir(request):
        detail = "The directory answers in JSON only; Accept has to allow application/fhir+json."
        return _as_fhir(problem_response(Problem(406, "not-acceptable", detail)))
    answer = await handler(request)
    if answer.status < 400 or answer.content_type != problem.CONTENT_TYPE or not isinstance(answer, web.Response):
        return answer
    return _as_fhir(answer) if _is_fhir(request) else answer


def _is_fhir(request: web.Request) -> bool:
    """Whether its address is one of FHIR; of an answer that is no problem nobody has to know."""
    return _ADDRESS.fullmatch(request.path) is not None


def _takes_json(request: web.Request) -> bool:
    """Whether the client takes JSON; ``_format`` says so too, and counts more than the header."""
    accepted = request.headers.get(hdrs.ACCEPT, "")
    if not accepted or "_format" in request.query:
        return True
    ranges = (one for one in accepted.split(",") if not _REFUSED_RANGE.search(one))
    return any(one.partition(";")[0].strip().lower() in _JSON_RANGES for one in ranges)


def _as_fhir(refusal: web.Response) -> web.Response:
    assert isinstance(refusal.body, bytes)
    headers = {name: refusal.headers[name] for name in _KEPT_HEADERS if name in refusal.headers}
    return web.Response(
        body=orjson.dumps(_outcome(orjson.loads(refusal.body))),
        status=refusal.status,
        content_type=MEDIA_TYPE,
        charset="utf-8",
        headers={"Cache-Control": "no-store", **headers},
    )


def _outcome(refusal: Resource) -> Resource:
    """A problem (RFC 9457) as FHIR says it."""
    code = _ISSUES.get(refusal["status"], "transient")
    issues = [
        {"severity": "error", "code": code, "diagnostics": fault["detail"], "expression": [fault["field"]]}
        for fault in refusal.get("errors", [])
    ]
    said = {"severity": "error", "code": code, "details": {"text": refusal["detail"]}, "diagnostics": refusal["detail"]}
    return {"resourceType": "OperationOutcome", "issue": issues or [said]}
