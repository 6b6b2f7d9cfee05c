"""How a KVNR is kept."""

from __future__ import annotations

import pytest

from synapse_modules.rules.kvnr_vault import KvnrVault, SealBroken, key_id

OLD, NEW = b"e" * 32, b"n" * 32
VAULT = KvnrVault(b"l" * 32, [b"e" * 32])


def test_a_seal_opens_for_its_own_account_and_key_alone() -> None:
    sealed = VAULT.seal("A123456780", "@a:hek.test")
    assert "A123456780" not in sealed
    assert VAULT.open(sealed, "@a:hek.test") == "A123456780"
    with pytest.raises(SealBroken):
        VAULT.open(sealed, "@b:hek.test")
    with pytest.raises(SealBroken):
        KvnrVault(b"l" * 32, [b"x" * 32]).open(sealed, "@a:hek.test")


def test_two_seals_of_one_kvnr_differ_and_its_hash_does_not() -> None:
    assert VAULT.seal("A123456780", "@a:hek.test") != VAULT.seal("A123456780", "@a:hek.test")
    assert VAULT.lookup_hash("A123456780") == VAULT.lookup_hash("A123456780")
    assert VAULT.lookup_hash("A123456780") != KvnrVault(b"k" * 32, [b"e" * 32]).lookup_hash("A123456780")


def test_the_newest_key_seals_and_the_older_ones_still_open() -> None:
    both, newest_alone = KvnrVault(b"l" * 32, [OLD, NEW]), KvnrVault(b"l" * 32, [NEW])
    before = VAULT.seal("A123456780", "@a:hek.test")
    assert both.open(before, "@a:hek.test") == "A123456780"
    after = both.seal("A123456780", "@a:hek.test")
    assert after.startswith(both.newest_key_id)
    assert newest_alone.open(after, "@a:hek.test") == "A123456780"
    for sealed in (before, before.partition(".")[2]):
        with pytest.raises(SealBroken):
            newest_alone.open(sealed, "@a:hek.test")


def test_a_seal_of_the_first_release_has_no_key_id_and_opens() -> None:
    sealed = VAULT.seal("A123456780", "@a:hek.test").partition(".")[2]
    assert KvnrVault(b"l" * 32, [NEW, OLD, b"y" * 32]).open(sealed, "@a:hek.test") == "A123456780"


def test_a_key_is_named_without_being_told() -> None:
    assert key_id(OLD) != key_id(NEW)
    assert len(key_id(OLD)) == 8
    assert VAULT.knows_key(key_id(OLD))
    assert not VAULT.knows_key(key_id(NEW))
