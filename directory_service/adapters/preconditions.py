"""ETags against lost updates (RFC 9110, 13.1): who changes a practice says which version was read."""

from __future__ import annotations

import re
from dataclasses import dataclass

from aiohttp import web

from directory_service.rules.practice import Practice
from messenger_core.problem import Problem

_ETAG = re.compile(r'(?:W/)?"[\x21\x23-\x7e]*"')


@dataclass(frozen=True, slots=True)
class Precondition:
    """What a request's ``If-Match`` allows.

    Attributes:
        etags: the strong ETags named; None for ``*``, which allows any version.
    """

    etags: frozenset[str] | None

    def check(self, practice: Practice) -> None:
        """Refuses a request that was made for another version.

        Raises:
            Problem: 412.
        """
        if self.etags is not None and etag(practice) not in self.etags:
            raise changed_since_read()


def etag(practice: Practice) -> str:
    """The ETag of a practice as it is."""
    return f'"{practice.version}"'


def read_precondition(request: web.Request, *, needed: bool, weak: bool = False) -> Precondition:
    """What ``If-Match`` says; without it any version is allowed, unless it is needed.

    Args:
        request: the request.
        needed: whether it must be there.
        weak: whether weak ETags count like strong ones, as FHIR has it (http.html, 3.1.0.5).

    Raises:
        Problem: 428 if it is needed and missing, 400 if it is not a list of ETags.
    """
    lines = request.headers.getall("If-Match", [])
    if not lines:
        if needed:
            raise Problem(
                428,
                "precondition-required",
                "Say with If-Match which version you read: the ETag of GET /owner/practice, or * to overwrite any.",
            )
        return Precondition(None)
    named = [part.strip() for part in ",".join(lines).split(",")]
    if named == ["*"]:
        return Precondition(None)
    if not all(_ETAG.fullmatch(part) for part in named):
        raise Problem(400, "invalid-if-match", 'If-Match must be *, or ETags in quotes such as "17".')
    if weak:
        named = [part.removeprefix("W/") for part in named]
    # Weak ETags never match otherwise (RFC 9110, 13.1.1).
    return Precondition(frozenset(part for part in named if not part.startswith("W/")))


def changed_since_read() -> Problem:
    """The answer when another version is stored than the caller read; nothing was changed."""
    return Problem(
        412,
        "changed-since-read",
        "The practice was changed since you read it, and nothing was changed now. Read it again (GET /owner/practice), "
        "apply your change to what is there, and send that with its ETag.",
    )
