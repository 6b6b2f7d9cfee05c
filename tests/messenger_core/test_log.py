"""What a log line says of a fault: every frame of the way to it, and no text."""

from __future__ import annotations

import re

from messenger_core.log import fault_without_text

_SECRET = "Erika Mustermann, A123456789"


def _deep() -> None:
    raise KeyError(_SECRET)


def _middle() -> None:
    _deep()


def _fault(work: object = _middle) -> Exception:
    assert callable(work)
    try:
        work()
    except Exception as fault:
        return fault
    raise AssertionError("nothing was raised")


def test_every_frame_is_named_from_the_outside_in_and_no_text() -> None:
    said = fault_without_text(_fault())
    assert re.fullmatch(r"KeyError at (messenger_core/test_log\.py:\d+( > )?){3}", said)
    assert "Erika" not in said


def test_what_caused_it_and_what_was_being_handled_are_named_with_their_frames() -> None:
    def wraps() -> None:
        try:
            _deep()
        except KeyError as fault:
            raise ValueError(_SECRET) from fault

    def fails_again() -> None:
        try:
            _deep()
        except KeyError:
            raise OSError(_SECRET)  # noqa: B904 - the one without a cause

    def hides() -> None:
        try:
            _deep()
        except KeyError:
            raise OSError(_SECRET) from None

    assert re.search(r"^ValueError at .*, caused by KeyError at .*:\d+ > ", fault_without_text(_fault(wraps)))
    assert re.search(r"^OSError at .*, while handling KeyError at ", fault_without_text(_fault(fails_again)))
    assert "KeyError" not in fault_without_text(_fault(hides))


def test_the_members_of_a_group_are_named() -> None:
    def group() -> None:
        raise ExceptionGroup(_SECRET, [_fault(), ValueError(_SECRET)])

    said = fault_without_text(_fault(group))
    assert re.search(r"^ExceptionGroup at .* of \[KeyError at .*; ValueError\]$", said)
    assert "Erika" not in said


def test_an_endless_recursion_and_a_circle_of_causes_end() -> None:
    def endless() -> None:
        endless()

    said = fault_without_text(_fault(endless))
    assert " more) > " in said
    assert len(said) < 4_000
    one, two = _fault(), _fault()
    one.__cause__, two.__cause__ = two, one
    assert fault_without_text(one).count("KeyError") == 2
