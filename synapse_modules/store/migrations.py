"""The module's tables in Synapse's database, as numbered migrations; a released one is never changed."""

from __future__ import annotations

from collections.abc import Sequence

from synapse_modules.store.interaction import Transaction

_ACCOUNTS_ROOMS_AND_MACHINES = (
    """CREATE TABLE hek_account (
        user_id TEXT NOT NULL PRIMARY KEY,
        kind TEXT NOT NULL,
        state TEXT NOT NULL,
        display_name TEXT NOT NULL,
        kvnr_hash TEXT UNIQUE,
        kvnr_sealed TEXT,
        telematik_id TEXT UNIQUE,
        jwks TEXT,
        retention_months INTEGER
    )""",
    """CREATE TABLE hek_membership_end (
        kvnr_hash TEXT NOT NULL PRIMARY KEY,
        ends_on TEXT NOT NULL
    )""",
    """CREATE TABLE hek_change (
        version BIGINT NOT NULL PRIMARY KEY,
        at BIGINT NOT NULL,
        user_id TEXT NOT NULL,
        kind TEXT NOT NULL,
        what TEXT NOT NULL
    )""",
    "CREATE TABLE hek_change_version (version BIGINT NOT NULL)",
    "INSERT INTO hek_change_version (version) VALUES (0)",
    """CREATE TABLE hek_room (
        room_id TEXT NOT NULL PRIMARY KEY,
        kind TEXT NOT NULL,
        insured_user_id TEXT,
        created_at BIGINT NOT NULL
    )""",
    "CREATE TABLE hek_reachable (user_id TEXT NOT NULL PRIMARY KEY)",
    "CREATE TABLE hek_reachability (version BIGINT NOT NULL, confirmed_at BIGINT NOT NULL)",
    "INSERT INTO hek_reachability (version, confirmed_at) VALUES (0, 0)",
    """CREATE TABLE hek_used_statement (
        issuer TEXT NOT NULL,
        statement_id TEXT NOT NULL,
        expires_at BIGINT NOT NULL,
        PRIMARY KEY (issuer, statement_id)
    )""",
    "CREATE INDEX hek_used_statement_expires_at ON hek_used_statement (expires_at)",
    """CREATE TABLE hek_audit (
        at BIGINT NOT NULL,
        what TEXT NOT NULL,
        reason TEXT NOT NULL,
        actor TEXT NOT NULL,
        kvnr_hash TEXT,
        user_id TEXT,
        room_id TEXT,
        reference TEXT
    )""",
)

_FEDERATION = (
    "CREATE TABLE hek_federation_list (version BIGINT NOT NULL, confirmed_at BIGINT NOT NULL)",
    "INSERT INTO hek_federation_list (version, confirmed_at) VALUES (0, 0)",
    """CREATE TABLE hek_federation_server (
        domain TEXT NOT NULL PRIMARY KEY,
        is_insurance SMALLINT NOT NULL,
        iks TEXT NOT NULL
    )""",
)
_REACHABILITY_IN_PAGES = (
    "CREATE TABLE hek_reachable_aside (user_id TEXT NOT NULL PRIMARY KEY)",
    "ALTER TABLE hek_reachability ADD COLUMN aside BIGINT NOT NULL DEFAULT 0",
)
# SQLite cannot make a column nullable, so the table of ends becomes one of memberships.
_STAGES_OF_MEMBERSHIPS = (
    """CREATE TABLE hek_membership (
        kvnr_hash TEXT NOT NULL PRIMARY KEY,
        ends_on TEXT,
        issued_at BIGINT NOT NULL,
        spent_on TEXT
    )""",
    "INSERT INTO hek_membership (kvnr_hash, ends_on, issued_at) SELECT kvnr_hash, ends_on, 0 FROM hek_membership_end",
    "DROP TABLE hek_membership_end",
    "CREATE INDEX hek_membership_ends_on ON hek_membership (ends_on)",
    "ALTER TABLE hek_account ADD COLUMN lock_reason TEXT",
    "ALTER TABLE hek_account ADD COLUMN locked_at BIGINT",
    "UPDATE hek_account SET lock_reason = CASE kind WHEN 'insured' THEN 'membership-ended' ELSE 'closed' END,"
    " locked_at = (SELECT MAX(c.at) FROM hek_change c WHERE c.user_id = hek_account.user_id AND c.what = 'locked')"
    " WHERE state = 'locked'",
    "CREATE INDEX hek_account_state ON hek_account (state)",
)

_UNREACHABLE_MARKS = ("CREATE TABLE hek_unreachable_mark (user_id TEXT NOT NULL PRIMARY KEY, finished_at BIGINT)",)
_ROOMS_TO_LEAVE = (
    "CREATE TABLE hek_room_to_leave (room_id TEXT NOT NULL PRIMARY KEY, noted_at BIGINT NOT NULL)",
    "CREATE TABLE hek_room_left (room_id TEXT NOT NULL, user_id TEXT NOT NULL, PRIMARY KEY (room_id, user_id))",
)
_CHATS_IN_CHANGES = ("ALTER TABLE hek_change ADD COLUMN room_id TEXT",)
_INSURED_ONLY_ROOMS = (
    """CREATE TABLE hek_insured_only_room (
        room_id TEXT NOT NULL PRIMARY KEY,
        told_at BIGINT NOT NULL,
        emptied_at BIGINT
    )""",
)
_ROOMS_IN_MAKING = (
    """CREATE TABLE hek_room_in_making (
        room_id TEXT NOT NULL PRIMARY KEY,
        maker TEXT NOT NULL,
        begun_at BIGINT NOT NULL
    )""",
)
_HISTORY_OF_THE_DIRECTORY = ("ALTER TABLE hek_reachability ADD COLUMN mark TEXT NOT NULL DEFAULT ''",)
_OAUTH_SESSIONS = (
    """CREATE TABLE hek_oauth_session (
        user_id TEXT NOT NULL,
        device_id TEXT NOT NULL,
        client_hash TEXT NOT NULL,
        client_host TEXT NOT NULL,
        family_hash TEXT NOT NULL UNIQUE,
        proof_hash TEXT NOT NULL UNIQUE,
        created_at BIGINT NOT NULL,
        PRIMARY KEY (user_id, device_id)
    )""",
)
_SESSIONS_TO_END = ("CREATE TABLE hek_sessions_to_end (user_id TEXT NOT NULL PRIMARY KEY, noted_at BIGINT NOT NULL)",)
_IDENTITY_RESETS = (
    """CREATE TABLE hek_identity_reset (
        user_id TEXT NOT NULL,
        device_id TEXT NOT NULL,
        keys_hash TEXT NOT NULL,
        asked_at BIGINT NOT NULL,
        approved_at BIGINT,
        PRIMARY KEY (user_id, device_id)
    )""",
)

MIGRATIONS: Sequence[Sequence[str]] = (
    _ACCOUNTS_ROOMS_AND_MACHINES,
    _FEDERATION,
    _REACHABILITY_IN_PAGES,
    _STAGES_OF_MEMBERSHIPS,
    _UNREACHABLE_MARKS,
    _ROOMS_TO_LEAVE,
    _CHATS_IN_CHANGES,
    _INSURED_ONLY_ROOMS,
    _ROOMS_IN_MAKING,
    _HISTORY_OF_THE_DIRECTORY,
    _OAUTH_SESSIONS,
    _SESSIONS_TO_END,
    _IDENTITY_RESETS,
)
SCHEMA_VERSION = len(MIGRATIONS)


def schema_version(txn: Transaction) -> int:
    """The number of the last migration that was run; makes the table that holds it."""
    txn.execute("CREATE TABLE IF NOT EXISTS hek_schema (version INTEGER NOT NULL)")
    txn.execute("SELECT MAX(version) FROM hek_schema")
    row = txn.fetchone()
    return int(row[0]) if row is not None and row[0] is not None else 0


def migrate(txn: Transaction) -> None:
    """Runs the migrations that are missing; running it again changes nothing."""
    for number, statements in enumerate(MIGRATIONS[schema_version(txn) :], start=schema_version(txn) + 1):
        for statement in statements:
            txn.execute(statement)
        txn.execute("INSERT INTO hek_schema (version) VALUES (?)", (number,))
