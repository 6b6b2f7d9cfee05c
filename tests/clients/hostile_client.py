"""A client that can say anything: correctly signed and encrypted where it helps the attack, and otherwise not."""

from __future__ import annotations

import asyncio
import base64
import json
import secrets
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import aiohttp
import vodozemac

from sandbox.headless_sign_in import SignedIn

OLM = "m.olm.v1.curve25519-aes-sha2"
MEGOLM = "m.megolm.v1.aes-sha2"
_CLIENT = "/_matrix/client/v3"
_MOST_ONE_TIME_KEYS = 20


class Refused(Exception):  # noqa: N818 - reads as what happened
    """The homeserver did not take what was sent."""

    def __init__(self, status: int, answer: Mapping[str, Any]) -> None:
        super().__init__(f"{status} {answer.get('errcode')} {answer.get('error')}")
        self.status = status


@dataclass(frozen=True, slots=True)
class Target:
    """The device that is attacked, and its public keys."""

    user_id: str
    device_id: str
    curve25519: str
    ed25519: str


def random_base64(length: int) -> str:
    """Random bytes as Matrix writes them."""
    return base64.b64encode(secrets.token_bytes(length)).rstrip(b"=").decode()


class HostileClient:
    """One device; ``run_hostile_client`` opens it."""

    def __init__(self, homeserver: str, signed_in: SignedIn, http: aiohttp.ClientSession) -> None:
        """Takes a signed-in device without keys."""
        self.signed_in = signed_in
        self._homeserver = homeserver
        self._http = http
        self._account = vodozemac.Account()
        self._target: Target | None = None
        self._olm: vodozemac.Session | None = None

    async def call(self, method: str, path: str, body: object | bytes | None = None) -> dict[str, Any]:
        """One request, repeated when the homeserver wants it slower; bytes are sent as they are.

        Raises:
            Refused: if the homeserver did not take it.
        """
        headers = {"Authorization": f"Bearer {self.signed_in.access_token}", "Content-Type": "application/json"}
        data = body if isinstance(body, bytes) else json.dumps({} if body is None else body).encode()
        data = b"" if method == "GET" else data
        async with self._http.request(method, self._homeserver + path, data=data, headers=headers) as answer:
            content: dict[str, Any] = await answer.json(content_type=None)
        if answer.status == 429:
            await asyncio.sleep(content["retry_after_ms"] / 1000)
            return await self.call(method, path, body)
        if answer.status != 200:
            raise Refused(answer.status, content)
        return content

    # -- keys ---------------------------------------------------------------------------------------------------------

    @property
    def curve25519(self) -> str:
        """The device's identity key."""
        return str(self._account.curve25519_key.to_base64())

    @property
    def ed25519(self) -> str:
        """The device's signing key."""
        return str(self._account.ed25519_key.to_base64())

    def signed(self, content: Mapping[str, Any]) -> dict[str, Any]:
        """The content with a correct signature of this device."""
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        signature = self._account.sign(canonical).to_base64()
        name = f"ed25519:{self.signed_in.device_id}"
        return {**content, "signatures": {self.signed_in.user_id: {name: signature}}}

    def device_keys(self) -> dict[str, Any]:
        """The device's keys, as an honest client publishes them."""
        device = self.signed_in.device_id
        keys = {f"curve25519:{device}": self.curve25519, f"ed25519:{device}": self.ed25519}
        content = {"algorithms": [OLM, MEGOLM], "device_id": device, "keys": keys, "user_id": self.signed_in.user_id}
        return self.signed(content)

    async def publish(self, body: Mapping[str, Any] | None = None) -> None:
        """Publishes the device's keys: correct ones, or whatever is given."""
        if body is None:
            self._account.generate_one_time_keys(_MOST_ONE_TIME_KEYS)
            keys = {
                f"signed_curve25519:{name}": self.signed({"key": key.to_base64()})
                for name, key in self._account.one_time_keys.items()
            }
            self._account.mark_keys_as_published()
            body = {"device_keys": self.device_keys(), "one_time_keys": keys}
        await self.call("POST", f"{_CLIENT}/keys/upload", body)

    async def aim(self, user_id: str) -> Target:
        """Finds a person's only device, and opens an Olm session to it with a one-time key of it."""
        found = await self.call("POST", f"{_CLIENT}/keys/query", {"device_keys": {user_id: []}})
        ((device_id, device),) = found["device_keys"][user_id].items()
        keys = device["keys"]
        self._target = Target(user_id, device_id, keys[f"curve25519:{device_id}"], keys[f"ed25519:{device_id}"])
        wanted = {"one_time_keys": {user_id: {device_id: "signed_curve25519"}}}
        claimed = await self.call("POST", f"{_CLIENT}/keys/claim", wanted)
        ((_, one_time_key),) = claimed["one_time_keys"][user_id][device_id].items()
        self._olm = self._session_with(one_time_key["key"])
        return self._target

    @property
    def target(self) -> Target:
        """The device that is attacked."""
        assert self._target is not None, "aim first"
        return self._target

    def _session_with(self, one_time_key: str) -> vodozemac.Session:
        return self._account.create_outbound_session(
            vodozemac.Curve25519PublicKey.from_base64(self.target.curve25519),
            vodozemac.Curve25519PublicKey.from_base64(one_time_key),
        )

    # -- to devices ---------------------------------------------------------------------------------------------------

    async def to_device(self, kind: str, content: object | bytes) -> None:
        """Sends to the target's device; bytes are JSON that is sent as it is.

        Raises:
            Refused: if the homeserver did not take it.
        """
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        user, device = json.dumps(self.target.user_id).encode(), json.dumps(self.target.device_id).encode()
        body = b'{"messages":{%s:{%s:%s}}}' % (user, device, raw)
        await self.call("PUT", f"{_CLIENT}/sendToDevice/{quote(kind, safe='')}/{secrets.token_hex(8)}", body)

    def letter(self, kind: str, content: object, /, **otherwise: object) -> str:
        """What stands inside an Olm message, correct but for what is named ``otherwise``."""
        target = self.target
        payload = {
            "type": kind,
            "content": content,
            "sender": self.signed_in.user_id,
            "sender_device": self.signed_in.device_id,
            "keys": {"ed25519": self.ed25519},
            "recipient": target.user_id,
            "recipient_keys": {"ed25519": target.ed25519},
        }
        return json.dumps(payload | otherwise)

    def olm(self, plaintext: str) -> dict[str, Any]:
        """An Olm message that the target can open, whatever stands in it."""
        assert self._olm is not None, "aim first"
        kind, body = self._olm.encrypt(plaintext.encode("utf-8", "surrogatepass")).to_parts()
        return self.envelope(kind, base64.b64encode(body).rstrip(b"=").decode())

    def olm_for_unknown_key(self, plaintext: str) -> dict[str, Any]:
        """A first Olm message, correctly made for a one-time key that the target never had."""
        stranger = vodozemac.Curve25519SecretKey().public_key().to_base64()
        kind, body = self._session_with(stranger).encrypt(plaintext.encode()).to_parts()
        return self.envelope(kind, base64.b64encode(body).rstrip(b"=").decode())

    def envelope(self, kind: object, body: object) -> dict[str, Any]:
        """The outside of an Olm message to the target."""
        ciphertext = {self.target.curve25519: {"type": kind, "body": body}}
        return {"algorithm": OLM, "sender_key": self.curve25519, "ciphertext": ciphertext}

    def room_key(self, room_id: str, session: vodozemac.GroupSession, /, **otherwise: object) -> dict[str, object]:
        """The content that gives a room key away, correct but for what is named ``otherwise``."""
        content: dict[str, object] = {
            "algorithm": MEGOLM,
            "room_id": room_id,
            "session_id": session.session_id,
            "session_key": session.session_key.to_base64(),
        }
        return content | otherwise

    async def share(self, room_id: str) -> vodozemac.GroupSession:
        """A new room key of this device, which the target gets as from an honest client."""
        session = vodozemac.GroupSession()
        await self.to_device("m.room.encrypted", self.olm(self.letter("m.room_key", self.room_key(room_id, session))))
        return session

    # -- into rooms ---------------------------------------------------------------------------------------------------

    def megolm(self, session: vodozemac.GroupSession, plaintext: str, /, **otherwise: object) -> dict[str, object]:
        """An encrypted message's content, whatever stands in it; correct but for what is named ``otherwise``."""
        content: dict[str, object] = {
            "algorithm": MEGOLM,
            "sender_key": self.curve25519,
            "device_id": self.signed_in.device_id,
            "session_id": session.session_id,
            "ciphertext": session.encrypt(plaintext.encode("utf-8", "surrogatepass")).to_base64(),
        }
        return content | otherwise

    async def create_room(self, body: Mapping[str, Any]) -> str:
        """Makes a room; its id."""
        return str((await self.call("POST", f"{_CLIENT}/createRoom", body))["room_id"])

    async def join(self, room_id: str) -> None:
        """Joins a room."""
        await self.call("POST", f"{_CLIENT}/join/{quote(room_id, safe='')}")

    async def send(self, room_id: str, kind: str, content: object | bytes) -> str:
        """Sends an event into a room; its id."""
        path = f"{_CLIENT}/rooms/{quote(room_id, safe='')}/send/{quote(kind, safe='')}/{secrets.token_hex(8)}"
        return str((await self.call("PUT", path, content))["event_id"])

    async def set_state(self, room_id: str, kind: str, state_key: str, content: object) -> str:
        """Sets state of a room; the event's id."""
        path = f"{_CLIENT}/rooms/{quote(room_id, safe='')}/state/{quote(kind, safe='')}/{quote(state_key, safe='')}"
        return str((await self.call("PUT", path, content))["event_id"])


@asynccontextmanager
async def run_hostile_client(homeserver: str, signed_in: SignedIn) -> AsyncIterator[HostileClient]:
    """A client with its own connection."""
    async with aiohttp.ClientSession() as http:
        yield HostileClient(homeserver, signed_in, http)
