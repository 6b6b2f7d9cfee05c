"""Practices as rows of ``practice``, and rows as practices."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from directory_service.rules.practice import Consent, Practice, PracticeState, is_listed
from directory_service.rules.profile import Profile
from directory_service.store.profile_document import from_document, to_document
from directory_service.store.tables import practice
from messenger_core.calendar_periods import from_milliseconds, to_milliseconds
from messenger_core.log import fault_without_text

logger = logging.getLogger(__name__)

COLUMNS = (
    practice.c.telematik_id,
    practice.c.resource_id,
    practice.c.user_id,
    practice.c.state,
    practice.c.consent_text,
    practice.c.consent_by,
    practice.c.consent_at,
    practice.c.profile,
    practice.c.version,
    practice.c.epoch,
)
"""What ``as_practice`` reads, for ``SELECT``."""


def as_practice(row: Any) -> Practice:
    """The practice of a row with ``COLUMNS``.

    A profile that cannot be read counts as one that says nothing, so that nobody is led there, no other practice is
    taken along, and its owner can write it anew.
    """
    consent = None
    if row.consent_text is not None:
        consent = Consent(row.consent_text, row.consent_by, from_milliseconds(row.consent_at))
    return Practice(
        telematik_id=row.telematik_id,
        resource_id=row.resource_id,
        user_id=row.user_id,
        state=PracticeState(row.state),
        profile=_profile(row),
        consent=consent,
        version=row.version,
        epoch=row.epoch,
    )


def _profile(row: Any) -> Profile:
    try:
        return from_document(row.profile)
    except (ValueError, TypeError, KeyError, AttributeError) as fault:
        logger.error(  # noqa: TRY400 - a traceback could quote the profile
            "the profile of practice %s cannot be read: %s", row.resource_id, fault_without_text(fault)
        )
        return Profile(row.telematik_id)


def as_row(this: Practice) -> dict[str, Any]:
    """The values of a practice's row; its keys are written apart."""
    consent = this.consent
    return {
        "telematik_id": this.telematik_id,
        "resource_id": this.resource_id,
        "user_id": this.user_id,
        "state": this.state.value,
        "consent_text": consent.text_version if consent else None,
        "consent_by": consent.by if consent else None,
        "consent_at": to_milliseconds(consent.at) if consent else None,
        "profile": to_document(this.profile),
        "version": this.version,
        "epoch": this.epoch,
        "listed": is_listed(this),
    }


async def one_practice(connection: AsyncConnection, condition: sa.ColumnElement[bool]) -> Practice | None:
    """The practice that fits a condition on a unique column, if there is one."""
    row = (await connection.execute(sa.select(*COLUMNS).where(condition))).one_or_none()
    return as_practice(row) if row is not None else None


async def practices_by_id(connection: AsyncConnection, telematik_ids: Iterable[str]) -> dict[str, Practice]:
    """Those of some practices that are known, by their Telematik-ID."""
    rows = await connection.execute(sa.select(*COLUMNS).where(practice.c.telematik_id.in_(list(telematik_ids))))
    return {row.telematik_id: as_practice(row) for row in rows}
