"""Every way in which a sign-in must not end well, each with a reason and a page of its own."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from aiohttp import web
from joserfc import jwe, jws, jwt
from joserfc.jwk import ECKey, RSAKey

from gesundheitsid.adapters.pages import Pages
from gesundheitsid.rules.refusals import Reason
from messenger_core.catalogue import Catalogue
from messenger_core.service_auth.assertions import sign_statement
from messenger_core.service_auth.keys import generate_private_key, public_jwks
from sandbox.ti_federation.federation_master import STATEMENT_TYPE
from sandbox.ti_federation.registered_party import RegisteredParty
from tests.gesundheitsid.scene import Page, Scene

Way = Callable[[Scene], Awaitable[Page]]
KVNR = "urn:telematik:claims:id"


def claims(**changes: Any) -> Way:
    """ID tokens with other claims; None leaves one out."""

    async def way(scene: Scene) -> Page:
        def change(said: dict[str, Any]) -> dict[str, Any]:
            return {name: value for name, value in {**said, **changes}.items() if value is not None}

        scene.idp.change_claims = change
        return await scene.sign_in()

    return way


def shifted(**seconds: int) -> Way:
    """ID tokens of another time."""

    async def way(scene: Scene) -> Page:
        scene.idp.change_claims = lambda said: {**said, **{name: said[name] + by for name, by in seconds.items()}}
        return await scene.sign_in()

    return way


def signed(sign: Callable[[Scene, Mapping[str, Any]], str]) -> Way:
    """ID tokens signed in another way."""

    async def way(scene: Scene) -> Page:
        scene.idp.sign = lambda said: sign(scene, said)
        return await scene.sign_in()

    return way


def sealed(seal: Callable[[Scene, str, RegisteredParty], str]) -> Way:
    """ID tokens encrypted in another way, or not at all."""

    async def way(scene: Scene) -> Page:
        scene.idp.seal = lambda token, party: seal(scene, token, party)
        return await scene.sign_in()

    return way


def _part(content: Mapping[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).rstrip(b"=").decode()


def unsigned(_scene: Scene, said: Mapping[str, Any]) -> str:
    return f"{_part({'alg': 'none'})}.{_part(said)}."


def with_rsa(scene: Scene, said: Mapping[str, Any]) -> str:
    key = RSAKey.generate_key(2048)
    return jwt.encode({"alg": "RS256", "kid": scene.idp.token_key.kid}, dict(said), key, ["RS256"])


def with_hmac(scene: Scene, said: Mapping[str, Any]) -> str:
    """The public key taken as a shared secret: the classical confusion."""
    from joserfc.jwk import OctKey

    key = OctKey.import_key(json.dumps(scene.idp.token_key.as_dict(private=False)))
    return jwt.encode({"alg": "HS256", "kid": scene.idp.token_key.kid}, dict(said), key, ["HS256"])


def with_stranger(_scene: Scene, said: Mapping[str, Any]) -> str:
    return sign_statement(generate_private_key(), said)


def with_borrowed_name(scene: Scene, said: Mapping[str, Any]) -> str:
    stranger = generate_private_key()
    return jwt.encode({"alg": "ES256", "kid": scene.idp.token_key.kid}, dict(said), stranger, ["ES256"])


def changed_afterwards(scene: Scene, said: Mapping[str, Any]) -> str:
    head, _, signature = sign_statement(scene.idp.token_key, said).split(".")
    return f"{head}.{_part({**said, KVNR: 'A123456780'})}.{signature}"


def no_json(scene: Scene, _said: Mapping[str, Any]) -> str:
    key = scene.idp.token_key
    return jws.serialize_compact({"alg": "ES256", "kid": key.kid}, b"no JSON", key, ["ES256"])


def as_it_is(_scene: Scene, token: str, _party: RegisteredParty) -> str:
    return token


def for_somebody_else(_scene: Scene, token: str, _party: RegisteredParty) -> str:
    key = generate_private_key()
    return jwe.encrypt_compact({"alg": "ECDH-ES", "enc": "A256GCM"}, token, key, ["ECDH-ES", "A256GCM"])


def for_our_certificate(scene: Scene, token: str, _party: RegisteredParty) -> str:
    key = ECKey.import_key(scene.keys.ring("tls").current.as_dict(private=False) | {"use": "enc", "alg": "ECDH-ES"})
    header = {"alg": "ECDH-ES", "enc": "A256GCM", "kid": key.kid}
    return jwe.encrypt_compact(header, token, key, ["ECDH-ES", "A256GCM"])


def weakly(_scene: Scene, token: str, party: RegisteredParty) -> str:
    algorithms = ["ECDH-ES", "A128CBC-HS256"]
    return jwe.encrypt_compact({"alg": "ECDH-ES", "enc": "A128CBC-HS256"}, token, party.encryption_key(), algorithms)


def garbage(_scene: Scene, _token: str, _party: RegisteredParty) -> str:
    return "garbage"


async def with_a_key_for_encryption(scene: Scene) -> Page:
    """The key is the provider's, but it says itself that it is not for signing."""
    key = public_jwks(scene.idp.token_key)["keys"][0] | {"use": "enc"}
    said = {"iss": scene.idp.issuer, "sub": scene.idp.issuer, "iat": 1, "keys": [key]}
    scene.idp.sign_keys = lambda: sign_statement(scene.idp.key, said, token_type="jwk-set+jwt")
    return await scene.sign_in()


def keys_by(sign: Callable[[Scene, dict[str, Any]], str]) -> Way:
    async def way(scene: Scene) -> Page:
        said = {"iss": scene.idp.issuer, "sub": scene.idp.issuer, "iat": 1, **public_jwks(scene.idp.token_key)}
        scene.idp.sign_keys = lambda: sign(scene, said)
        return await scene.sign_in()

    return way


def metadata(**changes: Any) -> Way:
    async def way(scene: Scene) -> Page:
        scene.idp.change_metadata = lambda said: {
            name: value for name, value in {**said, **changes}.items() if value is not None
        }
        return await scene.sign_in()

    return way


def stated(**changes: Any) -> Way:
    """Another entity statement of the identity provider, with its own key."""

    async def way(scene: Scene) -> Page:
        genuine = jwt.decode(scene.idp.configuration(), scene.idp.key, algorithms=["ES256"]).claims
        said = {**genuine, **changes}
        scene.idp.configure = lambda: sign_statement(scene.idp.key, said, token_type=STATEMENT_TYPE)
        return await scene.sign_in()

    return way


async def statement_by_a_stranger(scene: Scene) -> Page:
    """It carries its own key, but the master knows another one."""
    stranger = generate_private_key()
    genuine = jwt.decode(scene.idp.configuration(), scene.idp.key, algorithms=["ES256"]).claims
    said = {**genuine, "jwks": public_jwks(stranger)}
    scene.idp.configure = lambda: sign_statement(stranger, said, token_type=STATEMENT_TYPE)
    return await scene.sign_in()


async def statement_of_another_type(scene: Scene) -> Page:
    genuine = jwt.decode(scene.idp.configuration(), scene.idp.key, algorithms=["ES256"]).claims
    scene.idp.configure = lambda: sign_statement(scene.idp.key, genuine, token_type="JWT")
    return await scene.sign_in()


def about(**changes: Any) -> Way:
    """The master says something else about the identity provider."""

    async def way(scene: Scene) -> Page:
        genuine = jwt.decode(scene.master.about(scene.idp.issuer) or "", scene.master.key, algorithms=["ES256"]).claims
        said = {**genuine, **changes}
        scene.master.state = lambda _: sign_statement(scene.master.key, said, token_type=STATEMENT_TYPE)
        return await scene.sign_in()

    return way


async def master_is_an_impostor(scene: Scene) -> Page:
    """Everything fits together, but for the key that is pinned."""
    scene.master.key = generate_private_key()
    return await scene.sign_in()


async def about_by_a_stranger(scene: Scene) -> Page:
    genuine = jwt.decode(scene.master.about(scene.idp.issuer) or "", scene.master.key, algorithms=["ES256"]).claims
    scene.master.state = lambda _: sign_statement(generate_private_key(), genuine, token_type=STATEMENT_TYPE)
    return await scene.sign_in()


async def not_a_member(scene: Scene) -> Page:
    del scene.master.members[scene.idp.issuer]
    return await scene.sign_in()


def answered(path: str, status: int, body: Mapping[str, Any] | None = None) -> Way:
    """One endpoint of the federation answers something else."""

    async def way(scene: Scene) -> Page:
        def interfere(request: web.Request) -> web.StreamResponse | None:
            return web.json_response(body or {}, status=status) if request.path == path else None

        scene.interference = interfere
        return await scene.sign_in()

    return way


async def registered_with_another_certificate(scene: Scene) -> Page:
    """The certificate that we show is not in the key set that the identity provider was told."""
    asked = await scene.ask()
    scene.idp.ask(asked.query)
    party, until = scene.idp._parties[scene.base]
    stranger = {"keys": [key for key in party.metadata["jwks"]["keys"] if "x5c" not in key]}
    bare = RegisteredParty(party.entity_id, {**party.metadata, "jwks": stranger})

    async def found(*_: Any, **__: Any) -> RegisteredParty:
        return bare

    scene.idp._parties[scene.base] = (bare, until)
    import sandbox.ti_federation.sectoral_idp as module

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "find_party", found)
        return await scene.sign_in()


async def we_are_no_member(scene: Scene) -> Page:
    del scene.master.members[scene.base]
    return await scene.sign_in()


async def another_redirect_is_registered(scene: Scene) -> Page:
    """Our statement and our request differ, as after a move to another address."""
    await scene.ask()
    party, until = scene.idp._parties[scene.base]
    moved = RegisteredParty(party.entity_id, {**party.metadata, "redirect_uris": ["https://moved.example/callback"]})
    scene.idp._parties[scene.base] = (moved, until)
    return await scene.sign_in()


def back(**changes: str | None) -> Way:
    """The browser comes back with something else."""

    async def way(scene: Scene) -> Page:
        address, _, _ = scene.identify(asked := await scene.ask()).partition("?")
        second = await scene.ask()
        values = Page(303, "", scene.identify(second)).query
        assert asked.status == 303
        query = {name: value for name, value in {**values, **changes}.items() if value is not None}
        return await scene.open(address, query=query)

    return way


async def used_twice(scene: Scene) -> Page:
    address = scene.identify(await scene.ask())
    assert (await scene.open(address)).status == 303
    return await scene.open(address)


async def too_late(scene: Scene) -> Page:
    address = scene.identify(await scene.ask())
    scene.late = timedelta(minutes=16)
    return await scene.open(address)


async def in_another_browser(scene: Scene) -> Page:
    address = scene.identify(await scene.ask())
    scene.cookies.clear()
    return await scene.open(address)


async def code_of_another_sign_in(scene: Scene) -> Page:
    """A stolen code, put into the thief's own sign-in: the verifier does not fit."""
    stolen = Page(303, "", scene.identify(await scene.ask())).query["code"]
    own = scene.identify(await scene.ask())
    query = {**Page(303, "", own).query, "code": stolen}
    return await scene.open(own.partition("?")[0], query=query)


async def unknown_client(scene: Scene) -> Page:
    return await scene.ask(client_id="stranger")


async def unknown_redirect(scene: Scene) -> Page:
    return await scene.ask(redirect_uri="https://thief.example/callback")


async def cancelled(scene: Scene) -> Page:
    asked = await scene.ask()
    return await scene.open(scene.idp.cancel(scene.idp.ask(asked.query)))


ROWS: list[tuple[str, Way, Reason]] = [
    ("a client that nobody knows", unknown_client, Reason.CLIENT_UNKNOWN),
    ("a way back that is not the client's", unknown_redirect, Reason.REDIRECT_UNKNOWN),
    ("wrong state", back(state="x" * 43), Reason.SIGN_IN_UNKNOWN),
    ("no state", back(state=None), Reason.SIGN_IN_UNKNOWN),
    ("an answer used twice", used_twice, Reason.SIGN_IN_UNKNOWN),
    ("an answer after a quarter of an hour", too_late, Reason.SIGN_IN_UNKNOWN),
    ("another browser", in_another_browser, Reason.OTHER_BROWSER),
    ("cancelled by the person", cancelled, Reason.CANCELLED),
    ("an error of the provider", back(code=None, error="server_error"), Reason.PROVIDER_ERROR),
    ("no code", back(code=None), Reason.ANSWER_INCOMPLETE),
    ("another provider's answer", back(iss="https://other.example"), Reason.ANSWER_FOREIGN),
    ("a code of another sign-in", code_of_another_sign_in, Reason.CODE_REFUSED),
    ("a code that the provider does not know", back(code="unknown"), Reason.CODE_REFUSED),
    ("the master is an impostor", master_is_an_impostor, Reason.STATEMENT_INVALID),
    ("the master is down", answered("/federation/fetch", 503), Reason.FEDERATION_UNAVAILABLE),
    ("a provider that is no member", not_a_member, Reason.NOT_IN_FEDERATION),
    ("the master's statement is a stranger's", about_by_a_stranger, Reason.STATEMENT_INVALID),
    ("the master's statement has expired", about(iat=1, exp=2), Reason.STATEMENT_EXPIRED),
    ("the master's statement is about another", about(sub="https://other.example"), Reason.STATEMENT_FOREIGN),
    ("the master's statement is another master's", about(iss="https://other.example"), Reason.STATEMENT_FOREIGN),
    (
        "the master's policy forbids it",
        about(metadata_policy={"openid_provider": {"organization_name": {"one_of": ["Other"]}}}),
        Reason.METADATA_REFUSED,
    ),
    (
        "the master's policy has a critical rule that we do not know",
        about(metadata_policy_crit=["regexp"]),
        Reason.METADATA_REFUSED,
    ),
    ("the provider's statement is a stranger's", statement_by_a_stranger, Reason.STATEMENT_INVALID),
    ("the provider's statement is of another type", statement_of_another_type, Reason.STATEMENT_INVALID),
    (
        "the provider's statement is from the future",
        stated(iat=9_999_999_998, exp=9_999_999_999),
        Reason.STATEMENT_INVALID,
    ),
    ("the provider's statement has expired", stated(iat=1, exp=2), Reason.STATEMENT_EXPIRED),
    ("the provider's statement is another's", stated(iss="https://other.example"), Reason.STATEMENT_FOREIGN),
    ("an unknown authority", stated(authority_hints=["https://other.example"]), Reason.AUTHORITY_UNKNOWN),
    ("a critical extension that we do not know", stated(crit=["unknown"]), Reason.STATEMENT_INVALID),
    ("endpoints without TLS", metadata(token_endpoint="http://idp.example/token"), Reason.METADATA_REFUSED),
    (
        "no endpoint for pushed requests",
        metadata(pushed_authorization_request_endpoint=None),
        Reason.METADATA_REFUSED,
    ),
    (
        "keys signed by a stranger",
        keys_by(lambda _, said: sign_statement(generate_private_key(), said)),
        Reason.KEYS_INVALID,
    ),
    (
        "keys of another",
        keys_by(
            lambda scene, said: sign_statement(
                scene.idp.key, {**said, "iss": "https://other.example"}, token_type="jwk-set+jwt"
            )
        ),
        Reason.KEYS_INVALID,
    ),
    ("the provider does not know us", we_are_no_member, Reason.NOT_REGISTERED),
    ("our certificate is not in our keys", registered_with_another_certificate, Reason.NOT_REGISTERED),
    ("the way back is not in our statement", another_redirect_is_registered, Reason.REQUEST_REFUSED),
    ("the request is refused", answered("/par", 400, {"error": "invalid_scope"}), Reason.REQUEST_REFUSED),
    (
        "the request's answer has another status",
        answered("/par", 200, {"request_uri": "urn:x"}),
        Reason.ANSWER_INCOMPLETE,
    ),
    ("the provider is down", answered("/par", 500), Reason.PROVIDER_UNAVAILABLE),
    ("the provider is down at the end", answered("/token", 502), Reason.PROVIDER_UNAVAILABLE),
    ("no ID token", answered("/token", 200, {"access_token": "x"}), Reason.ANSWER_INCOMPLETE),
    ("an ID token that is none", sealed(garbage), Reason.TOKEN_UNREADABLE),
    ("not encrypted", sealed(as_it_is), Reason.TOKEN_UNENCRYPTED),
    ("encrypted for somebody else", sealed(for_somebody_else), Reason.TOKEN_UNDECRYPTABLE),
    ("encrypted for a key that is not for it", sealed(for_our_certificate), Reason.TOKEN_UNDECRYPTABLE),
    ("encrypted in another way", sealed(weakly), Reason.TOKEN_ENCRYPTION),
    ("alg none", signed(unsigned), Reason.TOKEN_UNSIGNED),
    ("RS256", signed(with_rsa), Reason.TOKEN_ALGORITHM),
    ("HS256 with the public key", signed(with_hmac), Reason.TOKEN_ALGORITHM),
    ("an unknown key", signed(with_stranger), Reason.TOKEN_KEY_UNKNOWN),
    ("a key for encryption", with_a_key_for_encryption, Reason.TOKEN_KEY_USE),
    ("a stranger's signature", signed(with_borrowed_name), Reason.TOKEN_SIGNATURE),
    ("changed after it was signed", signed(changed_afterwards), Reason.TOKEN_SIGNATURE),
    ("no claims", signed(no_json), Reason.TOKEN_UNREADABLE),
    ("another issuer", claims(iss="https://other.example"), Reason.TOKEN_ISSUER),
    ("another audience", claims(aud="https://other.example"), Reason.TOKEN_AUDIENCE),
    ("no audience", claims(aud=None), Reason.TOKEN_AUDIENCE),
    ("expired", shifted(iat=-1000, exp=-1000), Reason.TOKEN_EXPIRED),
    ("never expires", claims(exp=float("nan")), Reason.TOKEN_UNREADABLE),
    ("from the future", shifted(iat=1000, exp=1000), Reason.TOKEN_EARLY),
    ("another nonce", claims(nonce="other"), Reason.TOKEN_NONCE),
    ("no nonce", claims(nonce=None), Reason.TOKEN_NONCE),
    ("a low level of assurance", claims(acr="gematik-ehealth-loa-substantial"), Reason.LEVEL_TOO_LOW),
    ("no level of assurance", claims(acr=None), Reason.LEVEL_TOO_LOW),
    ("no KVNR", claims(**{KVNR: None}), Reason.IDENTITY_MISSING),
    ("no sub", claims(sub=None), Reason.IDENTITY_MISSING),
]


async def test_the_good_way(scene: Scene) -> None:
    page = await scene.sign_in()
    assert page.status == 303
    assert page.query["state"] == "client-state"
    status, answer = await scene.token(page.query["code"])
    assert status == 200, answer


@pytest.mark.parametrize(("way", "reason"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
async def test_a_refusal(scene: Scene, way: Way, reason: Reason) -> None:
    page = await way(scene)
    texts = Catalogue.of("gesundheitsid")
    plain = page.text.replace("&#39;", "'")
    assert page.status in {200, 400, 403, 503}, page.location
    assert texts.text(reason.value) in plain, plain
    assert texts.text(reason.value, "en") in plain
    assert scene.person.kvnr not in page.text
    _, metrics = await scene.get("/metrics")
    assert f'hek_gesundheitsid_sign_ins_total{{outcome="{reason}"}} 1.0' in metrics
    assert 'outcome="answered"} 0.0' in metrics or way is used_twice


def test_each_reason_has_a_text_of_its_own() -> None:
    texts = Catalogue.of("gesundheitsid")
    assert len({texts.text(reason.value) for reason in Reason}) == len(Reason)
    for reason in Reason:
        page = Pages().refusal(reason)
        assert page.text is not None
        assert reason.value in page.text


def test_the_table_has_nearly_every_reason() -> None:
    """The two about the list of insurers are in test_sign_in.py, those about limits in test_limits.py."""
    elsewhere = {Reason.INSURER_UNKNOWN, Reason.LIST_INVALID, Reason.COOKIES_OFF, Reason.TOO_MANY, Reason.BROKER_FAILED}
    assert set(Reason) - {row[2] for row in ROWS} == elsewhere
