"""Who can sign in: the people's and agents' file, their PINs, and the pause after three wrong ones."""

from __future__ import annotations

import hmac
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sandbox.faults import SandboxFault
from sandbox.people import Agent, Person

_TRIES = 3
_PROFESSION_INSURED = "1.2.276.0.76.4.49"
_METHODS = {
    "gematik-ehealth-loa-high": "urn:telematik:auth:eID",
    "gematik-ehealth-loa-substantial": "urn:telematik:auth:mEW",
}


class NameTaken(SandboxFault):
    """Somebody of that name is registered already."""


@dataclass(frozen=True, slots=True)
class WrongPin:
    """The PIN was wrong; so many tries are left."""

    tries_left: int


@dataclass(frozen=True, slots=True)
class MustWait:
    """Three PINs were wrong; no PIN is looked at until then."""

    until: datetime


class Register:
    """The people or the agents of one provider."""

    def __init__(self, subjects: Sequence[Person] | Sequence[Agent], pause: timedelta) -> None:
        self._subjects: dict[str, Person | Agent] = {subject.name: subject for subject in subjects}
        self._pause = pause
        self._wrong: dict[str, int] = {}
        self._waiting: dict[str, datetime] = {}

    def subjects(self) -> list[Person | Agent]:
        """Everybody, in the order in which they were added."""
        return list(self._subjects.values())

    def add(self, subject: Person | Agent) -> None:
        """Adds somebody.

        Raises:
            NameTaken: if the name is in use by somebody else.
        """
        known = self._subjects.get(subject.name)
        if known is not None and known != subject:
            raise NameTaken
        self._subjects[subject.name] = subject

    def check(self, name: str, pin: str, now: datetime) -> Person | Agent | WrongPin | MustWait:
        """Who it is, if the PIN is right. An unknown name is answered like a wrong PIN."""
        until = self._waiting.get(name)
        if until is not None and now < until:
            return MustWait(until)
        subject = self._subjects.get(name)
        if subject is not None and hmac.compare_digest(subject.pin.encode(), pin.encode()):
            self._wrong.pop(name, None)
            self._waiting.pop(name, None)
            return subject
        if subject is None:
            return WrongPin(_TRIES - 1)
        wrong = self._wrong.pop(name, 0) + 1
        if wrong >= _TRIES:
            self._waiting[name] = now + self._pause
            return MustWait(self._waiting[name])
        self._wrong[name] = wrong
        return WrongPin(_TRIES - wrong)


def claims_of(subject: Person | Agent, scopes: frozenset[str]) -> dict[str, Any]:
    """What a provider says about somebody, in gematik's names (gemSpec_IDP_Sek, claims of insured people)."""
    claims: dict[str, Any] = {}
    if isinstance(subject, Agent):
        if "profile" in scopes:
            claims |= {"name": subject.display_name, "preferred_username": subject.preferred_username}
        return claims
    claims |= {"acr": subject.level, "amr": [_METHODS[subject.level]]}
    if "urn:telematik:display_name" in scopes:
        claims["urn:telematik:display_name"] = subject.display_name
    if "urn:telematik:versicherter" in scopes:
        claims["urn:telematik:claims:id"] = subject.kvnr
        claims["urn:telematik:claims:organization"] = subject.ik
        claims["urn:telematik:claims:profession"] = _PROFESSION_INSURED
    return claims


def read_people(path: Path) -> tuple[list[Person], list[Agent]]:
    """The people and agents of a file that ``write_people`` wrote."""
    content = json.loads(path.read_text(encoding="utf-8"))
    people = [Person.model_validate(person) for person in content["people"]]
    return people, [Agent.model_validate(agent) for agent in content["agents"]]


def write_people(path: Path, people: Sequence[Person], agents: Sequence[Agent]) -> None:
    """Writes the file as a whole, readable by its owner alone."""
    draft = path.with_name(path.name + ".new")
    content = {
        "people": [person.model_dump() for person in people],
        "agents": [agent.model_dump() for agent in agents],
    }
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(content, file, ensure_ascii=False, indent=2)
    draft.replace(path)
