"""Imports of the national directory on both databases: exports, deltas, joining, and the operator's model."""

import gzip
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from directory_service.adapters.import_command import ImportCommand, ImportRequest, ImportStopped
from directory_service.rules.imported_entry import OPT_OUT, ImportRules
from directory_service.rules.practice import Practice, PracticeState
from directory_service.rules.profile import Messenger
from directory_service.settings import ImportLimitSettings
from directory_service.store.audit_log import AuditLog
from directory_service.store.changes import ChangeFeed
from directory_service.store.entry_import import EntryImport
from directory_service.store.import_runs import ImportRuns, TakenOver
from directory_service.store.national_directory import NationalDirectory
from directory_service.store.practices import PracticeStore
from directory_service.store.reachable_set import ReachableSet
from tests.directory_service.fhir_samples import PROFILES
from tests.directory_service.rules.reading.test_times import WORDS
from tests.directory_service.store.made_up import NOW, joining
from tests.directory_service.vzd_samples import (
    bundle,
    by_kind,
    endpoint,
    entry,
    hiding,
    telematik_id,
    write_lines,
)

FIRST, SECOND, THIRD = telematik_id(1), telematik_id(2), telematik_id(3)
Documents = Iterable[Mapping[str, Any] | str]


class Bench:
    """A directory's database, and files to import into it."""

    def __init__(self, engine: AsyncEngine, folder: Path) -> None:
        self.engine = engine
        self.folder = folder
        self.practices = PracticeStore(engine)
        self.runs = ImportRuns(engine)
        self._files = 0

    async def take(
        self, documents: Documents, *, opt_out: bool = False, full: bool = True, removals: bool = True
    ) -> None:
        """Imports some lines."""
        self._files += 1
        file = write_lines(self.folder / f"{self._files}.ndjson", documents)
        await self.run(ImportRequest([file], full=full, accept_removals=removals), opt_out=opt_out)

    async def run(self, request: ImportRequest, *, opt_out: bool = False) -> None:
        """Imports what an operator asks for."""
        rules = ImportRules(PROFILES, WORDS, {"messenger.example"}, opt_out)
        entries = EntryImport(self.engine, rules)
        directory, limits = NationalDirectory(self.engine, self.runs), ImportLimitSettings().in_bytes
        await ImportCommand(self.runs, directory, entries, limits).run(request, opt_out=opt_out)

    async def found(self) -> set[str]:
        """The Telematik-IDs of the practices that are listed."""
        return {one.telematik_id async for some in ChangeFeed(self.engine).listed() for one in some}

    async def reachable(self) -> set[str]:
        """Everybody whom insured people may reach."""
        return set((await ReachableSet(self.engine).since(None)).add)

    async def of(self, telematik_id: str) -> Practice:
        """A practice that is known."""
        found = await self.practices.find(telematik_id)
        assert found is not None
        return found

    async def rejected(self) -> list[tuple[str, str]]:
        """What was rejected: where, and which element."""
        return [(fault.source, fault.expression) async for fault in self.runs.faults() if fault.rejected]


@pytest.fixture
def bench(engine: AsyncEngine, tmp_path: Path) -> Bench:
    return Bench(engine, tmp_path)


async def test_imported_entries_are_known_and_neither_found_nor_reachable(bench: Bench) -> None:
    await bench.take(by_kind([*entry(1), *entry(2)]))
    assert (await bench.found(), await bench.reachable()) == (set(), set())
    practice = await bench.of(FIRST)
    assert (practice.state, practice.user_id, practice.profile.name) == (PracticeState.INVITED, None, "Praxis Nummer 1")
    assert await bench.practices.keys(FIRST) is None
    assert (await AuditLog(bench.engine).verify()).entries == 2


async def test_under_the_opt_out_model_they_are_unless_they_hide(bench: Bench) -> None:
    hidden = entry(2, endpoint(2, extension=hiding()))
    await bench.take(by_kind([*entry(1), *hidden, *entry(3, active=False)]), opt_out=True)
    assert await bench.found() == {FIRST, SECOND}
    assert await bench.reachable() == {"@praxis-1:tim.example"}


async def test_the_same_export_again_changes_nothing(bench: Bench) -> None:
    resources = by_kind([*entry(1), *entry(2)])
    await bench.take(resources)
    before = [await bench.of(one) for one in (FIRST, SECOND)]
    await bench.take(reversed(resources))
    assert [await bench.of(one) for one in (FIRST, SECOND)] == before
    assert (await AuditLog(bench.engine).verify()).entries == 2


async def test_what_a_full_export_lacks_is_gone_and_comes_back(bench: Bench) -> None:
    await bench.take([*entry(1), *entry(2)], opt_out=True)
    await bench.take(entry(2), opt_out=True)
    gone = await bench.of(FIRST)
    assert (gone.state, gone.profile.name, gone.profile.messengers) == (PracticeState.WITHDRAWN, FIRST, ())
    assert (await bench.found(), await bench.reachable()) == ({SECOND}, {"@praxis-2:tim.example"})
    await bench.take([*entry(1), *entry(2)], opt_out=True)
    assert (await bench.of(FIRST)).resource_id == gone.resource_id
    assert await bench.found() == {FIRST, SECOND}


async def test_an_export_that_lacks_many_entries_stops_before_anything_is_removed(bench: Bench) -> None:
    await bench.take([*entry(1), *entry(2)], opt_out=True)
    with pytest.raises(ImportStopped, match="1 of 2 entries are missing"):
        await bench.take(entry(2), opt_out=True, removals=False)
    assert await bench.found() == {FIRST, SECOND}


async def test_a_delta_may_bring_any_resource_alone(bench: Bench) -> None:
    await bench.take(by_kind([*entry(1), *entry(2)]), opt_out=True)
    await bench.take([endpoint(1, "matrix:u/neu:tim.example")], opt_out=True, full=False)
    assert await bench.reachable() == {"@neu:tim.example", "@praxis-2:tim.example"}
    await bench.take([endpoint(1, "matrix:u/neu:tim.example", extension=hiding())], opt_out=True, full=False)
    assert await bench.reachable() == {"@praxis-2:tim.example"}
    place = entry(2)[2] | {"address": {"line": ["Neuer Weg 5"], "city": "Köln", "postalCode": "50667"}}
    await bench.take([place], opt_out=True, full=False)
    address = (await bench.of(SECOND)).profile.address
    assert address is not None
    assert (address.line, address.city) == ("Neuer Weg 5", "Köln")


async def test_a_delta_removes_what_it_says_is_gone(bench: Bench) -> None:
    await bench.take(by_kind([*entry(1), *entry(2), *entry(3)]), opt_out=True)
    await bench.take(
        [bundle(entry(4), gone=["Endpoint/e1", "Organization/o2", "Endpoint/never-there"])], opt_out=True, full=False
    )
    assert await bench.found() == {THIRD, telematik_id(4)}
    assert (await bench.of(FIRST)).profile.messengers == ()
    assert (await bench.of(SECOND)).state is PracticeState.WITHDRAWN
    assert await bench.rejected() == [("1.ndjson:5", "HealthcareService.providedBy.reference")]
    await bench.take([bundle([], gone=["HealthcareService/h2"])], opt_out=True, full=False)
    assert await bench.rejected() == []


async def test_a_practice_that_joins_takes_its_imported_entry_over_and_owns_it(bench: Bench) -> None:
    await bench.take(entry(1))
    imported = await bench.of(FIRST)
    joined = await bench.practices.join(joining(FIRST, name="Praxis Sommer"), NOW)
    assert (joined.state, joined.resource_id) == (PracticeState.VERIFIED, imported.resource_id)
    own = f"@practice-{FIRST}:messenger.example"
    assert joined.profile.messengers == (Messenger(own), *imported.profile.messengers)
    kept = (joined.profile.address, joined.profile.specialties, joined.profile.opening_hours)
    assert kept == (imported.profile.address, imported.profile.specialties, imported.profile.opening_hours)
    chosen = await bench.practices.choose_visibility(FIRST, visible=True, consent_text="1", now=NOW)
    await bench.take(entry(1, endpoint(1, "matrix:u/x:tim.example"), name="Anders", active=False), opt_out=True)
    await bench.take(entry(2), opt_out=True)
    assert await bench.of(FIRST) == chosen
    assert await bench.reachable() == {own, "@praxis-1:tim.example", "@praxis-2:tim.example"}


async def test_an_address_newly_hidden_in_the_national_directory_is_hidden_here_too_and_only_then(bench: Bench) -> None:
    await bench.take(entry(1))
    await bench.practices.join(joining(FIRST), NOW)
    chosen = await bench.practices.choose_visibility(FIRST, visible=True, consent_text="1", now=NOW)
    own = f"@practice-{FIRST}:messenger.example"
    assert await bench.reachable() == {own, "@praxis-1:tim.example"}
    await bench.take(entry(1, endpoint(1, extension=hiding())))
    assert await bench.reachable() == {own}
    # It opens the address again itself; that the national directory still hides it is nothing new.
    await bench.practices.write_profile(FIRST, chosen.profile, NOW)
    await bench.take(entry(1, endpoint(1, extension=hiding()), name="Praxis Neu"))
    assert await bench.reachable() == {own, "@praxis-1:tim.example"}


async def test_a_paused_or_withdrawn_practice_is_opened_by_no_import(bench: Bench) -> None:
    for number, withdraws in ((1, True), (2, False)):
        await bench.practices.join(joining(telematik_id(number), user_id=f"@p{number}:messenger.example"), NOW)
        if withdraws:
            await bench.practices.withdraw(telematik_id(number), NOW)
        else:
            await bench.practices.choose_visibility(telematik_id(number), visible=False, consent_text="1", now=NOW)
    await bench.take([*entry(1), *entry(2)], opt_out=True)
    assert (await bench.found(), await bench.reachable()) == (set(), set())


async def test_when_the_operator_ends_the_opt_out_model_everybody_is_asked(bench: Bench) -> None:
    await bench.take([*entry(1), *entry(2), *entry(3)], opt_out=True)
    joined = await bench.practices.join(joining(SECOND), NOW)
    assert joined.consent is not None
    assert (joined.state, joined.consent.by) == (PracticeState.OPTED_IN, OPT_OUT)
    await bench.practices.join(joining(THIRD), NOW)
    await bench.practices.choose_visibility(THIRD, visible=True, consent_text="1", now=NOW)
    await bench.take([], full=False)
    assert await bench.found() == {THIRD}
    assert (await bench.of(FIRST)).state is PracticeState.INVITED
    assert (await bench.of(SECOND)).state is PracticeState.VERIFIED
    await bench.take([], full=False, opt_out=True)
    assert await bench.found() == {FIRST, THIRD}
    await AuditLog(bench.engine).verify()


async def test_of_two_entries_with_one_telematik_id_the_first_stays_until_it_is_gone(bench: Bench) -> None:
    twin = [one for one in entry(2) if one["resourceType"] != "Organization"]
    twin.append(entry(2)[0] | {"identifier": entry(1)[0]["identifier"]})
    await bench.take(entry(1))
    await bench.take([*entry(1), *twin])
    assert ((await bench.of(FIRST)).profile.name, await bench.practices.find(SECOND)) == ("Praxis Nummer 1", None)
    assert await bench.rejected() == [("2.ndjson:8", "Organization.identifier")]
    await bench.take(twin)
    assert ((await bench.of(FIRST)).profile.name, await bench.rejected()) == ("Praxis Nummer 2", [])


async def test_what_is_rejected_is_named_with_its_line_and_the_rest_is_imported(bench: Bench) -> None:
    nameless = [entry(2)[0] | {"name": ""}, *entry(2)[1:]]
    lines: list[Any] = [
        "no JSON",
        *entry(1),
        "",
        {"resourceType": "Endpoint"},
        [],
        *nameless,
        {"resourceType": "Device"},
    ]
    await bench.take(lines)
    assert await bench.rejected() == [
        ("1.ndjson:1", ""),
        ("1.ndjson:7", "Endpoint.id"),
        ("1.ndjson:8", "Resource"),
        ("1.ndjson:9", "Organization.name"),
    ]
    assert (await bench.of(FIRST)).profile.name == "Praxis Nummer 1"
    # It stays rejected, and in the report, until it is mended.
    await bench.take([*entry(1), *nameless])
    assert await bench.rejected() == [("2.ndjson:5", "Organization.name")]
    await bench.take([*entry(1), *entry(2)])
    assert await bench.rejected() == []


async def test_bundles_and_lines_with_and_without_gzip_say_the_same(bench: Bench) -> None:
    resources = [*entry(1), *entry(2, endpoint(2, status="off"))]
    plain = bench.folder / "export.json"
    plain.write_text(json.dumps(bundle(resources), indent=2), encoding="utf-8")
    lines = write_lines(bench.folder / "export.ndjson", resources)
    files = [plain, lines]
    for file in (plain, lines):
        files.append(file.with_name(f"{file.name}.gz"))
        files[-1].write_bytes(gzip.compress(file.read_bytes()))
    await bench.run(ImportRequest(files[:1]), opt_out=True)
    before = [await bench.of(one) for one in (FIRST, SECOND)]
    assert await bench.found() == {FIRST}
    for file in files[1:]:
        await bench.run(ImportRequest([file]), opt_out=True)
        assert [await bench.of(one) for one in (FIRST, SECOND)] == before


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("export.csv", b"", "allowed are FHIR bundles"),
        ("export.json", b'{"resourceType": "Bundle", "entry": [{"resource": {}}, {"res', "not whole, after entry 1"),
        ("export.json", b'{"resourceType": "Patient"}', "is no FHIR bundle"),
        ("export.ndjson.gz", gzip.compress(b"{}\n" * 50, mtime=0)[:-9], "cannot be read to its end"),
    ],
)
async def test_a_file_that_cannot_be_read_whole_stops_the_import(
    bench: Bench, name: str, content: bytes, said: str
) -> None:
    await bench.take(entry(1))
    before = await bench.of(FIRST)
    file = bench.folder / name
    file.write_bytes(content)
    with pytest.raises(ImportStopped, match=said):
        await bench.run(ImportRequest([file]))
    assert await bench.of(FIRST) == before
    await bench.run(ImportRequest([bench.folder / "1.ndjson"], restart=True))
    assert await bench.of(FIRST) == before


async def test_an_unfinished_import_of_other_files_is_not_mixed_with_a_new_one(bench: Bench) -> None:
    broken = bench.folder / "broken.json"
    broken.write_bytes(b'{"resourceType": "Bundle", "entry": [')
    with pytest.raises(ImportStopped, match=r"broken\.json"):
        await bench.run(ImportRequest([broken]))
    with pytest.raises(ImportStopped, match=r"unfinished \(broken\.json\)"):
        await bench.take(entry(1))
    await bench.run(ImportRequest([bench.folder / "1.ndjson"], restart=True))
    assert (await bench.of(FIRST)).profile.name == "Praxis Nummer 1"


async def test_of_two_processes_at_one_import_the_earlier_stops(bench: Bench) -> None:
    files: list[Any] = []
    first = await bench.runs.begin(files, full=False, opt_out=False, restart=False)
    second = await bench.runs.begin(files, full=False, opt_out=False, restart=False)
    entries = EntryImport(bench.engine, ImportRules(PROFILES, WORDS, set(), opt_out=False))
    with pytest.raises(TakenOver):
        await entries.apply_some(first, NOW)
    assert (first.number, await entries.apply_some(second, NOW)) == (second.number, 0)
