"""Who shares a room with whom: both are joined or invited there; with somebody who is locked, both are joined."""

from __future__ import annotations

from collections.abc import Sequence

from synapse_modules.store.interaction import Database, Transaction, placeholders

_AT_ONCE = 500
_SHARING_WITH_SERVER = """SELECT DISTINCT mine.state_key FROM current_state_events mine
    JOIN current_state_events theirs ON theirs.room_id = mine.room_id
    LEFT JOIN hek_account locked ON locked.user_id = mine.state_key AND locked.state = 'locked'
    WHERE theirs.state_key LIKE ? AND theirs.type = 'm.room.member' AND theirs.membership IN ('join', 'invite')
    AND (locked.user_id IS NULL OR (mine.membership = 'join' AND theirs.membership = 'join'))
    AND mine.type = 'm.room.member' AND mine.membership IN ('join', 'invite') AND mine.state_key IN ({})"""
_INVITED_BY_SERVER = """SELECT m.user_id FROM local_current_membership m JOIN events e ON e.event_id = m.event_id
    WHERE e.sender LIKE ? AND m.membership = 'invite'
    AND NOT EXISTS (SELECT 1 FROM hek_account a WHERE a.state = 'locked' AND a.user_id = m.user_id)
    AND m.user_id IN ({})"""


def _sharing(txn: Transaction, user_id: str, others: Sequence[str]) -> set[str]:
    # The keys of what is sent to a locked person wait for her, or she could not read it after an undo.
    txn.execute(
        "SELECT DISTINCT theirs.state_key FROM current_state_events mine"  # noqa: S608 - placeholders only
        " JOIN current_state_events theirs ON theirs.room_id = mine.room_id"
        " LEFT JOIN hek_account locked ON locked.user_id = theirs.state_key AND locked.state = 'locked'"
        " WHERE mine.type = 'm.room.member' AND mine.state_key = ? AND mine.membership IN ('join', 'invite')"
        " AND theirs.type = 'm.room.member' AND theirs.membership IN ('join', 'invite')"
        " AND (locked.user_id IS NULL OR (mine.membership = 'join' AND theirs.membership = 'join'))"
        f" AND theirs.state_key IN ({placeholders(others)})",
        (user_id, *others),
    )
    return {str(row[0]) for row in txn.fetchall()}


def _inviting(txn: Transaction, user_id: str, others: Sequence[str]) -> set[str]:
    """Whose invitation is pending: the state of a room of another server is not known here before somebody joins."""
    pending = (
        "FROM local_current_membership m JOIN events e ON e.event_id = m.event_id WHERE m.membership = 'invite'"
        " AND NOT EXISTS (SELECT 1 FROM hek_account a WHERE a.state = 'locked' AND a.user_id IN (m.user_id, e.sender))"
    )
    wanted = placeholders(others)
    found: set[str] = set()
    for asked in (
        f"SELECT e.sender {pending} AND m.user_id = ? AND e.sender IN ({wanted})",
        f"SELECT m.user_id {pending} AND e.sender = ? AND m.user_id IN ({wanted})",
    ):
        txn.execute(asked, (user_id, *others))
        found |= {str(row[0]) for row in txn.fetchall()}
    return found


class CommonRooms:
    """Reads Synapse's tables; local users and those of other servers alike."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def sharing(self, user_id: str, others: Sequence[str]) -> set[str]:
        """Those of some users who share a room with a user; the user shares one with herself."""

        def work(txn: Transaction) -> set[str]:
            found: set[str] = set()
            for start in range(0, len(asked), _AT_ONCE):
                part = asked[start : start + _AT_ONCE]
                found |= _sharing(txn, user_id, part)
                found |= _inviting(txn, user_id, [other for other in part if other not in found])
            return found

        # No account has such a name, and PostgreSQL takes no NUL.
        asked = [other for other in others if other != user_id and other.isprintable()]
        found = await self._database.run("hek_common_rooms", work) if asked else set()
        return (found | {user_id}) & set(others)

    async def sharing_with_server(self, server_name: str, user_ids: Sequence[str]) -> set[str]:
        """Those of some users of ours who share a room with somebody of another server, or whom one of it invited."""
        of_server = f"%:{server_name}"

        def work(txn: Transaction) -> set[str]:
            found: set[str] = set()
            for start in range(0, len(named), _AT_ONCE):
                part = named[start : start + _AT_ONCE]
                for asked in (_SHARING_WITH_SERVER, _INVITED_BY_SERVER):
                    txn.execute(asked.format(placeholders(part)), (of_server, *part))
                    found |= {str(row[0]) for row in txn.fetchall()}
            return found

        # A server name has no letter that means something to LIKE; what has one is no server name.
        is_name = not set("%_\\") & set(server_name)
        # No account has such a name, and PostgreSQL takes no NUL.
        named = [user_id for user_id in user_ids if user_id.isprintable()]
        return await self._database.run("hek_common_rooms_with_server", work) if named and is_name else set()

    async def is_joined(self, room_id: str, user_id: str) -> bool:
        """Whether somebody, of whatever server, is in a room."""

        def work(txn: Transaction) -> bool:
            txn.execute(
                "SELECT 1 FROM current_state_events WHERE room_id = ? AND type = 'm.room.member' AND state_key = ?"
                " AND membership = 'join'",
                (room_id, user_id),
            )
            return txn.fetchone() is not None

        is_askable = room_id.isprintable() and user_id.isprintable()
        return is_askable and await self._database.run("hek_is_joined", work)

    async def have_met(self, user_id: str, owner: str) -> bool:
        """Whether two users have ever been in a room together: what was written there stays theirs to read."""
        return await self._met(owner, "theirs.user_id = ?", user_id)

    async def server_has_met(self, server_name: str, owner: str) -> bool:
        """Whether somebody of another server has ever been in a room with a user."""
        # A server name has no letter that means something to LIKE; what has one is no server name.
        is_name = not set("%_\\") & set(server_name)
        return is_name and await self._met(owner, "theirs.user_id LIKE ?", f"%:{server_name}")

    async def _met(self, owner: str, whom: str, value: str) -> bool:
        def work(txn: Transaction) -> bool:
            txn.execute(
                "SELECT 1 FROM room_memberships mine"  # noqa: S608 - one of the two conditions above
                " JOIN room_memberships theirs ON theirs.room_id = mine.room_id AND theirs.membership = 'join'"
                f" WHERE mine.user_id = ? AND mine.membership = 'join' AND {whom} LIMIT 1",
                (owner, value),
            )
            return txn.fetchone() is not None

        return await self._database.run("hek_have_met", work)
