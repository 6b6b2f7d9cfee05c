"""What must fit before the homeserver serves anybody; a fault ends the start with its line."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from synapse.config import ConfigError

from messenger_core.homeserver_interface import OAUTH_CALLBACK_PATH
from synapse_modules.rules.homeserver_settings import unmet_needs
from synapse_modules.rules.kvnr_vault import KvnrVault, SealBroken
from synapse_modules.rules.ways_in import open_ways
from synapse_modules.settings import Configuration, ModuleSettings
from synapse_modules.store.accounts import select_account
from synapse_modules.store.interaction import Transaction
from synapse_modules.store.sealed_kvnrs import key_ids_in_use, seal_without_key_id


def fits_the_homeserver(settings: ModuleSettings, public_baseurl: str, providers: frozenset[str]) -> None:
    """Checks what can only be compared when both files were read.

    Raises:
        ConfigError: with the key, its value and what is allowed.
    """
    if public_baseurl.rstrip("/") != settings.public_url:
        raise ConfigError(
            f"synapse_modules: public_url: '{settings.public_url}' is not allowed: "
            f"it must be homeserver.yaml's public_baseurl, {public_baseurl}"
        )
    for key, idp_id in (
        ("gesundheitsid_idp_id", settings.gesundheitsid_idp_id),
        ("staff_idp_id", settings.staff_idp_id),
    ):
        if idp_id not in providers:
            raise ConfigError(
                f"synapse_modules: {key}: '{idp_id}' is not allowed: "
                f"homeserver.yaml's oidc_providers are {', '.join(sorted(providers)) or 'none'}"
            )


def comes_back_to_us(public_url: str, returned_to: Collection[str]) -> None:
    """Checks that a sign-in of the OAuth API comes back to its callback without a page of Synapse's in between.

    Args:
        public_url: of the homeserver.
        returned_to: ``sso.client_whitelist``.

    Raises:
        ConfigError: naming the setting and what it lacks.
    """
    callback = public_url + OAUTH_CALLBACK_PATH
    if not callback.startswith(tuple(returned_to)):
        raise ConfigError(
            f"homeserver.yaml: sso.client_whitelist: must name {callback}, since otherwise people would be asked twice "
            "whether they return to their app"
        )


def holds_the_rules(ways_in: Mapping[str, Any], needed: Mapping[str, Any]) -> None:
    """Checks that nobody gets in past the module, and that no setting of Synapse's opens what no module is asked about.

    Args:
        ways_in: what homeserver.yaml says for each key of ``ways_in.OTHER_WAYS``.
        needed: what it says for each key of ``homeserver_settings.NEEDS``.

    Raises:
        ConfigError: one line for each setting with which a rule would not hold.
    """
    if lines := open_ways(ways_in) + unmet_needs(needed):
        raise ConfigError("\n".join(f"homeserver.yaml: {line}" for line in lines))


def fits_the_database(txn: Transaction, config: Configuration, *, server_name: str, notices: str | None) -> None:
    """Checks what can only be compared with what is stored.

    Args:
        txn: of the database, whose tables are made.
        config: the module's settings and keys.
        server_name: of the homeserver.
        notices: the user id that server notices come from; None if there are none.

    Raises:
        ConfigError: naming the setting.
    """
    _has_its_keys(txn, config.vault)
    own = {f"@{account.localpart}:{server_name}" for account in config.settings.accounts}
    _leaves_accounts_their_names(txn, notices, own)


def _leaves_accounts_their_names(txn: Transaction, notices: str | None, own: Collection[str]) -> None:
    """Checks that the account that Synapse sends server notices from is no account of ours.

    Synapse registers nobody by that name and lets nobody invite it: an account of the settings would never be made, nor
    those that stand after it, administrators among them; HEK would be reached by nobody.
    """
    if notices is not None and (notices in own or select_account(txn, "user_id", notices) is not None):
        raise ConfigError(
            f"homeserver.yaml: server_notices.system_mxid_localpart: {notices[1:].partition(':')[0]} is not allowed: "
            "it must be a name that no account has, since otherwise that account could not be made, nor be invited"
        )


def _has_its_keys(txn: Transaction, vault: KvnrVault) -> None:
    """Checks that every KVNR can be read with the keys of the file; names the key that is missing by its id."""
    missing = [wanted for wanted in key_ids_in_use(txn) if not vault.knows_key(wanted)]
    oldest = seal_without_key_id(txn)
    try:
        if oldest is not None:
            vault.open(oldest.sealed, oldest.user_id)
    except SealBroken:
        missing.append("of the first release")
    if missing:
        raise ConfigError(
            f"synapse_modules: kvnr_encryption_key_file: the key {', '.join(missing)} is missing, with which KVNRs are "
            "sealed; put it back, and take it out only after rotate-kvnr-keys"
        )
