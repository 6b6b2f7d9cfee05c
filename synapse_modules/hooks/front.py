"""Hooks of what strangers reach first: sign-in, its pages, and what is counted against whom.

What is looked at before there is a request at all, ``front_wiring`` puts in place: connections, and requests' heads.
"""

from __future__ import annotations

from synapse.handlers.auth import AuthHandler
from synapse.handlers.device import DeviceHandler
from synapse.handlers.oidc import OidcHandler, OidcProvider
from synapse.handlers.room_member import RoomMemberHandler
from synapse.handlers.sso import SsoHandler
from synapse.http import server
from synapse.rest.synapse.client.pick_idp import PickIdpResource

from synapse_modules.adapters.device_name_gate import DeviceNameGate
from synapse_modules.adapters.logout_token_gate import LogoutTokenGate
from synapse_modules.adapters.page_gate import PageGate
from synapse_modules.adapters.sign_in_limit_gate import SignInLimitGate
from synapse_modules.adapters.synapse_private.hooks import Method
from synapse_modules.hooks.row import Row
from synapse_modules.rules.admission import shown_name
from synapse_modules.rules.pages import policy_of
from synapse_modules.rules.return_addresses import is_return_address
from synapse_modules.rules.senders import failed_proof_key

_ADDRESS = ("client_redirect_url",)

FRONT = (
    Row(Method(server, "respond_with_html_bytes", ("request", "code", "html_bytes")), PageGate.respond, (policy_of,)),
    Row(Method(server, "set_clickjacking_protection_headers", ("request",)), PageGate.protect, ()),
    Row(Method(SsoHandler, "handle_redirect_request", _ADDRESS), PageGate.check_return_address, (is_return_address,)),
    Row(Method(PickIdpResource, "_serve_id_picker", _ADDRESS), PageGate.check_return_address, (is_return_address,)),
    Row(Method(AuthHandler, "complete_sso_login", _ADDRESS), PageGate.check_return_address, (is_return_address,)),
    Row(
        Method(AuthHandler, "validate_login", ("login_submission", "ratelimit", "is_reauth")),
        SignInLimitGate.validate,
        (failed_proof_key,),
    ),
    Row(
        Method(RoomMemberHandler, "ratelimit_invite", ("requester", "room_id", "invitee_user_id")),
        SignInLimitGate.count_invitation,
        (),
    ),
    Row(
        Method(DeviceHandler, "check_device_registered", ("initial_device_display_name",)),
        DeviceNameGate.name_at_sign_in,
        (shown_name,),
    ),
    Row(Method(DeviceHandler, "update_device", ("content",)), DeviceNameGate.rename, (shown_name,)),
    Row(Method(OidcHandler, "handle_backchannel_logout", ("request",)), LogoutTokenGate.read, ()),
    Row(Method(OidcProvider, "_verify_jwt", ("token", "claims_cls")), LogoutTokenGate.verify, ()),
    Row(Method(OidcProvider, "load_jwks", ("force",)), LogoutTokenGate.load_keys, ()),
)
