"""Puts the broker together from its settings."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

from aiohttp import web

from gesundheitsid.adapters.client_routes import ClientRoutes
from gesundheitsid.adapters.entity_route import EntityRoute
from gesundheitsid.adapters.federation import Federation
from gesundheitsid.adapters.federation_http import FederationHttp
from gesundheitsid.adapters.housekeeping import Housekeeping
from gesundheitsid.adapters.idp_client import IdpClient
from gesundheitsid.adapters.key_file import KeyFile
from gesundheitsid.adapters.limits import Limits
from gesundheitsid.adapters.metrics import Metrics
from gesundheitsid.adapters.pages import Pages
from gesundheitsid.adapters.person_routes import CALLBACK_PATH, PersonRoutes
from gesundheitsid.rules.entity_statements import OwnEntity
from gesundheitsid.rules.provider import Client, pairwise_subject
from gesundheitsid.rules.signed_tokens import Keys
from gesundheitsid.settings import GesundheitsIDSettings
from gesundheitsid.store.grants import Grants
from gesundheitsid.store.sign_ins import SignIns
from messenger_core.background import BackgroundTasks
from messenger_core.clock import Clock, present
from messenger_core.database import answers, open_database
from messenger_core.http_service import internal_of, new_application, serve_until_stopped
from messenger_core.service_auth.keys import read_jwks
from messenger_core.settings import SettingsError, read_secret

_PACKAGE = "gesundheitsid"
TASKS: web.AppKey[BackgroundTasks] = web.AppKey("tasks")


def clients_of(settings: GesundheitsIDSettings) -> dict[str, Client]:
    """The clients by their names."""
    return {
        client.client_id: Client(
            client.client_id,
            read_secret(client.secret_file),
            frozenset(client.redirect_uris),
            client.backchannel_logout_uri,
        )
        for client in settings.clients
    }


def _federation_http(settings: GesundheitsIDSettings) -> FederationHttp:
    federation = settings.federation
    return FederationHttp(federation.ca_file, federation.timeout_s, federation.private_networks)


@asynccontextmanager
async def open_application(settings: GesundheitsIDSettings, clock: Clock = present) -> AsyncIterator[web.Application]:
    """The application with its database and clients open.

    Raises:
        SettingsError: if a key cannot be read or the database cannot be opened.
    """
    keys = KeyFile(settings.keys_file, settings.public_url)
    keys.rings()
    clients = clients_of(settings)
    pinned = Keys.of(dict(read_jwks(settings.federation.master_keys_file).as_dict(private=False)))
    engine = await open_database(settings.database, _PACKAGE)
    try:
        async with _federation_http(settings) as http, BackgroundTasks() as tasks:
            sign_ins, grants = SignIns(engine), Grants(engine, timedelta(days=settings.session_days))
            federation = Federation(settings.federation, pinned, http, clock)
            redirect_uri = settings.public_url + CALLBACK_PATH
            pages, metrics = Pages(), Metrics(grants, keys, tasks, clock)
            idp_client = IdpClient(
                entity_id=settings.public_url,
                redirect_uri=redirect_uri,
                level=settings.level,
                settings=settings.federation,
                federation=federation,
                http=http,
                keys=keys,
                clock=clock,
            )
            limits = Limits(settings.limits, clock)
            app = new_application(
                lambda: answers(engine),
                tasks,
                internal_listen=settings.internal_listen,
                trusted_proxies=settings.listen.trusted_proxies,
            )
            pages.add_to(app)
            metrics.add_to(internal_of(app))
            own = OwnEntity(
                entity_id=settings.public_url,
                redirect_uri=redirect_uri,
                client_name=settings.entity.client_name,
                organization_name=settings.entity.organization_name,
                contacts=settings.entity.contacts,
                authority=settings.federation.master,
                level=settings.level,
            )
            EntityRoute(own, keys, clock).add_to(app)
            ClientRoutes(
                issuer=settings.public_url,
                clients=clients,
                grants=grants,
                keys=keys,
                metrics=metrics,
                limits=limits,
                clock=clock,
            ).add_to(app)
            PersonRoutes(
                issuer=settings.public_url,
                clients=clients,
                fixed_insurer=settings.federation.insurer,
                pairwise_secret=read_secret(settings.pairwise_secret_file).encode(),
                sign_ins=sign_ins,
                grants=grants,
                federation=federation,
                idp_client=idp_client,
                pages=pages,
                metrics=metrics,
                limits=limits,
                clock=clock,
            ).add_to(app)
            housekeeping = Housekeeping(
                issuer=settings.public_url, clients=clients, sign_ins=sign_ins, grants=grants, keys=keys, clock=clock
            )
            housekeeping.start(tasks)
            app[TASKS] = tasks
            yield app
    finally:
        await engine.dispose()


async def end_sessions(settings: GesundheitsIDSettings, kvnr: str, clock: Clock = present) -> int:
    """Ends all sessions of a person; a running broker tells their clients. Returns how many.

    Raises:
        SettingsError: if the database cannot be opened.
    """
    secret = read_secret(settings.pairwise_secret_file).encode()
    engine = await open_database(settings.database, _PACKAGE)
    try:
        grants = Grants(engine, timedelta(days=settings.session_days))
        subjects = [pairwise_subject(secret, client.client_id, kvnr) for client in settings.clients]
        return await grants.end_sessions(subjects, clock())
    finally:
        await engine.dispose()


async def run(settings: GesundheitsIDSettings) -> None:
    """Runs the broker until it is told to stop.

    Raises:
        SettingsError: if a key, the database or the address cannot be used.
    """
    async with open_application(settings) as app:
        try:
            await serve_until_stopped(app, settings.listen)
        except OSError as fault:
            where = f"{settings.listen.host} port {settings.listen.port}"
            raise SettingsError(
                f"listen: {where} cannot be used ({fault.strerror}); allowed is a free port of this machine"
            ) from None
