"""How a KVNR is kept."""

from __future__ import annotations

import pytest

from synapse_modules.rules.kvnr_vault import KvnrVault, SealBroken

VAULT = KvnrVault(b"l" * 32, b"e" * 32)


def test_a_seal_opens_for_its_own_account_and_key_alone() -> None:
    sealed = VAULT.seal("A123456780", "@a:hek.test")
    assert "A123456780" not in sealed
    assert VAULT.open(sealed, "@a:hek.test") == "A123456780"
    with pytest.raises(SealBroken):
        VAULT.open(sealed, "@b:hek.test")
    with pytest.raises(SealBroken):
        KvnrVault(b"l" * 32, b"x" * 32).open(sealed, "@a:hek.test")


def test_two_seals_of_one_kvnr_differ_and_its_hash_does_not() -> None:
    assert VAULT.seal("A123456780", "@a:hek.test") != VAULT.seal("A123456780", "@a:hek.test")
    assert VAULT.lookup_hash("A123456780") == VAULT.lookup_hash("A123456780")
    assert VAULT.lookup_hash("A123456780") != KvnrVault(b"k" * 32, b"e" * 32).lookup_hash("A123456780")
