"""Puts the directory together from its settings."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from aiohttp import web
from joserfc.jwk import ECKey
from sqlalchemy import event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.pool import ConnectionPoolEntry

from directory_service.adapters.account_locks import AccountLocks
from directory_service.adapters.account_standings import AccountStandings, PracticeRights
from directory_service.adapters.client_registry import DirectoryClients
from directory_service.adapters.fhir_interface import Search, fhir_search, fhir_wording
from directory_service.adapters.fhir_refusals import outcomes
from directory_service.adapters.homeserver_api import HomeserverApi
from directory_service.adapters.import_command import ImportCommand, ImportRequest
from directory_service.adapters.listing_feed import FollowedWatches, ListingFeed
from directory_service.adapters.metrics import Metrics
from directory_service.adapters.openid_userinfo import OpenIdUserinfo
from directory_service.adapters.owner_api import OwnerApi
from directory_service.adapters.owner_fhir_api import OwnerFhirApi
from directory_service.adapters.owner_routes import OwnerRoutes
from directory_service.adapters.pages.frame import Frame
from directory_service.adapters.pages.homeserver_sign_in import HomeserverSignIn
from directory_service.adapters.pages.patient_sign_in import PatientSignIn
from directory_service.adapters.pages.practice_page import PracticePage
from directory_service.adapters.pages.practice_sign_in import PracticeSignIn
from directory_service.adapters.pages.search_page import SearchPage
from directory_service.adapters.pages.sessions import Sessions
from directory_service.adapters.pages.sign_in_states import SignInStates
from directory_service.adapters.patient_search_api import PatientSearchApi
from directory_service.adapters.patient_sign_in_api import PatientSignInApi
from directory_service.adapters.postcode_file import read_postcodes
from directory_service.adapters.practice_accounts import PracticeAccounts
from directory_service.adapters.practice_owner import PracticeOwner
from directory_service.adapters.practice_search_api import PracticeSearchApi
from directory_service.adapters.reachability_feed import ReachabilityFeed
from directory_service.adapters.registration_api import RegistrationApi
from directory_service.adapters.request_limits import RequestLimits, limiting_access_tokens, request_limits
from directory_service.adapters.search_tokens import SearchTokens
from directory_service.adapters.search_turns import SearchTurns
from directory_service.adapters.sign_in_code_api import SignInCodeApi
from directory_service.adapters.specialty_file import read_specialties
from directory_service.rules.imported_entry import ImportRules
from directory_service.rules.profile_check import ProfileRules
from directory_service.rules.reading.own_resources import OwnRules
from directory_service.rules.reading.times import AbsenceWords
from directory_service.rules.specialties import SpecialtyTable
from directory_service.search.fhir.chains import Chains
from directory_service.search.fhir.parameters import ParameterTable
from directory_service.search.held import Held
from directory_service.search.index.entry import Indexer
from directory_service.search.index.practice_index import PracticeIndex
from directory_service.search.medical_words import MedicalWords
from directory_service.settings import DirectorySettings
from directory_service.store.changes import ChangeFeed, VersionUnknown
from directory_service.store.entry_import import EntryImport
from directory_service.store.import_runs import ImportRuns
from directory_service.store.national_directory import NationalDirectory
from directory_service.store.page_sessions import PageSessions
from directory_service.store.practices import PracticeStore
from directory_service.store.reachable_set import ReachableSet
from directory_service.store.sign_in_codes import SignInCodes
from directory_service.store.tables import used_statement
from messenger_core.background import BackgroundTasks, OnFault
from messenger_core.catalogue import Catalogue
from messenger_core.clock import Clock, present
from messenger_core.database import UsedStatements, answers, open_database
from messenger_core.event_loop_watch import EventLoopWatch
from messenger_core.http_service import TOKEN_PATH, GuardedRoutes, internal_of, new_application, serve_until_stopped
from messenger_core.people_names import reserved_names
from messenger_core.service_auth.client import ServiceClient
from messenger_core.service_auth.keys import public_jwks, read_jwks, read_private_key
from messenger_core.service_auth.token_grant import Client, TokenAuthority
from messenger_core.settings import SettingsError

logger = logging.getLogger(__name__)

_PACKAGE = "directory_service"
_FORGET_EVERY_S = 600.0
_LOST = web.AppKey("lost", asyncio.Event)
"""Set when the database has another history than the practices in memory (``ListingFeed.lost``)."""


@asynccontextmanager
async def open_application(settings: DirectorySettings, clock: Clock = present) -> AsyncIterator[web.Application]:
    """The application with its database and clients open.

    Args:
        settings: what the operator wrote.
        clock: the moment for which people search, and what is open then.

    Raises:
        SettingsError: if a key cannot be read or the database cannot be opened.
    """
    key = read_private_key(settings.signing_key_file)
    verifiers = {verifier.issuer: read_jwks(verifier.jwks_file) for verifier in settings.ownership_verifiers}
    specialties, texts = read_specialties(), Catalogue.of(_PACKAGE)
    homeserver, homeservers = _homeserver(settings), _homeservers(settings)
    engine = await open_database(settings.database, _PACKAGE)
    try:
        async with homeserver, OpenIdUserinfo(settings.server_names) as userinfo:
            if not settings.opt_out_model:
                await _end_opt_out(engine, settings)
            practices, profiles = PracticeStore(engine), _profile_rules(settings)
            accounts, changes, reachable = PracticeAccounts(homeserver), ChangeFeed(engine), ReachableSet(engine)
            watches = FollowedWatches(practices=changes.version, reachable=reachable.version)
            feed = ReachabilityFeed(reachable, watches.reachable)
            tasks = BackgroundTasks()
            app = new_application(
                lambda: answers(engine),
                tasks,
                internal_listen=settings.internal_listen,
                trusted_proxies=settings.listen.trusted_proxies,
            )
            app.middlewares.insert(0, outcomes)
            limits = request_limits(settings.rate_limits, present)
            clients, used = DirectoryClients(homeservers, practices), UsedStatements(engine, used_statement)
            tokens_for_access = _AccessTokens(key, clients, used, limits)
            routes = tokens_for_access.routes(app, settings.public_url)
            internal, address = internal_of(app), settings.url_for_homeservers
            for_homeservers = routes if internal is app else tokens_for_access.routes(internal, address)
            RegistrationApi(
                practices=practices,
                accounts=accounts,
                watches=watches,
                verifiers=verifiers,
                audience=settings.public_url,
                profiles=profiles,
                guard=limits.registration,
            ).add_to(app)
            owner = PracticeOwner(
                practices=practices,
                accounts=accounts,
                profiles=profiles,
                watches=watches,
                insured_servers=settings.server_names,
            )
            _add_owner_interfaces(OwnerRoutes(routes, practices), owner, profiles, texts, settings)
            held, codes, rights = _held(specialties), SignInCodes(engine), PracticeRights()
            stored_sessions = PageSessions(engine, timedelta(minutes=settings.pages.idle_minutes))
            HomeserverApi(feed=feed, held=held, specialties=specialties, issuer=address, key=key).add_to(
                for_homeservers
            )
            tokens = SearchTokens(settings.public_url, key)
            locks = AccountLocks(homeserver, end_sessions=stored_sessions.end_of)
            standings = AccountStandings(locks, rights, practices)
            PatientSignInApi(
                userinfo=userinfo, standings=standings, tokens=tokens, texts=texts, guard=limits.search_token
            ).add_to(app)
            SignInCodeApi(standings, codes, limits.sign_in_codes).add_to(for_homeservers)
            watches.feed = listing_feed = ListingFeed(changes, held, rights, profiles)
            app[_LOST] = listing_feed.lost
            fhir = _add_searches(app, held, tokens, standings, clock)
            pages = _Pages(Frame(texts), Sessions(stored_sessions, present), standings, specialties, limits)
            homeserver_sign_in = HomeserverSignIn(settings.homeserver.url, settings.pages.sign_in_provider, userinfo)
            way_in = PatientSignIn(
                frame=pages.frame,
                sessions=pages.sessions,
                homeserver=homeserver_sign_in,
                standings=standings,
                directory=settings.public_url,
                states=SignInStates(key),
                guard=limits.page_sign_in,
            )
            _add_pages(app, pages, way_in, held, clock)
            _add_practice_page(app, pages, codes, owner)
            _add_keys(app, key)
            await _load(listing_feed, practices, profiles.mark)
            async with tasks, _add_figures(internal_of(app), fhir.turns, held, tasks).watching():
                _start(tasks, locks, listing_feed, watches, stored_sessions, fhir=fhir)
                yield app
    finally:
        await engine.dispose()


def _homeserver(settings: DirectorySettings) -> ServiceClient:
    """The homeserver, as the directory calls it."""
    return ServiceClient(
        client_id=settings.homeserver.client_id,
        key=read_private_key(settings.homeserver.key_file),
        base_url=settings.homeserver.url,
        token_endpoint=settings.homeserver.token_endpoint,
    )


def _homeservers(settings: DirectorySettings) -> list[Client]:
    """Those that call the directory."""
    return [
        Client(client.client_id, read_jwks(client.jwks_file), frozenset(client.scopes))
        for client in settings.homeserver_clients
    ]


def _add_owner_interfaces(
    routes: OwnerRoutes, owner: PracticeOwner, profiles: ProfileRules, texts: Catalogue, settings: DirectorySettings
) -> None:
    OwnerApi(owner).add_to(routes)
    OwnerFhirApi(
        owner,
        rules=OwnRules(profiles, _absence_words(texts), settings.server_names),
        wording=fhir_wording(profiles.specialties, texts),
        chains=Chains(ParameterTable(profiles.specialties)),
        texts=texts,
        base=settings.public_url,
    ).add_to(routes)


def _add_figures(app: web.Application, turns: SearchTurns, held: Held, tasks: BackgroundTasks) -> EventLoopWatch:
    watch = EventLoopWatch()
    Metrics(watch, turns, held.listing, tasks).add_to(app)
    return watch


def _add_keys(app: web.Application, key: ECKey) -> None:
    async def own_keys(_request: web.Request) -> web.Response:
        return web.json_response(public_jwks(key))

    app.router.add_get("/.well-known/jwks.json", own_keys)


@dataclass(frozen=True, slots=True)
class _Pages:
    """What both pages have in common."""

    frame: Frame
    sessions: Sessions
    standings: AccountStandings
    specialties: SpecialtyTable
    limits: RequestLimits


def _add_searches(
    app: web.Application, held: Held, tokens: SearchTokens, standings: AccountStandings, clock: Clock
) -> Search:
    fhir = fhir_search(
        listing=held.listing,
        index=held.index,
        specialties=read_specialties(),
        tokens=tokens,
        standings=standings,
        texts=Catalogue.of(_PACKAGE),
        clock=clock,
    )
    PatientSearchApi(fhir).add_to(app)
    PracticeSearchApi(fhir).add_to(app)
    return fhir


def _add_pages(app: web.Application, pages: _Pages, sign_in: PatientSignIn, held: Held, clock: Clock) -> None:
    pages.frame.add_to(app)
    sign_in.add_to(app)
    SearchPage(
        frame=pages.frame,
        sign_in=sign_in,
        held=held,
        specialties=pages.specialties,
        postcodes=read_postcodes(),
        clock=clock,
    ).add_to(app)


def _add_practice_page(app: web.Application, pages: _Pages, codes: SignInCodes, owner: PracticeOwner) -> None:
    sign_in = PracticeSignIn(
        frame=pages.frame,
        sessions=pages.sessions,
        standings=pages.standings,
        codes=codes,
        guard=pages.limits.page_sign_in,
    )
    sign_in.add_to(app)
    PracticePage(frame=pages.frame, sign_in=sign_in, owner=owner, specialties=pages.specialties).add_to(app)


@dataclass(frozen=True, slots=True)
class _AccessTokens:
    """What the endpoint for access tokens needs, at whichever address of the directory."""

    key: ECKey
    clients: DirectoryClients
    used: UsedStatements
    limits: RequestLimits

    def routes(self, app: web.Application, url: str) -> GuardedRoutes:
        """The endpoint, and routes for callers with its tokens."""
        app.middlewares.append(limiting_access_tokens(self.limits.access_token))
        return GuardedRoutes(app, TokenAuthority(url, url + TOKEN_PATH, self.key), self.clients, self.used)


def _start(
    tasks: BackgroundTasks,
    locks: AccountLocks,
    feed: ListingFeed,
    watches: FollowedWatches,
    sessions: PageSessions,
    *,
    fhir: Search,
) -> None:
    """Starts what goes on beside the requests; begun anew, each goes on where it was, and /health is 503 until then."""
    tasks.start("following of locks", locks.follow, on_fault=OnFault.RESTART)
    tasks.start("following of practices", partial(feed.follow, watches), on_fault=OnFault.RESTART)
    tasks.start("forgetting of sessions", partial(_forget_sessions, sessions), on_fault=OnFault.RESTART)
    tasks.start("preparation of answers", fhir.prepare, on_fault=OnFault.RESTART)


async def _forget_sessions(sessions: PageSessions) -> None:
    while True:
        await sessions.forget_ended(present())
        await asyncio.sleep(_FORGET_EVERY_S)


async def _load(feed: ListingFeed, practices: PracticeStore, rules: str) -> None:
    """Takes the practices into memory; what must not be shown as it is, is paused for everybody.

    Args:
        feed: what takes them.
        practices: where they are paused.
        rules: the mark of the rules that they keep to.
    """
    checked = await practices.checked_by() == rules
    left_out = await feed.load(checked=checked)
    if left_out:
        logger.error("%d practices are paused, since their entries must not be shown", len(left_out))
        await practices.withhold([practice.telematik_id for practice in left_out], present())
    if not checked:
        await practices.note_checked(rules)


def _held(specialties: SpecialtyTable) -> Held:
    """No practices yet, and the index for them."""
    medical = MedicalWords(specialties)
    return Held(Indexer(specialties, read_postcodes()), PracticeIndex(medical.knows, medical.instead))


async def import_national_directory(settings: DirectorySettings, request: ImportRequest) -> None:
    """Takes an export or a delta of the national directory in.

    Raises:
        SettingsError: if the database cannot be opened.
        ImportStopped: if the import cannot go on.
    """
    engine = await open_database(settings.database, _PACKAGE)
    if engine.dialect.name == "sqlite":
        await engine.dispose()  # the connection that is there was opened without it
        event.listen(engine.sync_engine, "connect", _with_room)
    try:
        runs = ImportRuns(engine)
        entries = EntryImport(engine, _import_rules(settings))
        command = ImportCommand(runs, NationalDirectory(engine, runs), entries, settings.import_limits.in_bytes)
        await command.run(request, opt_out=settings.opt_out_model)
    finally:
        await engine.dispose()


async def _end_opt_out(engine: AsyncEngine, settings: DirectorySettings) -> None:
    """Hides what an earlier setting showed before anybody is answered."""
    hidden = await EntryImport(engine, _import_rules(settings)).end_opt_out(datetime.now(UTC))
    if hidden:
        logger.warning("opt_out_model is false: %d practices that it had shown are hidden now", hidden)


def _with_room(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
    """Lets SQLite hold what an import touches again and again (64 MiB), which its own two do not."""
    cursor = connection.cursor()
    cursor.execute("PRAGMA cache_size=-65536")
    cursor.close()


def _import_rules(settings: DirectorySettings) -> ImportRules:
    words = _absence_words(Catalogue.of(_PACKAGE))
    return ImportRules(_profile_rules(settings), words, settings.server_names, settings.opt_out_model)


def _profile_rules(settings: DirectorySettings) -> ProfileRules:
    reserved = reserved_names(settings.reserved_names, settings.allowed_names)
    return ProfileRules(read_specialties(), reserved)


def _absence_words(texts: Catalogue) -> AbsenceWords:
    return AbsenceWords(
        closed=texts.text("fhir-closed"),
        absent=texts.text("fhir-absent"),
        substitute=texts.text("fhir-substitute", who=""),
    )


async def run(settings: DirectorySettings) -> None:
    """Runs the directory until it is told to stop.

    Raises:
        SettingsError: if a key, the database or the address cannot be used.
        VersionUnknown: if the database has another history than what the process has seen of it; another process reads
            it anew, this one would go on showing practices as they were.
    """
    async with open_application(settings) as app:
        # Practices stay in memory; looking through millions of objects for garbage would keep patients waiting.
        gc.collect()
        gc.freeze()
        try:
            await serve_until_stopped(app, settings.listen, unusable=app[_LOST])
        except OSError as fault:
            where = f"{settings.listen.host} port {settings.listen.port}"
            raise SettingsError(
                f"listen: {where} cannot be used ({fault.strerror}); allowed is a free port of this machine"
            ) from None
        if app[_LOST].is_set():
            raise VersionUnknown
