"""Hooks of registration and sign-in: who gets an account, a device and a token, and who administers."""

from __future__ import annotations

from synapse.api.auth.internal import InternalAuth
from synapse.handlers.auth import AuthHandler
from synapse.storage.databases.main.registration import RegistrationWorkerStore

from messenger_core.homeserver_interface import KEY_LOGIN_TYPE
from messenger_core.service_auth.assertions import verify_statement
from synapse_modules.adapters.administrator_gate import AdministratorGate
from synapse_modules.adapters.deactivations import DeactivationWork
from synapse_modules.adapters.identity_reset_gate import IdentityResetGate
from synapse_modules.adapters.key_sign_in import KeySignIn
from synapse_modules.adapters.registration_gate import RegistrationGate
from synapse_modules.adapters.sign_in_gate import SignInGate
from synapse_modules.adapters.synapse_private.hooks import Callback, LoginType, Method, Registration
from synapse_modules.hooks.row import Row
from synapse_modules.rules.ways_in import may_sign_in
from synapse_modules.store.accounts import Accounts
from synapse_modules.store.deactivations import Deactivations
from synapse_modules.store.identity_resets import IdentityResets

SIGN_IN = (
    Row(
        Callback(Registration.SPAM_CHECKER, "check_registration_for_spam"),
        RegistrationGate.check_registration_for_spam,
        (Accounts.is_reserved,),
    ),
    Row(
        Callback(Registration.ACCOUNT_VALIDITY, "on_user_registration"),
        RegistrationGate.on_user_registration,
        (Accounts.make_live,),
    ),
    Row(Callback(Registration.SPAM_CHECKER, "check_login_for_spam"), SignInGate.check_login_for_spam, (may_sign_in,)),
    Row(LoginType(KEY_LOGIN_TYPE, ("assertion",)), KeySignIn.check, (verify_statement,)),
    Row(
        Method(AuthHandler, "create_access_token_for_user_id", ("user_id", "puppets_user_id")),
        SignInGate.give_token,
        (),
    ),
    Row(
        Method(AuthHandler, "validate_user_via_ui_auth", ("requester", "request", "request_body")),
        IdentityResetGate.confirm,
        (IdentityResets.use,),
    ),
    Row(
        Method(RegistrationWorkerStore, "set_server_admin", ("user", "admin")),
        AdministratorGate.make_administrator,
        (Accounts.parties,),
    ),
    Row(
        Method(InternalAuth, "is_server_admin", ("requester",)),
        AdministratorGate.is_administrator,
        (Accounts.parties,),
    ),
    Row(
        Callback(Registration.THIRD_PARTY_RULES, "on_user_deactivation_status_changed"),
        DeactivationWork.on_user_deactivation_status_changed,
        (Deactivations.deactivated_directly,),
    ),
)
