"""Sign-in against a real Synapse: who gets in, who does not, and what is kept of them."""

from __future__ import annotations

import pytest

from tests.synapse_modules.homeserver_under_test import Homeserver, SignInRefused, claims, new_kvnr


async def test_an_insured_person_gets_one_pseudonymous_account_with_her_verified_name(homeserver: Homeserver) -> None:
    kvnr = new_kvnr()
    first = await homeserver.sign_in(claims(kvnr, "Erika Muster"))
    second = await homeserver.sign_in(claims(kvnr, "Erika Muster"))
    assert first.user_id == second.user_id
    assert first.device_id != second.device_id
    assert len(first.user_id.partition(":")[0]) == 24
    _, profile = await homeserver.call(first, "GET", f"/profile/{first.user_id}")
    assert profile["displayname"] == "Erika Muster"
    rows = homeserver.rows("SELECT kind, state, kvnr_sealed FROM hek_account WHERE user_id = ?", first.user_id)
    assert rows[0][:2] == ("insured", "live")
    assert kvnr not in rows[0][2]
    changes = homeserver.rows("SELECT what FROM hek_change WHERE user_id = ?", first.user_id)
    assert changes == [("account-made",)]
