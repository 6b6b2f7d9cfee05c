"""JavaScript of others: fhir-kit-client searches, reads and pages, and the validator of fhir finds what is wrong."""

import asyncio
import json
from asyncio.subprocess import PIPE
from typing import Any

from tests.clients.node import installed_client, node_program
from tests.directory_service.bench import FULL_PROFILE, PROFILE, SOMMER, Directory

NAMES = [str(FULL_PROFILE["name"]), "Hausarztpraxis Eins", "Hausarztpraxis Zwei"]
KINDS = ["Bundle", "CapabilityStatement", "Endpoint", "HealthcareService", "Location", "OperationOutcome"]


async def answer_of(question: dict[str, str]) -> dict[str, Any]:
    """What the JavaScript program answers."""
    program = await asyncio.to_thread(installed_client, "fhir_js")
    process = await asyncio.create_subprocess_exec(node_program(), str(program), stdin=PIPE, stdout=PIPE, stderr=PIPE)
    async with asyncio.timeout(120):
        said, errors = await process.communicate(json.dumps(question).encode())
    assert process.returncode == 0, errors.decode()
    answer: dict[str, Any] = json.loads(said)
    return answer


async def test_fhir_kit_client_searches_reads_and_pages_and_the_validator_finds_only_the_planted_fault(
    directory: Directory,
) -> None:
    for number, name in enumerate(NAMES):
        profile = FULL_PROFILE if name == FULL_PROFILE["name"] else PROFILE | {"name": name}
        await directory.practice_joins(SOMMER if number == 0 else f"1-2000000020{number}", profile=profile)
    base, token = f"{directory.url}/fdv/search", await directory.search_token()
    answer = await answer_of({"base": base, "token": token, "text": "hamburg"})
    assert answer["total"] == len(NAMES)
    assert [len(names) for names in answer["names"]] == [2, 1]
    assert sorted(name for page in answer["names"] for name in page) == sorted(NAMES)
    assert answer["organization"] in NAMES
    assert answer["refusals"] == [
        {"status": 404, "outcome": "OperationOutcome"},
        {"status": 400, "outcome": "OperationOutcome"},
    ]
    assert answer["validated"] == sorted([*KINDS, "Organization"])
    assert len(answer["faults"]) == 1, answer["faults"]
    assert answer["faults"][0].startswith("planted")
