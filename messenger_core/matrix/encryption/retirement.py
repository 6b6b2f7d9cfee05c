"""Retires a device whose store must not be used again: a new device takes its place and inherits what it could read."""

from __future__ import annotations

import logging
import re
import secrets
from pathlib import Path
from urllib.parse import quote

import peewee

from messenger_core.matrix.encryption.machine import OlmMachine
from messenger_core.matrix.encryption.private_files import write_private_file
from messenger_core.matrix.faults import StoreUnwritable

logger = logging.getLogger(__name__)

DEVICE_ID_FILE = "device_id"
_STORE_FILE = re.compile(r"HEK[0-9A-F]{10}\.db(-journal)?")
# What only reads, or gives a key again that a message was sent with. No ratchet that encrypts comes along.
_INHERITED = (
    "INSERT INTO room_key SELECT * FROM retired.room_key",
    "INSERT INTO outbound_key SELECT * FROM retired.outbound_key",
    "INSERT INTO shared_with SELECT * FROM retired.shared_with",
)


def new_device_id() -> str:
    """A name that no device has had."""
    return f"HEK{secrets.token_hex(5).upper()}"


def own_device_id(directory: Path) -> str:
    """The account's device, named beside its keys, so that lost keys always lead to a new device."""
    file = directory / DEVICE_ID_FILE
    if not file.exists():
        write_private_file(file, new_device_id().encode())
    return file.read_text(encoding="utf-8").strip()


def retire(old: OlmMachine, directory: Path) -> str:
    """Makes the store of a new device with the room keys of the old one, closes the old one, and names the new one.

    A stop at any point leaves either the old device (which is retired again) or the new one; ``remove_old_stores``
    clears away the rest.

    Returns:
        The new device's id, which the file ``device_id`` holds now.

    Raises:
        StoreUnwritable: if the disk did not take it.
    """
    device_id = new_device_id()
    old.close()
    new = OlmMachine.open(old.user_id, device_id, directory, old.pickle_key)
    try:
        _inherit(new, old.store.database_path)
        write_private_file(directory / DEVICE_ID_FILE, device_id.encode())
    except (OSError, peewee.PeeweeException) as fault:
        raise StoreUnwritable(f"a new device could not be made: {type(fault).__name__}") from None
    finally:
        new.close()
    logger.warning("the device of the account is replaced by a new one")
    return device_id


def _inherit(new: OlmMachine, old_path: str) -> None:
    new.sql("ATTACH DATABASE ? AS retired", (old_path,))
    with new.transaction():
        for statement in _INHERITED:
            new.sql(statement)
    new.sql("DETACH DATABASE retired")


def remove_old_stores(directory: Path, device_id: str) -> None:
    """Removes the stores of devices that were replaced; a fault is tried again at the next start."""
    kept = quote(device_id, safe="")
    for file in directory.iterdir():
        if _STORE_FILE.fullmatch(file.name) and not file.name.startswith(f"{kept}.db"):
            try:
                file.unlink()
            except OSError as fault:
                logger.warning("an old device's store could not be removed: %s", type(fault).__name__)
