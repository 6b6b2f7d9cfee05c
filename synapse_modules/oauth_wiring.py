"""Wiring of Matrix's OAuth 2.0 API: for today's clients, beside the sign-in that is there."""

from __future__ import annotations

import logging
from importlib import resources

from synapse.module_api import ModuleApi

from messenger_core.clock import present
from messenger_core.homeserver_interface import SIGN_IN_PREFIX
from synapse_modules.adapters.background import BackgroundTasks
from synapse_modules.adapters.identity_reset_gate import IdentityResetGate
from synapse_modules.adapters.oauth.account_page import ACCOUNT_PATH, AccountPage
from synapse_modules.adapters.oauth.endpoints import METADATA_PATHS, ClientEndpoints, MetadataAnswer
from synapse_modules.adapters.oauth.http import SignInResource
from synapse_modules.adapters.oauth.pages import SignInPages
from synapse_modules.adapters.oauth.sessions import ClientSessions
from synapse_modules.adapters.synapse_database import SynapseDatabase
from synapse_modules.adapters.synapse_private import SynapsePrivate
from synapse_modules.rules.oauth.client_metadata import ClientIds
from synapse_modules.rules.oauth.codes import PROOF_LIFETIME
from synapse_modules.rules.oauth.seals import Purpose, Seal, key_for
from synapse_modules.settings import ModuleSettings
from synapse_modules.store.accounts import Accounts
from synapse_modules.store.audit import AuditLog
from synapse_modules.store.identity_resets import IdentityResets
from synapse_modules.store.oauth_sessions import OAuthSessions
from synapse_modules.store.own_devices import OwnDevices

logger = logging.getLogger(__name__)

_FORGET_EVERY_S = 3600.0


def make_reset_gate(settings: ModuleSettings, database: SynapseDatabase) -> IdentityResetGate:
    """The gate of the table of hooks that clients of this API need."""
    return IdentityResetGate(
        OAuthSessions(database),
        IdentityResets(database),
        account_page=settings.public_url + ACCOUNT_PATH,
        clock=present,
    )


def open_oauth(
    api: ModuleApi,
    settings: ModuleSettings,
    synapse: SynapsePrivate,
    database: SynapseDatabase,
    *,
    accounts: Accounts,
    tasks: BackgroundTasks,
) -> None:
    """Serves the metadata in every process, everything below ``SIGN_IN_PREFIX`` in the main one."""
    admitted = settings.sign_in.admitted
    if admitted.hosts is None:
        logger.warning("sign_in.clients: any program that calls itself a client may ask people for access")
    sessions, secret = OAuthSessions(database), synapse.token_sign_in.cookie_secret
    clients = ClientIds(key_for(secret, Purpose.CLIENT_ID), admitted)
    codes = Seal(secret, Purpose.CODE, PROOF_LIFETIME)
    client_sessions = ClientSessions(
        sessions=sessions,
        synapse=synapse.token_sign_in,
        locks=synapse.locks,
        audit=AuditLog(database),
        clock=present,
    )
    consent_page, notice_page, account_page = api.read_templates(
        ["sign_in_consent.html", "sign_in_notice.html", "sign_in_account.html"],
        str(resources.files("synapse_modules") / "templates"),
    )
    account = AccountPage(
        public_url=settings.public_url,
        secret=secret,
        accounts=accounts,
        devices=OwnDevices(database),
        resets=IdentityResets(database),
        sessions=client_sessions,
        audit=AuditLog(database),
        page=account_page,
        notice_page=notice_page,
        clock=present,
    )
    pages = SignInPages(
        api,
        public_url=settings.public_url,
        admitted=admitted,
        clients=clients,
        codes=codes,
        synapse=synapse.token_sign_in,
        sessions=sessions,
        accounts=accounts,
        account=account,
        consent_page=consent_page,
        notice_page=notice_page,
        clock=present,
    )
    endpoints = ClientEndpoints(
        admitted=admitted, clients=clients, codes=codes, sessions=client_sessions, clock=present
    )
    resource = SignInResource(
        [*endpoints.endpoints(), *pages.endpoints(), *account.endpoints()],
        clock=synapse.clock,
        fault_page=notice_page.render(what="fault").encode(),
        is_main_process=api.worker_name is None,
    )
    api.register_web_resource(SIGN_IN_PREFIX, resource)
    metadata = MetadataAnswer(settings.public_url, admitted, sessions)
    synapse.client_routes.add("GET", METADATA_PATHS, metadata.answer)
    if api.should_run_background_tasks():
        tasks.repeat("hek_oauth_forget", client_sessions.forget_ended, _FORGET_EVERY_S)
