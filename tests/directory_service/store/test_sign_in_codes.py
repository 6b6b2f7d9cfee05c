"""Codes for the page of practices: good once, for ten minutes, for one account."""

from datetime import UTC, datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncEngine

from directory_service.rules.sign_in_codes import LIFETIME, digest, new_code
from directory_service.store.sign_in_codes import SignInCodes

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
SOMMER, WINTER = "@sommer:a.example", "@winter:a.example"


async def test_a_code_is_good_once(engine: AsyncEngine) -> None:
    codes, code = SignInCodes(engine), new_code()
    assert await codes.add(digest(code), SOMMER, NOW) == NOW + LIFETIME
    assert await codes.use(digest(new_code()), NOW) is None
    assert await codes.use(digest(code.lower().replace("-", " ")), NOW + LIFETIME - timedelta(seconds=1)) == SOMMER
    assert await codes.use(digest(code), NOW) is None


async def test_a_code_ends(engine: AsyncEngine) -> None:
    codes = SignInCodes(engine)
    await codes.add(digest("AAAAA-AAAAA"), SOMMER, NOW)
    assert await codes.use(digest("AAAAA-AAAAA"), NOW + LIFETIME) is None


async def test_only_the_newest_five_of_an_account_are_good(engine: AsyncEngine) -> None:
    codes, made = SignInCodes(engine), [new_code() for _ in range(7)]
    await codes.add(digest("BBBBB-BBBBB"), WINTER, NOW)
    for number, code in enumerate(made):
        await codes.add(digest(code), SOMMER, NOW + timedelta(seconds=number))
    used = [await codes.use(digest(code), NOW + timedelta(minutes=1)) for code in made]
    assert used == [None, None, *[SOMMER] * 5]
    assert await codes.use(digest("BBBBB-BBBBB"), NOW + timedelta(minutes=1)) == WINTER


def test_codes_differ_and_can_be_told_apart() -> None:
    codes = {new_code() for _ in range(1000)}
    assert len(codes) == 1000
    assert all(len(code) == 11 and not set("AEIOUY0O1I") & set(code) for code in codes)
