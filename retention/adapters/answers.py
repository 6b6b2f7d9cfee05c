"""Reads what other components answer; an answer of an unknown form is a failed call, its content never repeated."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from messenger_core.service_auth.client import CallFailed

_Model = TypeVar("_Model", bound=BaseModel)


class Answer(BaseModel):
    """Base of every answer; fields that a newer version adds are passed over."""

    model_config = ConfigDict(frozen=True)


def read_answer(model: type[_Model], content: Any, what: str) -> _Model:
    """Checks the form of an answer.

    Raises:
        CallFailed: if it is not as described in the contract.
    """
    try:
        return model.model_validate(content)
    except ValidationError:
        raise CallFailed(f"{what}: the answer has an unknown form") from None


def moment_text(moment: datetime) -> str:
    """A moment as it stands in a query (RFC 3339)."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
