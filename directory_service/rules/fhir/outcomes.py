"""What went wrong, or was left out, as an OperationOutcome."""

from __future__ import annotations

from directory_service.rules.fhir.resources_shared import Resource


def operation_outcome(code: str, text: str, severity: str = "error") -> Resource:
    """One issue.

    Args:
        code: an issue type of FHIR, e.g. ``invalid``.
        text: what happened and what to do.
        severity: ``error``, ``warning`` or ``information``.
    """
    issue = {"severity": severity, "code": code, "details": {"text": text}, "diagnostics": text}
    return {"resourceType": "OperationOutcome", "issue": [issue]}
