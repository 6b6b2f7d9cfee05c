"""gematik's federation list, issued by an authority of the test's own and served as their interface describes it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding

from tests.synapse_modules.certificate_authority import CertificateAuthority

PATH = "/tim-provider-services/FederationList/federationList.jws"
_CURVES: Mapping[str, type[ec.EllipticCurve]] = {"ES256": ec.SECP256R1, "BP256R1": ec.BrainpoolP256R1}


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def entry(domain: str, *, insured_of: str | None = None) -> dict[str, Any]:
    """A domain of the list: a practice's, or with an IK that of an insurer's insured people."""
    shared = {"domain": domain, "timAnbieter": "TIM-Test"}
    if insured_of is None:
        return shared | {"telematikID": "1-2-test", "isInsurance": False, "ik": []}
    return shared | {"telematikID": "8-01-test", "isInsurance": True, "ik": [insured_of]}


class ListSigner:
    """Signs lists with a key of the algorithm's curve that an authority certified."""

    def __init__(self, algorithm: str, authority: CertificateAuthority) -> None:
        self.algorithm = algorithm
        self._key = ec.generate_private_key(_CURVES[algorithm]())
        self.chain = [authority.issue("Federation list", self._key.public_key())]

    def sign(self, payload: object, **header: Any) -> str:
        """A JWS in compact form; ``payload`` is JSON, or bytes as they are."""
        chain = [base64.b64encode(one.public_bytes(Encoding.DER)).decode() for one in self.chain]
        named = {"alg": self.algorithm, "typ": "JWT", "x5c": chain} | header
        content = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        signed = f"{_base64url(json.dumps(named).encode())}.{_base64url(content)}"
        r, s = decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(hashes.SHA256())))
        return f"{signed}.{_base64url(r.to_bytes(32) + s.to_bytes(32))}"


class ListPublisher:
    """The provider interface of the national directory, as far as homeservers read it."""

    def __init__(self, port: int, authority: CertificateAuthority) -> None:
        self.url = f"http://127.0.0.1:{port}{PATH}"
        self.version = 1
        self.entries: Sequence[Mapping[str, Any]] = ()
        self.is_down = False
        self.asked = 0
        self.answer: str | None = None
        """What is answered instead of the list."""
        self._signers = {algorithm: ListSigner(algorithm, authority) for algorithm in _CURVES}
        self.app = web.Application()
        self.app.router.add_get(PATH, self._list)

    def publish(self, *entries: Mapping[str, Any]) -> None:
        """Issues the next version."""
        self.entries = entries
        self.version += 1

    def sign(self, payload: object) -> str:
        """Whatever it is, signed as the list is."""
        return self._signers["ES256"].sign(payload)

    async def _list(self, request: web.Request) -> web.Response:
        self.asked += 1
        if self.is_down:
            raise web.HTTPServiceUnavailable
        if self.answer is not None:
            return web.Response(text=self.answer)
        if self.version <= int(request.query.get("version", 0)):
            return web.Response(status=204)
        signer = self._signers[request.query.get("sigAlg", "BP256R1")]
        signed = signer.sign({"version": self.version, "domainList": list(self.entries)})
        return web.Response(body=signed.encode(), content_type="application/octet-stream")
