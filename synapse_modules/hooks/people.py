"""Hooks of what people know of each other beside rooms: devices, keys, profiles, files, and the search box."""

from __future__ import annotations

from synapse.federation.federation_client import FederationClient
from synapse.handlers.devicemessage import DeviceMessageHandler
from synapse.handlers.e2e_keys import E2eKeysHandler
from synapse.handlers.presence import BasePresenceHandler
from synapse.handlers.profile import ProfileHandler
from synapse.handlers.user_directory import UserDirectoryHandler
from synapse.media.media_repository import MediaRepository

from synapse_modules.adapters.device_gate import DeviceGate
from synapse_modules.adapters.file_gate import FileGate
from synapse_modules.adapters.people_search_gate import PeopleSearchGate
from synapse_modules.adapters.practice_page_code_gate import PracticePageCodeGate
from synapse_modules.adapters.synapse_private.hooks import Callback, Method, Registration
from synapse_modules.hooks.row import Row
from synapse_modules.rules import between_devices, device_keys
from synapse_modules.rules.reach import is_hidden_from
from synapse_modules.store.accounts import Accounts
from synapse_modules.store.common_rooms import CommonRooms

PEOPLE = (
    Row(
        Method(E2eKeysHandler, "query_devices", ("query_body", "from_user_id")),
        DeviceGate.query_keys,
        (CommonRooms.sharing, device_keys.of_query),
    ),
    Row(
        Method(E2eKeysHandler, "claim_one_time_keys", ("query", "user")),
        DeviceGate.claim_keys,
        (CommonRooms.sharing, device_keys.of_claim),
    ),
    Row(
        Method(E2eKeysHandler, "upload_signatures_for_device_keys", ("user_id", "signatures")),
        DeviceGate.sign_keys,
        (CommonRooms.sharing,),
    ),
    Row(
        Method(DeviceMessageHandler, "send_device_message", ("requester", "message_type", "messages")),
        DeviceGate.send_messages,
        (CommonRooms.sharing, between_devices.for_others),
    ),
    Row(
        Method(ProfileHandler, "check_profile_query_allowed", ("target_user", "requester")),
        DeviceGate.see_profile,
        (CommonRooms.sharing,),
    ),
    Row(
        Method(ProfileHandler, "dispatch_set_profile_field", ("target_user", "requester", "by_admin")),
        DeviceGate.set_profile_field,
        (),
    ),
    Row(Method(ProfileHandler, "set_displayname", ("target_user", "requester")), DeviceGate.set_name_or_picture, ()),
    Row(Method(ProfileHandler, "set_avatar_url", ("target_user", "requester")), DeviceGate.set_name_or_picture, ()),
    Row(Method(BasePresenceHandler, "set_state", ("state",)), DeviceGate.set_presence, ()),
    Row(Method(MediaRepository, "create_or_update_content", ("media_type", "upload_name")), FileGate.take, ()),
    Row(
        Method(MediaRepository, "get_local_media_info", ("request", "media_id")),
        FileGate.give,
        (CommonRooms.have_met, CommonRooms.server_has_met),
    ),
    Row(
        Method(MediaRepository, "get_remote_media", ("request", "server_name")),
        FileGate.give_of_other_server,
        (CommonRooms.server_has_met,),
    ),
    Row(Method(MediaRepository, "get_remote_media_info"), FileGate.give_small_picture, ()),
    Row(Method(FederationClient, "download_media"), FileGate.download, ()),
    Row(Method(FederationClient, "federation_download_media"), FileGate.download, ()),
    Row(
        Method(UserDirectoryHandler, "search_users", ("user_id", "search_term", "limit")),
        PracticePageCodeGate.search,
        (Accounts.find,),
    ),
    Row(
        Method(UserDirectoryHandler, "search_users", ("user_id", "search_term", "limit")),
        PeopleSearchGate.search,
        (Accounts.find,),
    ),
    Row(
        Callback(Registration.SPAM_CHECKER, "check_username_for_spam"),
        PeopleSearchGate.check_username_for_spam,
        (is_hidden_from,),
    ),
)
