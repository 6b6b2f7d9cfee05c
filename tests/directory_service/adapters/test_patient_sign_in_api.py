"""A patient's client signs in with a Matrix OpenID token; everything else is refused in gematik's shape."""

from tests.directory_service.bench import ERIKA, SOMMER, Directory


async def test_a_confirmed_person_gets_a_search_token_for_a_day(directory: Directory) -> None:
    directory.homeserver.openid["good"] = ERIKA
    status, answer = await directory.authenticate(ERIKA, "good")
    assert (status, answer["token_type"], answer["expires_in"]) == (200, "Bearer", 86400)
    assert set(answer) == {"access_token", "token_type", "expires_in"}


REFUSED: list[tuple[str | None, str | None, int, str]] = [
    (None, "good", 400, "mxId"),
    ("erika", "good", 400, "mxId"),
    ("@:messenger.example", "good", 400, "mxId"),
    ("@erika", "good", 400, "mxId"),
    (ERIKA, None, 401, "X-Matrix-OpenID-Token"),
    (ERIKA, "unknown", 401, "X-Matrix-OpenID-Token"),
    (ERIKA, "of-max", 401, "X-Matrix-OpenID-Token"),
    ("@erika:elsewhere.example", "elsewhere", 401, "mxId"),
    ("@Erika:messenger.example", "good", 401, "X-Matrix-OpenID-Token"),
]


async def test_nobody_else_gets_one(directory: Directory) -> None:
    directory.homeserver.openid |= {
        "good": ERIKA,
        "of-max": "@max:messenger.example",
        "elsewhere": "@erika:elsewhere.example",
    }
    for user_id, openid_token, status, attribute in REFUSED:
        given, answer = await directory.authenticate(user_id, openid_token)
        assert (given, set(answer)) == (status, {"message", "errors"}), user_id
        assert answer["errors"][0]["attributeName"] == attribute, user_id
        assert " / " in answer["message"]


async def test_a_practice_is_told_that_this_search_is_not_for_it(directory: Directory) -> None:
    await directory.practice_joins()
    account = f"@practice-{SOMMER[2:]}:messenger.example"
    directory.homeserver.openid["practice"] = account
    status, answer = await directory.authenticate(account, "practice")
    assert (status, "Versicherte" in answer["message"]) == (403, True)


async def test_a_silent_homeserver_is_no_refusal(directory: Directory) -> None:
    directory.homeserver.down = True
    status, answer = await directory.authenticate(ERIKA, "good")
    assert (status, "später" in answer["message"]) == (503, True)
