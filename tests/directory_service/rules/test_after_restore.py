"""Whose last word is lost, is hidden until it says it again."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from directory_service.rules.after_restore import after_restore
from directory_service.rules.audit_chain import AuditEntry
from directory_service.rules.imported_entry import IMPORTED_BY
from directory_service.rules.practice import Consent, Practice, PracticeState, is_listed
from directory_service.rules.profile import Messenger, Profile

CONSENT = Consent("1", "1-1", datetime(2026, 11, 1, tzinfo=UTC))
SHOWN = Practice(
    "1-1", "r", "@p:a", PracticeState.OPTED_IN, Profile("Praxis", messengers=(Messenger("@p:a"),)), CONSENT, 7
)


def lost(*whats: str, by: str = "1-1") -> list[AuditEntry]:
    return [AuditEntry(number, "1-1", number, what, by, None) for number, what in enumerate(whats, 5)]


CASES: list[tuple[Practice, list[AuditEntry], PracticeState]] = [
    (SHOWN, lost("paused"), PracticeState.PAUSED),
    (SHOWN, lost("paused", "opted-in"), PracticeState.PAUSED),
    (SHOWN, lost("profile-written"), PracticeState.PAUSED),
    (SHOWN, lost("withdrawn"), PracticeState.WITHDRAWN),
    (SHOWN, lost("profile-written", "withdrawn"), PracticeState.WITHDRAWN),
    (SHOWN, lost("withdrawn", "joined", "opted-in"), PracticeState.PAUSED),
    (SHOWN, lost("entry-changed", by=IMPORTED_BY), PracticeState.OPTED_IN),
    (SHOWN, [], PracticeState.OPTED_IN),
    (replace(SHOWN, state=PracticeState.VERIFIED), lost("opted-in"), PracticeState.VERIFIED),
    (replace(SHOWN, state=PracticeState.PAUSED), lost("withdrawn"), PracticeState.WITHDRAWN),
    (replace(SHOWN, state=PracticeState.WITHDRAWN, consent=None), lost("withdrawn"), PracticeState.WITHDRAWN),
]


def test_each_case() -> None:
    for restored, entries, state in CASES:
        after = after_restore(restored, entries)
        assert after.state is state, entries
        assert (after.consent is None) == (state is PracticeState.WITHDRAWN)
        assert after.epoch == restored.epoch + (after.state is not restored.state and after.consent is None)
        assert replace(after, state=restored.state, consent=restored.consent, epoch=restored.epoch) == restored


@given(
    st.sampled_from(PracticeState),
    st.lists(st.sampled_from(["joined", "profile-written", "opted-in", "paused", "withdrawn"]), min_size=1),
)
def test_nobody_is_found_whose_last_word_is_lost(state: PracticeState, whats: list[str]) -> None:
    assert not is_listed(after_restore(replace(SHOWN, state=state), lost(*whats)))
