"""Synapse's tables that the whole package reads or changes, with their columns: all of them, looked for at start.

What the stores ask the database is private to Synapse just as its methods are; a test reads every statement of theirs
and holds it to this list.
"""

from __future__ import annotations

from collections.abc import Mapping

from synapse.config import ConfigError

from synapse_modules.store.interaction import Transaction

TABLES: Mapping[str, tuple[str, ...]] = {
    "access_tokens": ("user_id",),
    "account_data": ("user_id",),
    "current_state_events": ("event_id", "membership", "room_id", "state_key", "type"),
    "dehydrated_devices": ("user_id",),
    "delayed_events": ("delay_id", "is_processed", "send_ts", "user_localpart"),
    "devices": ("device_id", "display_name", "hidden", "last_seen", "user_id"),
    "e2e_room_keys": ("user_id",),
    "event_reports": ("event_id", "room_id"),
    "event_txn_id_device_id": ("event_id", "room_id"),
    "events": ("depth", "event_id", "received_ts", "room_id", "sender", "state_key", "stream_ordering", "type"),
    "local_current_membership": ("event_id", "membership", "room_id", "user_id"),
    "local_media_repository": ("media_id", "user_id"),
    "login_tokens": ("user_id",),
    "open_id_tokens": ("user_id",),
    "profiles": ("full_user_id",),
    "pushers": ("user_name",),
    "receipts_linearized": ("event_id", "room_id"),
    "refresh_tokens": ("user_id",),
    "room_account_data": ("user_id",),
    "room_memberships": ("display_name", "event_id", "forgotten", "membership", "room_id", "sender", "user_id"),
    "room_tags": ("user_id",),
    "room_tags_revisions": ("user_id",),
    "stream_ordering_to_exterm": ("event_id", "room_id"),
    "thread_subscriptions": ("event_id", "room_id"),
    "threads": ("room_id", "thread_id"),
    "user_daily_visits": ("user_id",),
    "user_external_ids": ("auth_provider", "external_id", "user_id"),
    "user_filters": ("full_user_id",),
    "user_ips": ("user_id",),
    "users": ("deactivated", "locked", "name"),
    "users_pending_deactivation": ("user_id",),
}


def check_tables(txn: Transaction, tables: Mapping[str, tuple[str, ...]] = TABLES) -> None:
    """Checks that this Synapse's database has them.

    Args:
        txn: of the database; nothing may have been changed in it, since PostgreSQL ends it at the first fault.
        tables: the columns by table.

    Raises:
        ConfigError: naming the table, and its columns.
    """
    for table, columns in tables.items():
        try:
            txn.execute(f"SELECT {', '.join(columns)} FROM {table} WHERE 1 = 0")  # noqa: S608 - the names above
        except Exception:  # noqa: BLE001 - each driver has an error of its own
            raise ConfigError(
                f"synapse_modules: this release of Synapse lacks the table {table}({', '.join(columns)}); "
                "use a release that the README names as tested"
            ) from None
