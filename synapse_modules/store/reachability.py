"""Which practices insured people may reach, as the directory says.

The directory tells it in pages. A page of changes counts at once; pages of the whole set are put aside and count when
the last one is there, so that a set which is not whole never decides who may be reached. Whatever is put aside survives
a restart: the next page goes on from it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from messenger_core.account_kinds import AccountKind
from synapse_modules.rules.errors import ModuleError
from synapse_modules.rules.membership import AccountState
from synapse_modules.store.changes import What, append_change
from synapse_modules.store.interaction import Database, Transaction


@dataclass(frozen=True, slots=True)
class Delta:
    """What changed between two versions, or a page of it.

    Attributes:
        full: whether ``add`` is the whole set, or the first page of it.
        since: the version it starts from.
        version: the version to ask from next.
        add: user ids that may be reached.
        remove: user ids that may no longer be reached.
        mark: of which history of the directory the version is; to be sent with it.
        more: whether a page follows.
    """

    full: bool
    since: int
    version: int
    add: tuple[str, ...]
    remove: tuple[str, ...]
    mark: str
    more: bool = False


@dataclass(frozen=True, slots=True)
class Position:
    """What to ask the directory from: a version, and the mark that was told with it; 0 and nothing at first."""

    version: int
    mark: str


class OutOfStep(ModuleError):  # noqa: N818 - reads as what happened
    """A delta starts from another version than the one that is stored; the whole set is needed."""


@dataclass(frozen=True, slots=True)
class _State:
    """What is stored of the directory's word.

    Attributes:
        version: of the set.
        aside: the version of the set put aside; 0 if there is none.
        mark: of the directory's history, told with the last page, whether that counts or was put aside.
    """

    version: int
    aside: int
    mark: str


def _read(txn: Transaction) -> _State:
    txn.execute("SELECT version, aside, mark FROM hek_reachability")
    row = txn.fetchone()
    assert row is not None
    version, aside, mark = row
    return _State(int(version), int(aside), str(mark))


def _run_for_each(txn: Transaction, statement: str, user_ids: Iterable[str]) -> None:
    for user_id in user_ids:
        txn.execute(statement, (user_id,))


def _tell_those_in_a_chat(txn: Transaction, practice: str, at: int) -> None:
    """Insured people of ours who have a chat with a practice, running or asked for, hear that it takes no new ones."""
    txn.execute(
        "SELECT a.user_id, mine.room_id FROM current_state_events theirs"
        " JOIN current_state_events mine ON mine.room_id = theirs.room_id"
        " JOIN hek_account a ON a.user_id = mine.state_key"
        " WHERE theirs.type = 'm.room.member' AND theirs.state_key = ? AND theirs.membership IN ('join', 'invite')"
        " AND mine.type = 'm.room.member' AND mine.membership = 'join' AND a.kind = ? AND a.state = ?"
        " ORDER BY a.user_id, mine.room_id",
        (practice, AccountKind.INSURED.value, AccountState.LIVE.value),
    )
    for user_id, room_id in txn.fetchall():
        append_change(
            txn,
            at=at,
            user_id=str(user_id),
            kind=AccountKind.INSURED.value,
            what=What.PRACTICE_PAUSES,
            room_id=str(room_id),
        )


def _withdraw(txn: Transaction, user_ids: Iterable[str], at: int) -> None:
    for user_id in user_ids:
        txn.execute("DELETE FROM hek_reachable WHERE user_id = ?", (user_id,))
        if txn.rowcount:
            append_change(
                txn, at=at, user_id=user_id, kind=AccountKind.PRACTICE.value, what=What.REACHABILITY_WITHDRAWN
            )
            _tell_those_in_a_chat(txn, user_id, at)


def _put_aside(txn: Transaction, delta: Delta) -> None:
    if delta.full:
        txn.execute("DELETE FROM hek_reachable_aside")
    adding = "INSERT INTO hek_reachable_aside (user_id) VALUES (?) ON CONFLICT DO NOTHING"
    _run_for_each(txn, adding, delta.add)
    _run_for_each(txn, "DELETE FROM hek_reachable_aside WHERE user_id = ?", delta.remove)
    txn.execute("UPDATE hek_reachability SET aside = ?", (delta.version,))


def _take_what_is_aside(txn: Transaction, at: int) -> None:
    """What was put aside is whole: it replaces what there was."""
    txn.execute(
        "SELECT user_id FROM hek_reachable r"
        " WHERE NOT EXISTS (SELECT 1 FROM hek_reachable_aside a WHERE a.user_id = r.user_id) ORDER BY user_id"
    )
    _withdraw(txn, [user_id for (user_id,) in txn.fetchall()], at)
    txn.execute("INSERT INTO hek_reachable SELECT user_id FROM hek_reachable_aside WHERE true ON CONFLICT DO NOTHING")
    txn.execute("DELETE FROM hek_reachable_aside")
    txn.execute("UPDATE hek_reachability SET aside = 0")


class Reachability:
    """The set of practices that may be reached, its version, and when the directory last confirmed it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def position(self) -> Position:
        """What to ask from: of the set put aside if there is one."""
        state = await self._database.run("hek_reachability", _read)
        return Position(state.aside or state.version, state.mark)

    async def reaches(self, user_id: str) -> bool:
        """Whether the directory lists a practice, of whatever server, as reachable for insured people."""

        def work(txn: Transaction) -> bool:
            txn.execute("SELECT 1 FROM hek_reachable WHERE user_id = ?", (user_id,))
            return txn.fetchone() is not None

        return await self._database.run("hek_reaches", work)

    async def apply(self, delta: Delta, *, at: int) -> None:
        """Applies a delta, or one page of it, as a whole. The set is confirmed when no page follows.

        Raises:
            OutOfStep: if it starts from another version.
        """

        def work(txn: Transaction) -> None:
            state = _read(txn)
            if not delta.full and delta.since != (state.aside or state.version):
                raise OutOfStep
            txn.execute("UPDATE hek_reachability SET mark = ?", (delta.mark,))
            if delta.full or state.aside:
                _put_aside(txn, delta)
                if delta.more:
                    return
                _take_what_is_aside(txn, at)
            else:
                _withdraw(txn, delta.remove, at)
                adding = "INSERT INTO hek_reachable (user_id) VALUES (?) ON CONFLICT DO NOTHING"
                _run_for_each(txn, adding, delta.add)
            txn.execute("UPDATE hek_reachability SET version = ?", (delta.version,))
            if not delta.more:
                txn.execute("UPDATE hek_reachability SET confirmed_at = ?", (at,))

        await self._database.run("hek_apply_delta", work)
