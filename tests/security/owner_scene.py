"""A directory as a process with the shipped limits, its homeserver, and practices that an attack makes its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from aiohttp.test_utils import TestServer
from joserfc.jwk import ECKey

from messenger_core.service_auth.keys import generate_private_key
from sandbox.ports import reserve_port
from tests.directory_service.bench import CONSENT, PROFILE, SERVER_NAME, Directory, HomeserverStandIn
from tests.directory_service.pages.visitor import Visitor
from tests.directory_service.test_process import running


@dataclass(frozen=True, slots=True)
class Practice:
    """One practice and its key."""

    telematik_id: str
    key: ECKey

    @property
    def user_id(self) -> str:
        """Its account."""
        return f"@practice-{self.telematik_id[2:]}:{SERVER_NAME}"


@dataclass
class OwnerScene:
    """The running directory, and an address of their own for whoever attacks."""

    directory: Directory
    _numbers: count[int] = field(default_factory=lambda: count(1))

    def address(self) -> dict[str, str]:
        """The headers of somebody who was never there before, as the proxy sends them."""
        number = next(self._numbers)
        return {"X-Forwarded-For": f"198.18.{number // 250}.{number % 250 + 1}"}

    async def register(self, practice: Practice, name: object) -> int:
        """Sends a statement that the verifier signed."""
        directory, key = self.directory, practice.key
        body = {
            "client_name": name,
            "jwks": {"keys": [key.as_dict(private=False)]},
            "software_statement": directory.statement(practice.telematik_id, key),
        }
        async with directory.http.post(f"{directory.url}/oauth2/register", json=body, headers=self.address()) as answer:
            return answer.status

    def stranger(self) -> Practice:
        """A practice that has not joined."""
        return Practice(f"1-77{next(self._numbers):08}", generate_private_key())

    async def practice(self, name: str = "Praxis Ehrlich", *, opts_in: bool = True) -> Practice:
        """A practice that joined, and is found unless it does not want to be."""
        practice = self.stranger()
        assert await self.register(practice, name) == 201
        for path, body in (("/owner/practice", PROFILE | {"name": name}), ("/owner/visibility", CONSENT)):
            if opts_in or path != "/owner/visibility":
                status, answer = await self.call(practice, "PUT", path, body)
                assert status == 200, answer
        return practice

    async def call(self, practice: Practice, method: str, path: str, body: object | None = None) -> tuple[int, Any]:
        """A call of a practice's software."""
        return await self.directory.as_practice(practice.key, method, path, body, practice.telematik_id)

    async def code(self, practice: Practice) -> str:
        """A code for its page."""
        body = {"user_id": practice.user_id}
        status, answer = await self.directory.as_homeserver("POST", "/practice-sign-in-codes", "practice:sign-in", body)
        assert status == 200, answer
        return str(answer["code"])

    async def at_its_page(self, practice: Practice) -> Visitor:
        """The practice, signed in at its page."""
        visitor = Visitor(self.directory)
        status, _ = await visitor.open(
            "POST", "/praxis/anmelden", {"code": await self.code(practice)}, **_named(self.address())
        )
        assert status == 200
        return visitor


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("-", "_"): value for name, value in headers.items()}


@asynccontextmanager
async def owner_scene(folder: Path) -> AsyncIterator[OwnerScene]:
    """Starts it."""
    port = reserve_port()
    homeserver = HomeserverStandIn(f"http://127.0.0.1:{port}")
    async with TestServer(homeserver.application(), port=port), running(folder, homeserver) as (directory, _log):
        yield OwnerScene(directory)
