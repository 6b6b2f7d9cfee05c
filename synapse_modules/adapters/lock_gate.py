"""What Synapse's own lock leaves open: what waits, goes out by itself or is asked by others, not by the person.

Who is locked, and how that comes here, ``locks`` says in one place.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from synapse.api.errors import Codes, InvalidClientTokenError, NotFoundError, SynapseError, UserLockedError
from synapse.api.presence import UserPresenceState
from synapse.module_api import ModuleApi

from synapse_modules.adapters.refusals import no_common_room
from synapse_modules.adapters.synapse_private.locks import PrivateLocks
from synapse_modules.adapters.synapse_private.sessions import PrivateSessions
from synapse_modules.adapters.synapse_private.wrapping import Call
from synapse_modules.rules.unreachable_mark import marked
from synapse_modules.store.locks import DelayedEvents


class LockGate:
    """Asks Synapse's own flag, which every process has at hand."""

    def __init__(
        self, api: ModuleApi, delayed_events: DelayedEvents, synapse: PrivateLocks, sessions: PrivateSessions
    ) -> None:
        self._api = api
        self._delayed_events = delayed_events
        self._synapse = synapse
        self._sessions = sessions

    # -- Sessions: polls, refresh tokens, OpenID tokens ---------------------------------------------------------------

    async def wait_for_events(self, call: Call) -> Any:
        """A poll begins to wait, and looks whenever it is woken: the lock may have come after the request was let in.

        Raises:
            UserLockedError: if the account is locked.
            InvalidClientTokenError: if all of its sessions have ended since.
        """
        user_id, look = call.arguments["user_id"], call.arguments["callback"]
        if not self._api.is_mine(user_id):
            # Synapse's own made-up name for whoever looks into a room without being in it.
            return await call.go_on()
        await self._refuse_locked(user_id)
        return await call.go_on(callback=self._unless_over(user_id, look))

    def _unless_over(self, user_id: str, look: Callable[..., Any]) -> Callable[..., Any]:
        started_s = time.monotonic()

        async def look_unless_over(*tokens: Any) -> Any:
            await self._refuse_locked(user_id)
            self._refuse_ended(user_id, started_s)
            return await look(*tokens)

        return look_unless_over

    async def answer_poll(self, call: Call) -> Any:
        """An answer that was being put together while the account was locked, or its sessions ended, is not given.

        Raises:
            UserLockedError: if it is locked.
            InvalidClientTokenError: if its sessions have ended.
        """
        started_s = time.monotonic()
        answer = await call.go_on()
        user_id = call.arguments["requester"].user.to_string()
        await self._refuse_locked(user_id)
        self._refuse_ended(user_id, started_s)
        return answer

    async def refresh(self, call: Call) -> Any:
        """An access token is asked for with a refresh token.

        Raises:
            UserLockedError: if the account is locked.
        """
        user_id = await self._synapse.owner_of_refresh_token(call.arguments["refresh_token"])
        if user_id is not None:
            await self._refuse_locked(user_id)
        return await call.go_on()

    async def look_up_openid(self, call: Call) -> str | None:
        """Whose an OpenID token is: nobody's if she is locked."""
        user_id: str | None = await call.go_on()
        return None if user_id is None or await self._synapse.is_locked(user_id) else user_id

    async def _refuse_locked(self, user_id: str) -> None:
        if await self._synapse.is_locked(user_id):
            raise UserLockedError

    def _refuse_ended(self, user_id: str, started_s: float) -> None:
        if self._sessions.ended_since(user_id, started_s):
            raise InvalidClientTokenError

    # -- Profiles, presence, and the name in her rooms ----------------------------------------------------------------

    async def see_profile(self, call: Call) -> None:
        """A profile.

        Raises:
            SynapseError: what Synapse says of somebody who is out of reach.
        """
        if await self._synapse.is_locked(call.arguments["target_user"].to_string()):
            raise SynapseError(403, "Profile isn't available", Codes.FORBIDDEN)
        await call.go_on()

    async def see_profile_from_elsewhere(self, call: Call) -> Any:
        """A profile that another server asks for; the registry has Synapse's own answer from before any gate.

        Raises:
            SynapseError: what is said of somebody who is not there for that server.
        """
        user_id = call.arguments["args"].get("user_id", "")
        if call.arguments["query_type"] == "profile" and await self._synapse.is_locked(user_id):
            raise no_common_room()
        return await call.go_on()

    async def name(self, call: Call) -> str | None:
        """The name that a new member event takes: it says that nobody reads."""
        plain: str | None = await call.go_on()
        user_id = call.arguments["target_user"].to_string()
        return marked(plain) if await self._synapse.is_locked(user_id) else plain

    async def see_presence(self, call: Call) -> dict[str, UserPresenceState]:
        """Who is there."""
        states: dict[str, UserPresenceState] = await call.go_on()
        return {
            user_id: UserPresenceState.default(user_id) if await self._synapse.is_locked(user_id) else state
            for user_id, state in states.items()
        }

    # -- Pushers: they stand still, and go on where they were when the account is unlocked ----------------------------

    async def start_pusher(self, call: Call) -> Any:
        """A pusher starts, unless its account is locked."""
        if await self._synapse.is_locked(call.arguments["pusher_config"].user_name):
            return None
        return await call.go_on()

    async def push(self, call: Call) -> Any:
        """A pusher that is under way sends.

        Raises:
            UserLockedError: if its account is locked: that ends the pusher's round and leaves its position, so that
                what waits is sent after an undo.
        """
        await self._refuse_locked(call.arguments["self"].user_id)
        return await call.go_on()

    # -- Delayed events (MSC4140): they wait, whoever knows their ids -------------------------------------------------

    async def send_delayed_events(self, call: Call) -> Any:
        """Events are due: those of locked accounts stay where they are."""
        due = [event for event in call.arguments["events"] if not await self._is_locked_here(event.user_localpart)]
        return await call.go_on(events=due)

    async def act_on_delayed_event(self, call: Call) -> Any:
        """Somebody who knows an event's id sends it at once, later or not at all; that needs no token.

        Raises:
            SynapseError: if its owner is locked.
        """
        owner = await self._delayed_events.owner(call.arguments["delay_id"])
        if owner is not None and await self._is_locked_here(owner):
            await self._synapse.check_access_token(call.arguments["request"])
            raise NotFoundError("Delayed event not found")
        return await call.go_on()

    async def _is_locked_here(self, localpart: str) -> bool:
        return await self._synapse.is_locked(self._api.get_qualified_user_id(localpart))
