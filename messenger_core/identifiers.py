"""KVNR, IK and Telematik-ID: their forms and check digits."""

from __future__ import annotations

import re

_KVNR = re.compile(r"[A-Z][0-9]{9}")
_IK = re.compile(r"[0-9]{9}")
# Two parts joined by a hyphen: the sector's prefix, then an identifier of its issuer (gemSpec_PKI, 4.7).
_TELEMATIK_ID = re.compile(r"[1-9][0-9]?-[A-Za-z0-9][A-Za-z0-9._-]{0,125}")


def _cross_sum(number: int) -> int:
    return number // 10 + number % 10


def kvnr_check_digit(letter: str, digits: str) -> int:
    """The tenth character of a KVNR.

    Args:
        letter: the leading capital letter.
        digits: the eight digits that follow it.

    Returns:
        The check digit, 0 to 9. The letter counts as its two-digit place in the alphabet; the ten digits are
        weighted 1, 2, 1, 2 …, and the cross sums of the products are added up (§ 290 SGB V, Richtlinie zur KVNR).
    """
    numbers = f"{ord(letter) - ord('A') + 1:02d}{digits}"
    return sum(_cross_sum(int(digit) * (1 + place % 2)) for place, digit in enumerate(numbers)) % 10


def check_kvnr(value: str) -> str:
    """Returns ``value`` if it is a KVNR with a valid check digit.

    Raises:
        ValueError: in words that do not repeat the number, since it identifies a person.
    """
    if not _KVNR.fullmatch(value):
        raise ValueError("not a KVNR: one capital letter and nine digits are expected")
    if kvnr_check_digit(value[0], value[1:9]) != int(value[9]):
        raise ValueError("not a KVNR: the check digit is wrong")
    return value


def ik_check_digit(digits: str) -> int:
    """The ninth digit of an institution code (IK), from its first eight.

    Digits three to eight are weighted 2, 1, 2, 1, 2, 1; the cross sums of the products are added up, modulo 10
    (Gemeinsames Rundschreiben Institutionskennzeichen, ARGE IK).
    """
    return sum(_cross_sum(int(digit) * (2 - place % 2)) for place, digit in enumerate(digits[2:8])) % 10


def check_ik(value: str) -> str:
    """Returns ``value`` if it is an institution code (IK) with a valid check digit.

    Raises:
        ValueError: if it is not.
    """
    if not _IK.fullmatch(value):
        raise ValueError("not an IK: nine digits are expected")
    if ik_check_digit(value[:8]) != int(value[8]):
        raise ValueError("not an IK: the check digit is wrong")
    return value


def check_telematik_id(value: str) -> str:
    """Returns ``value`` if it has the form of a Telematik-ID.

    Raises:
        ValueError: if it has not.
    """
    if not _TELEMATIK_ID.fullmatch(value):
        raise ValueError("not a Telematik-ID: a prefix of one or two digits, a hyphen and an identifier are expected")
    return value
