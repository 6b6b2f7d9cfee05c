"""What a superior demands of a subordinate's metadata (OpenID Federation 1.0, 6.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gesundheitsid.rules.refusals import Reason, SignInRefused

_OPERATORS = frozenset({"value", "add", "default", "one_of", "subset_of", "superset_of", "essential"})


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _one(value: Any, rule: Mapping[str, Any]) -> Any:
    """A parameter's value under its rule; None stands for an absent one. In the order of section 6.1.3."""
    if "value" in rule:
        value = rule["value"]
    if "add" in rule:
        held = [] if value is None else _list(value)
        value = [*held, *(one for one in _list(rule["add"]) if one not in held)]
    if value is None:
        value = rule.get("default")
    if value is None:
        if rule.get("essential") is True:
            raise SignInRefused(Reason.METADATA_REFUSED)
        return None
    if "one_of" in rule and value not in _list(rule["one_of"]):
        raise SignInRefused(Reason.METADATA_REFUSED)
    if "subset_of" in rule:
        kept = [one for one in _list(value) if one in _list(rule["subset_of"])]
        if not kept:
            raise SignInRefused(Reason.METADATA_REFUSED)
        value = kept if isinstance(value, list) else value
    if "superset_of" in rule and not all(one in _list(value) for one in _list(rule["superset_of"])):
        raise SignInRefused(Reason.METADATA_REFUSED)
    return value


def apply_policy(
    metadata: Mapping[str, Any], policy: Mapping[str, Mapping[str, Any]], *, critical: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """The metadata as the policy leaves it.

    Args:
        metadata: of one kind of entity.
        policy: by parameter, the operators.
        critical: further operators that the policy's author calls critical.

    Raises:
        SignInRefused: ``metadata-refused`` if the metadata do not fit, or a critical operator is not understood.
    """
    if not critical <= _OPERATORS:
        raise SignInRefused(Reason.METADATA_REFUSED)
    result = dict(metadata)
    for parameter, rule in policy.items():
        value = _one(result.get(parameter), rule)
        if value is None:
            result.pop(parameter, None)
        else:
            result[parameter] = value
    return result
