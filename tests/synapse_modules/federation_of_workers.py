"""A homeserver of ours with workers that federates: one takes all that others send, the other one sends to them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox.ports import reserve_port
from tests.synapse_modules.certificate_authority import CertificateAuthority
from tests.synapse_modules.federation import Federation, federation_listener, following, over_tls
from tests.synapse_modules.federation_lists import ListPublisher
from tests.synapse_modules.stand_ins import serving
from tests.synapse_modules.tls_front import forwarding_to, tls_context
from tests.synapse_modules.workers_under_test import HomeserverWithWorkers, running_homeserver_with_workers

_ADDRESS = "127.0.0.7"


@dataclass(frozen=True)
class FederatingWorkers:
    """The homeserver, and the list that it follows: nobody stands there until others are put beside it."""

    homeserver: HomeserverWithWorkers
    lists: ListPublisher


@contextmanager
def running_federating_workers(
    folder: Path, postgresql_server: str, authority: CertificateAuthority
) -> Iterator[FederatingWorkers]:
    """Starts it; what other servers send is only ever read by the first worker.

    Args:
        folder: where everything of it lies.
        postgresql_server: the address of a PostgreSQL (fixture ``postgresql_server``).
        authority: whom all servers trust.
    """
    port, worker_port, list_port = reserve_port(), reserve_port(), reserve_port()
    list_root = CertificateAuthority("Federation list root")
    lists = ListPublisher(list_port, list_root)
    of_list = folder / "list"
    of_list.mkdir()
    settings = over_tls(folder, authority, _ADDRESS)
    tls = tls_context(Path(str(settings["tls_certificate_path"])), Path(str(settings["tls_private_key_path"])))
    with (
        serving(lists.app, list_port),
        running_homeserver_with_workers(
            folder,
            postgresql_server,
            server_name=f"{_ADDRESS}:{port}",
            worker_listener=federation_listener("127.0.0.1", worker_port, tls=False),
            more_module={"federation": following(lists, list_root.write(of_list))},
            more_synapse=settings,
        ) as homeserver,
        serving(forwarding_to(f"http://127.0.0.1:{worker_port}"), port, host=_ADDRESS, tls=tls),
    ):
        yield FederatingWorkers(homeserver, lists)


def among(workers: FederatingWorkers, others: Federation) -> Federation:
    """The servers of another federation around this homeserver, whose clients ask the first worker."""
    ours = workers.homeserver.views["worker1"]
    hostile, insurer, stranger = (
        server.against(ours.server_name) for server in (others.hostile, others.insurer, others.stranger)
    )
    workers.lists.publish(*others.listed)
    return Federation(ours, others.practices, hostile, insurer, stranger, workers.lists, others.authority)
