"""The federation list: whose signature counts, what an entry must be, and that nothing that is sent breaks it."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from messenger_core.service_auth.bounded_json import LARGEST
from synapse_modules.rules.federation_list import (
    ListedServer,
    ListFault,
    ListRefused,
    read_federation_list,
    server_of_ik,
    server_of_user,
    still_counts,
)
from tests.synapse_modules.certificate_authority import CertificateAuthority
from tests.synapse_modules.federation_lists import ListSigner, entry

NOW = datetime.now(UTC)
AUTHORITY = CertificateAuthority("Root")
ROOTS = [AUTHORITY.certificate]
SIGNERS = {algorithm: ListSigner(algorithm, AUTHORITY) for algorithm in ("ES256", "BP256R1")}
SIGNER = SIGNERS["ES256"]
LIST = {
    "version": 7,
    "domainList": [entry("praxis.example"), entry("Kasse.example", insured_of="109500969")],
}
SCHEMA = json.loads((Path(__file__).parents[2] / "data/gematik/federation/FederationList.json").read_text())


def refused(signed: str, *, roots: Any = ROOTS, now: datetime = NOW) -> ListFault:
    with pytest.raises(ListRefused) as refusal:
        read_federation_list(signed, roots, now)
    return refusal.value.fault


@pytest.mark.parametrize("signer", SIGNERS.values(), ids=SIGNERS)
def test_a_list_is_read_whichever_algorithm_signed_it(signer: ListSigner) -> None:
    """sigAlg of I_VZD_TIM_Provider_Services: BP256R1 and ES256."""
    found = read_federation_list(signer.sign(LIST), ROOTS, NOW)
    assert (found.version, found.left_out) == (7, 0)
    assert found.servers == {
        "praxis.example": ListedServer("praxis.example", is_insurance=False),
        "kasse.example": ListedServer("kasse.example", is_insurance=True, iks=("109500969",)),
    }


def test_the_lists_of_these_tests_are_gematiks() -> None:
    jsonschema.validate(LIST, SCHEMA)


def test_a_chain_through_another_certificate_leads_to_the_root_and_each_link_may_be_the_anchor() -> None:
    between = CertificateAuthority("Between", ec.BrainpoolP256R1())
    link = AUTHORITY.issue("Between", between.public_key, authority=True)
    signer = ListSigner("BP256R1", between)
    assert refused(signer.sign(LIST)) is ListFault.NOT_TRUSTED
    signer.chain.append(link)
    assert read_federation_list(signer.sign(LIST), ROOTS, NOW).version == 7
    assert read_federation_list(signer.sign(LIST), [link], NOW).version == 7


def test_who_is_not_certified_by_a_root_is_not_believed() -> None:
    stranger = ListSigner("ES256", CertificateAuthority("Root"))
    assert refused(stranger.sign(LIST)) is ListFault.NOT_TRUSTED
    assert refused(SIGNER.sign(LIST), roots=[]) is ListFault.NOT_TRUSTED
    assert refused(SIGNER.sign(LIST, x5c=[])) is ListFault.NOT_TRUSTED


def test_a_certified_key_that_is_no_authority_certifies_nobody() -> None:
    """Basic constraints: whoever has a certificate of the root could otherwise make a signer of his own."""
    impostor = CertificateAuthority("Impostor")
    link = AUTHORITY.issue("Impostor", impostor.public_key)
    signer = ListSigner("ES256", impostor)
    signer.chain.append(link)
    assert refused(signer.sign(LIST)) is ListFault.NOT_TRUSTED


def test_certificates_must_be_valid_now() -> None:
    assert refused(SIGNER.sign(LIST), now=NOW + timedelta(days=365)) is ListFault.NOT_TRUSTED
    assert refused(SIGNER.sign(LIST), now=datetime(2019, 12, 31, tzinfo=UTC)) is ListFault.NOT_TRUSTED


def test_what_was_changed_after_signing_is_not_believed() -> None:
    header, _, signature = SIGNER.sign(LIST).split(".")
    other = base64.urlsafe_b64encode(json.dumps(LIST | {"version": 9}).encode()).rstrip(b"=").decode()
    assert refused(f"{header}.{other}.{signature}") is ListFault.WRONG_SIGNATURE
    assert refused(f"{header}.{other}.{signature[:-8]}") is ListFault.WRONG_SIGNATURE
    assert refused(f"{header}.{other}.{base64.urlsafe_b64encode(bytes(64)).rstrip(b'=').decode()}") is (
        ListFault.WRONG_SIGNATURE
    )


@pytest.mark.parametrize("algorithm", ["none", "HS256", "RS256", "ES384", "BP256R1", 7, None, ["ES256"]])
def test_another_algorithm_than_the_keys_own_is_refused(algorithm: object) -> None:
    assert refused(SIGNER.sign(LIST, alg=algorithm)) is ListFault.UNKNOWN_ALGORITHM


def test_a_header_that_must_be_understood_is_not_skipped() -> None:
    assert refused(SIGNER.sign(LIST, crit=["b64"], b64=False)) is ListFault.UNKNOWN_ALGORITHM


_NO_LISTS: list[Any] = [
    b"",
    b"[]",
    b"nothing",
    b"[" * 100_000,
    {},
    {"version": 1},
    {"version": "1", "domainList": []},
    {"version": True, "domainList": []},
    {"version": -1, "domainList": []},
    {"version": 1, "domainList": {}},
]


@pytest.mark.parametrize("payload", _NO_LISTS, ids=range(len(_NO_LISTS)))
def test_a_signed_list_that_is_none_is_refused(payload: object) -> None:
    assert refused(SIGNER.sign(payload)) is ListFault.NOT_READABLE


@pytest.mark.parametrize(
    "wrong",
    [
        {"isInsurance": False},
        {"domain": "praxis.example"},
        {"domain": "praxis.example", "isInsurance": "false"},
        {"domain": "praxis.example/path", "isInsurance": False},
        {"domain": "", "isInsurance": False},
        {"domain": "praxis.example", "isInsurance": False, "ik": "109500969"},
        "praxis.example",
        None,
    ],
)
def test_an_entry_that_is_not_readable_admits_nobody_and_keeps_nobody_else_out(wrong: object) -> None:
    found = read_federation_list(SIGNER.sign({"version": 1, "domainList": [wrong, entry("b.example")]}), ROOTS, NOW)
    assert (list(found.servers), found.left_out) == (["b.example"], 1)


def test_of_two_entries_for_a_server_the_one_with_insured_people_counts() -> None:
    entries = [entry("a.example"), entry("A.example", insured_of="109500969"), entry("a.example")]
    found = read_federation_list(SIGNER.sign({"version": 1, "domainList": entries}), ROOTS, NOW).servers
    assert found == {"a.example": ListedServer("a.example", is_insurance=True, iks=("109500969",))}


def test_an_ik_is_found_at_insurances_only() -> None:
    entries = [entry("a.example") | {"ik": ["101570104"]}, entry("b.example", insured_of="109500969")]
    servers = read_federation_list(SIGNER.sign({"version": 1, "domainList": entries}), ROOTS, NOW).servers
    assert server_of_ik(servers, "109500969") == "b.example"
    assert server_of_ik(servers, "101570104") is None


@pytest.mark.parametrize(
    ("user_id", "server"),
    [
        ("@praxis-mueller:a.example", "a.example"),
        ("@a.b_c=d/e+f-9:127.0.0.1:8448", "127.0.0.1:8448"),
        ("@says hello:a.example", None),
        ("@Hello:a.example", None),
        ("@grüße:a.example", None),
        ("@:a.example", None),
        ("@a", None),
        ("a:a.example", None),
        ("@a:", None),
        ("@a\n:a.example", None),
        (f"@{'a' * 244}:a.example", "a.example"),
        (f"@{'a' * 245}:a.example", None),
        ("", None),
    ],
)
def test_a_user_is_of_a_server_that_gives_out_such_ids(user_id: str, server: str | None) -> None:
    """What no server gives out is nobody's, and may be words."""
    assert server_of_user(user_id) == server


def test_a_list_counts_until_its_age_is_passed() -> None:
    assert still_counts(1_000, 1_500, 500)
    assert not still_counts(1_000, 1_501, 500)


_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-LARGEST, LARGEST) | st.floats(-LARGEST, LARGEST) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=8,
)
_ENTRY = st.fixed_dictionaries(
    {},
    optional={
        "domain": st.sampled_from(["a.example", "B.example", "c.example:8448"]) | _JSON,
        "isInsurance": st.booleans() | _JSON,
        "ik": st.lists(st.sampled_from(["109500969", "101570104"]), max_size=2) | _JSON,
        "telematikID": _JSON,
    },
)


@settings(max_examples=50)
@given(
    st.fixed_dictionaries(
        {"version": st.integers() | _JSON, "domainList": st.lists(_ENTRY | _JSON, max_size=6) | _JSON}
    )
)
def test_whatever_is_signed_it_is_read_or_refused(payload: dict[str, Any]) -> None:
    """And who is read is only who stands there, insured as soon as one entry says so."""
    version = payload["version"]
    signed = SIGNER.sign(payload)
    if type(version) is not int or not 0 <= version <= LARGEST or not isinstance(payload["domainList"], list):
        assert refused(signed) is ListFault.NOT_READABLE
        return
    found = read_federation_list(signed, ROOTS, NOW)
    assert found.version == version
    named = [one for one in payload["domainList"] if isinstance(one, dict) and isinstance(one.get("domain"), str)]
    for domain, server in found.servers.items():
        meant = [one for one in named if one["domain"].lower() == domain]
        assert domain == server.domain
        assert meant
        assert server.is_insurance or not server.iks
        assert server.is_insurance or not all(one.get("isInsurance") is True for one in meant)


@settings(max_examples=50)
@given(st.text(max_size=200) | st.lists(st.text("abcXYZ019-_=", max_size=60), min_size=3, max_size=3).map(".".join))
def test_whatever_comes_instead_of_a_list_is_refused(text: str) -> None:
    refused(text)


@settings(max_examples=50)
@given(_JSON, _JSON)
def test_whatever_stands_in_the_header_nothing_breaks(algorithm: Any, chain: Any) -> None:
    refused(SIGNER.sign(LIST, alg=algorithm, x5c=chain))


def test_a_chain_without_end_is_not_walked() -> None:
    certificate = base64.b64encode(SIGNER.chain[0].public_bytes(Encoding.DER)).decode()
    assert refused(SIGNER.sign(LIST, x5c=[certificate] * 100)) is ListFault.NOT_TRUSTED
