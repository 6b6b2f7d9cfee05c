"""Hooks of the lock: what Synapse's own flag leaves open (``adapters.locks`` says how a lock comes about)."""

from __future__ import annotations

from synapse.federation.federation_server import FederationHandlerRegistry, FederationServer
from synapse.handlers.auth import AuthHandler
from synapse.handlers.delayed_events import DelayedEventsHandler
from synapse.handlers.events import EventStreamHandler
from synapse.handlers.presence import BasePresenceHandler
from synapse.handlers.profile import ProfileHandler
from synapse.handlers.sliding_sync import SlidingSyncHandler
from synapse.handlers.sync import SyncHandler
from synapse.notifier import Notifier
from synapse.push.httppusher import HttpPusher
from synapse.push.pusherpool import PusherPool

from synapse_modules.adapters.lock_gate import LockGate
from synapse_modules.adapters.synapse_private.hooks import Method
from synapse_modules.adapters.synapse_private.locks import PrivateLocks
from synapse_modules.hooks.row import Row
from synapse_modules.rules.unreachable_mark import marked
from synapse_modules.store.locks import DelayedEvents

_FLAG = (PrivateLocks.is_locked,)
_DELAYED = (PrivateLocks.is_locked, DelayedEvents.owner)

LOCKS = (
    Row(Method(Notifier, "wait_for_events", ("user_id", "callback")), LockGate.wait_for_events, _FLAG),
    Row(Method(SyncHandler, "wait_for_sync_for_user", ("requester",)), LockGate.answer_poll, _FLAG),
    Row(Method(SlidingSyncHandler, "wait_for_sync_for_user", ("requester",)), LockGate.answer_poll, _FLAG),
    Row(Method(EventStreamHandler, "get_stream", ("requester",)), LockGate.answer_poll, _FLAG),
    Row(Method(AuthHandler, "refresh_token", ("refresh_token",)), LockGate.refresh, _FLAG),
    Row(Method(FederationServer, "on_openid_userinfo", ("token",)), LockGate.look_up_openid, _FLAG),
    Row(
        Method(ProfileHandler, "check_profile_query_allowed", ("target_user", "requester")),
        LockGate.see_profile,
        _FLAG,
    ),
    Row(Method(ProfileHandler, "get_displayname", ("target_user",)), LockGate.name, (*_FLAG, marked)),
    Row(
        Method(FederationHandlerRegistry, "on_query", ("query_type", "args")),
        LockGate.see_profile_from_elsewhere,
        _FLAG,
    ),
    Row(Method(BasePresenceHandler, "current_state_for_users", ("user_ids",)), LockGate.see_presence, _FLAG),
    Row(Method(PusherPool, "_start_pusher", ("pusher_config",)), LockGate.start_pusher, _FLAG),
    Row(Method(HttpPusher, "dispatch_push", ("content",)), LockGate.push, _FLAG),
    Row(Method(HttpPusher, "_send_badge", ("badge",)), LockGate.push, _FLAG),
    Row(Method(DelayedEventsHandler, "_send_events", ("events",)), LockGate.send_delayed_events, _FLAG),
    Row(Method(DelayedEventsHandler, "cancel", ("request", "delay_id")), LockGate.act_on_delayed_event, _DELAYED),
    Row(Method(DelayedEventsHandler, "restart", ("request", "delay_id")), LockGate.act_on_delayed_event, _DELAYED),
    Row(Method(DelayedEventsHandler, "send", ("request", "delay_id")), LockGate.act_on_delayed_event, _DELAYED),
)
