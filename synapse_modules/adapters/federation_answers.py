"""Reads what other servers answer: what of it may count here, and be shown."""

from __future__ import annotations

from typing import Any

from synapse_modules.rules import device_keys, profiles


class FederationAnswers:
    """The rules that stand behind Synapse's questions (``synapse_private.federated_answers.AnswerRules``)."""

    def keys(self, answer: object) -> dict[str, Any]:
        """What is taken of an answer with keys of devices."""
        return device_keys.of_query(answer)

    def claimed_keys(self, answer: object) -> dict[str, Any]:
        """What is taken of an answer with one-time keys."""
        return device_keys.of_claim(answer)

    def device_list(self, user_id: str, answer: object) -> dict[str, Any] | None:
        """What is taken of an answer with somebody's devices; None if it cannot be read."""
        return device_keys.of_device_list(user_id, answer)

    def profile(self, answer: object) -> dict[str, Any]:
        """What is taken of an answer with somebody's profile."""
        return profiles.of_other(answer)
