"""Errors that a program sees: ``application/problem+json`` (RFC 9457), built without any I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

CONTENT_TYPE = "application/problem+json"
MOST_MEMBERS = 20_000
"""Of a JSON body, over all its levels; counted by its commas, so that nothing is built of a body with more."""
MOST_ERRORS = 20
"""Of a faulty body, that are told."""
_TYPE_PREFIX = "urn:hek-messenger:problem:"
_LONGEST_FIELD = 200
_LONGEST_DETAIL = 500
_Model = TypeVar("_Model", bound=BaseModel)


class Problem(Exception):  # noqa: N818 - RFC 9457 calls it a problem
    """A request that cannot be served; adapters turn it into an answer.

    Attributes:
        status: the HTTP status.
        slug: the kind of problem, e.g. ``invalid-body``; becomes ``urn:hek-messenger:problem:invalid-body``.
        detail: what happened and what to do; never a value that identifies a person.
        errors: one ``{"field": …, "detail": …}`` a faulty field.
        headers: what the answer's headers say of it, e.g. ``Retry-After``.
    """

    def __init__(
        self,
        status: int,
        slug: str,
        detail: str,
        errors: list[dict[str, str]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.slug = slug
        self.detail = detail
        self.errors = errors or []
        self.headers = headers or {}

    def body(self) -> dict[str, Any]:
        """The JSON body of the answer."""
        body: dict[str, Any] = {
            "type": _TYPE_PREFIX + self.slug,
            "title": self.slug.replace("-", " "),
            "status": self.status,
            "detail": self.detail,
        }
        return body | ({"errors": self.errors} if self.errors else {})


class WireModel(BaseModel):
    """Base of everything that comes over HTTP: unknown fields are refused, types are not coerced."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def faulty_body(faults: ValidationError) -> Problem:
    """The problem of a body that is not as described, of the kind of its worst fault; values are never repeated."""
    found = faults.errors(include_url=False, include_input=False, include_context=False)
    kinds = {str(fault["type"]) for fault in found}
    slug, detail = "invalid-body", "The request's body is not as described; see errors."
    if "json_invalid" in kinds:
        slug, detail = "malformed-json", "The request's body is not JSON."
    elif kinds & {"extra_forbidden", "unexpected_keyword_argument"}:
        slug, detail = "unknown-field", "The request's body has a field that is not described; see errors."
    elif all(kind.startswith("date") for kind in kinds):
        slug, detail = "invalid-date", "A day or moment in the request's body is not possible; see errors."
    errors = [
        {
            "field": ".".join(str(step) for step in fault["loc"])[:_LONGEST_FIELD],
            "detail": fault["msg"].removeprefix("Value error, ")[:_LONGEST_DETAIL],
        }
        for fault in found[:MOST_ERRORS]
    ]
    return Problem(400, slug, detail, errors)


def check_members(body: bytes) -> None:
    """Refuses a JSON body of which too much would have to be built, before anything is.

    Raises:
        Problem: 400 ``too-many-members``.
    """
    if body.count(b",") + body.count(b"[") + body.count(b"{") > MOST_MEMBERS:
        raise Problem(400, "too-many-members", f"The body has more than {MOST_MEMBERS} members; send fewer at once.")


def parse_body(model: type[_Model], body: bytes) -> _Model:
    """Reads a JSON body.

    Raises:
        Problem: 400 ``malformed-json``, ``unknown-field``, ``invalid-date`` or ``invalid-body``, with one entry a
            faulty field, at most ``MOST_ERRORS``; ``too-many-members`` beyond ``MOST_MEMBERS``.
    """
    check_members(body)
    try:
        return model.model_validate_json(body)
    except ValidationError as faults:
        raise faulty_body(faults) from None
