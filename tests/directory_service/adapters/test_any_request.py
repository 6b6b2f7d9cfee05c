"""schemathesis makes up requests from all descriptions: no answer is a fault of ours or has an undocumented status."""

import asyncio
import sys
from asyncio.subprocess import PIPE, STDOUT
from datetime import UTC, datetime
from pathlib import Path

import pytest
from joserfc.jwk import ECKey

from messenger_core.service_auth.assertions import make_assertion
from messenger_core.service_auth.token_grant import ASSERTION_TYPE, GRANT_TYPE
from tests.directory_service.bench import ERIKA, FULL_PROFILE, SERVER_NAME, SOMMER, Directory

DESCRIPTIONS = Path(__file__).parents[3] / "docs" / "openapi"
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance"
EXAMPLES = 4
SEED = 2711


async def made_up_requests(folder: Path, description: str, address: str, token: str, *more: str) -> str:
    """What schemathesis reports; it has its own settings and its own memory, and leaves nothing behind."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "schemathesis.cli", "run", str(DESCRIPTIONS / description), "--url", address),
        *("--header", f"Authorization: Bearer {token}", "--checks", CHECKS, "--phases", "examples,coverage,fuzzing"),
        *("--max-examples", str(EXAMPLES), "--seed", str(SEED), "--generation-database", "none"),
        *("--continue-on-failure", "--no-shrink", "--warnings", "off", *more),
        cwd=folder,
        stdout=PIPE,
        stderr=STDOUT,
    )
    async with asyncio.timeout(300):
        said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    return said.decode()


async def owner_token(directory: Directory, key: ECKey, telematik_id: str = SOMMER) -> str:
    """What a practice's software gets for its key."""
    endpoint = f"{directory.url}/oauth2/token"
    form = {
        "grant_type": GRANT_TYPE,
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": make_assertion(key, client_id=telematik_id, audience=endpoint, now=datetime.now(UTC)),
        "scope": "practice:write",
    }
    async with directory.http.post(endpoint, data=form) as answer:
        return str((await answer.json())["access_token"])


@pytest.mark.parametrize(
    ("below", "paths", "who"),
    [
        ("/fdv/search", "^/[A-Z]", ERIKA),
        # The same routes for another audience: where it makes a difference is enough.
        ("/search", "^/(HealthcareService|Endpoint)", f"@practice-{SOMMER[2:]}:{SERVER_NAME}"),
        ("", "^/(tim-authenticate|metadata)$", ERIKA),
    ],
    ids=["insured", "practices", "sign-in"],
)
async def test_the_search_answers_whatever_is_asked_as_described(
    directory: Directory, tmp_path: Path, below: str, paths: str, who: str
) -> None:
    await directory.practice_joins(profile=FULL_PROFILE)
    address, token = directory.url + below, await directory.search_token(who)
    said = await made_up_requests(tmp_path, "directory-search.yaml", address, token, "--include-path-regex", paths)
    assert "passed" in said


@pytest.mark.parametrize("description", ["directory-owner.yaml", "directory-owner-fhir.yaml"])
async def test_the_owner_interface_answers_whatever_is_sent_as_described(
    directory: Directory, tmp_path: Path, description: str
) -> None:
    key = await directory.practice_joins(profile=FULL_PROFILE)
    said = await made_up_requests(tmp_path, description, directory.url, await owner_token(directory, key))
    assert "passed" in said
