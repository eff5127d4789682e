"""What the services of a running system tell in `/metrics`, when it was asked this and that."""

import asyncio
import socket
from pathlib import Path

import httpx2
import pytest

from isthmus.common.telemetry.metrics import Kind, definitions
from tests.data_sets import identity, make_series, raw_datasets
from tests.measured import promtool, samples, told, total
from tests.peers import Peer
from tests.peers.clients import storescu
from tests.system.gateway import Gateway
from tests.system.multipart import retrieve
from tests.waiting import PATIENCE, until

SERVICES = ("qido", "wado", "stow", "scp", "dimse-scu", "web-scu", "arrivals")
STUDY = "/aets/{origin}/studies/{study}"


def exported(system: Gateway, service: str) -> list[str]:
    """Give what each process of a service tells."""
    addresses = [one.address for one in system.run_file.processes if one.name == service]
    with httpx2.Client(timeout=PATIENCE, trust_env=False) as client:
        return [client.get(f"http://{address}/metrics").text for address in addresses]


def allowed(service: str) -> dict[str, set[str]]:
    """Give the samples that a service may tell, with the labels that they may have."""
    found: dict[str, set[str]] = {}
    for one in definitions():
        if service in one.services or one.name.startswith("http.server."):
            labels = {attribute.replace(".", "_") for attribute in one.attributes}
            if one.kind is Kind.HISTOGRAM:
                found |= {f"{one.prometheus}_{part}": labels | {"le"} for part in ("bucket", "sum", "count")}
            else:
                found[one.prometheus] = labels
    return found


@pytest.fixture(scope="module")
def asked(
    inboxes: Gateway,
    inboxes_http: httpx2.Client,
    at_pacs: list[Path],
    pushed: list[Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Gateway:
    """The third system, of which each service has had something to do."""
    study = identity(at_pacs[0]).study_instance_uid
    assert inboxes_http.get("/aets/pacs/studies").status_code == 200
    assert retrieve(inboxes_http, "pacs", study) == (raw_datasets(at_pacs), True)
    assert inboxes_http.get("/aets/pacs/studies/1.2.3").status_code == 404
    refused = inboxes_http.post("/aets/inbox/studies", content=b"?", headers={"Content-Type": "text/plain"})
    assert refused.status_code == 415
    files = make_series(tmp_path_factory.mktemp("measured"), 1, seed=72)
    pushed += files
    sent = storescu(Peer("DAY", inboxes.scp.host, inboxes.scp.port), files)
    assert sent.code == 0, sent.log
    assert storescu(Peer("NOBODY", inboxes.scp.host, inboxes.scp.port), files).code != 0
    return inboxes


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_tells_what_is_said_of_it_and_nothing_else(asked: Gateway, service: str) -> None:
    may = allowed(service)
    for text in exported(asked, service):
        assert text
        for name, labels, _ in samples(text):
            assert name in may
            assert set(labels) <= may[name], name


@pytest.mark.parametrize("service", SERVICES)
async def test_promtool_finds_nothing_in_what_a_service_tells(asked: Gateway, service: str) -> None:
    for text in exported(asked, service):
        assert await promtool(text) == ""


async def test_a_client_that_leaves_is_told_of_and_under_way_no_more(
    asked: Gateway, at_pacs: list[Path]
) -> None:
    """It asks wado itself: the gateway reads on for a while when its client has left."""
    study = identity(at_pacs[0]).study_instance_uid
    (address,) = [one.address for one in asked.run_file.processes if one.name == "wado"]
    assert address is not None
    host, _, port = address.rpartition(":")
    before = _ended(asked)
    with socket.create_connection((host, int(port)), timeout=PATIENCE) as connection:
        request = f"GET /aets/pacs/studies/{study} HTTP/1.1\r\nHost: isthmus\r\nAccept: */*\r\n\r\n"
        connection.sendall(request.encode())
    await until(lambda: asyncio.to_thread(_ended, asked), lambda ended: ended == before + 1)
    (text,) = exported(asked, "wado")
    assert total("http_server_active_requests", text) == 0


def _ended(system: Gateway) -> float:
    """Tell how many requests for studies have ended."""
    (text,) = exported(system, "wado")
    return total("http_server_request_duration_seconds_count", text, http_route=STUDY)


def test_what_was_asked_is_told(asked: Gateway) -> None:
    (qido,), (worker,), (scp,) = (exported(asked, service) for service in ("qido", "dimse-scu", "scp"))
    assert total("http_server_request_duration_seconds_count", qido, http_response_status_code="200")
    assert told("isthmus_origin_up", worker) == [{"dicom_origin": "pacs"}]
    assert total("isthmus_retrieve_instances_total", worker, dicom_origin="pacs", isthmus_method="c-get") == 2
    assert total("isthmus_cache_limit_bytes", worker) > 0
    stored = {"dicom_operation": "C-STORE", "dicom_role": "scp", "dicom_origin": "day"}
    assert total("isthmus_dimse_operation_duration_seconds_count", scp, dicom_status="0x0000", **stored) >= 1
    assert total("isthmus_scp_associations_refused_total", scp, isthmus_reason="called_ae_title") >= 1


async def test_both_replicas_of_arrivals_tell_of_all_queues(asked: Gateway) -> None:
    queues = {("retrieve", "pacs"), ("store", "pacs"), ("forward", "bucket"), ("events", "")}

    def of_each() -> list[set[tuple[str, str]]]:
        return [
            {
                (one["isthmus_queue"], one.get("dicom_origin", ""))
                for one in told("isthmus_queue_length", text)
            }
            for text in exported(asked, "arrivals")
        ]

    await until(lambda: asyncio.to_thread(of_each), lambda found: all(queues <= each for each in found))
    assert len(of_each()) == 2
    assert all(total("isthmus_jetstream_size_bytes", text) > 0 for text in exported(asked, "arrivals"))
