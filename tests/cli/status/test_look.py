"""What is seen of a system of which parts are away: each says so, and the others are shown."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx2
import pytest

from isthmus.cli.embedded import EmbeddedNats
from isthmus.cli.error_log import ErrorLog
from isthmus.cli.run_file import NotRunning, OriginPart, ProcessPart, RunFile
from isthmus.cli.status.look import Looker
from isthmus.cli.status.model import Answer, Health, Part, Status
from isthmus.cli.status.services import ask_services
from isthmus.cli.status.verdict import Kind, problems, verdict
from isthmus.common.blobs import BlobStore, manifest_key
from isthmus.common.bus import Bus, end_tasks, jobs
from isthmus.common.bus.dead import bury
from isthmus.common.bus.slots import Slots
from isthmus.common.config.settings import Nats
from isthmus.common.errors import AssociationRejected
from isthmus.common.messages import DeadLetter, Echo, EchoDone, Failure, Retrieve
from isthmus.common.threads import Threads
from tests import planted
from tests.cli.status.site import MAX_BYTES, READY, Site, origin, service
from tests.waiting import until

AT_MOST = 15.0
"""Seconds that a look may take, whatever is away: it has four, and a busy machine."""


async def answering(_: Echo) -> EchoDone:
    return EchoDone(12.3)


async def silent(_: Echo) -> EchoDone:
    await asyncio.Event().wait()
    raise AssertionError


async def rejecting(_: Echo) -> EchoDone:
    return EchoDone(3.0, Failure.of(AssociationRejected("calling AE title not recognized", origin="pacs")))


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """A process that takes connections, and does nothing."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def kinds(status: Status) -> list[Kind]:
    return [one.kind for one in problems(status)]


async def test_without_a_system_it_says_so(data: Path) -> None:
    async with Looker(data) as looker:
        with pytest.raises(NotRunning):
            await looker.look()


@pytest.mark.usefixtures("hasty")
async def test_with_nats_away_the_others_are_told_and_the_origins_are_not_blamed(site: Site) -> None:
    await site.replica("wado")
    await site.with_gateway()
    await site.origin("pacs", answering)
    site.nats_settings = site.nats_settings.model_copy(update={"url": "nats://127.0.0.1:1"})
    begun = time.monotonic()
    status = await site.look()
    assert time.monotonic() - begun < AT_MOST
    assert service(status, "nats").health is Health.AWAY
    assert [service(status, name).health for name in ("s3", "gateway", "wado")] == [Health.READY] * 3
    assert origin(status, "pacs").answer is Answer.UNKNOWN
    assert status.unknown[Part.QUEUES] == "NATS does not answer"
    (problem,) = problems(status)
    assert problem.kind is Kind.NATS_AWAY
    assert verdict([problem]).startswith("NATS is away: No connection to NATS at 127.0.0.1:1: ")


@pytest.mark.usefixtures("hasty")
async def test_nats_that_is_frozen_does_not_hold_up_the_rest(site: Site) -> None:
    await site.with_gateway()
    with frozen(site.nats.pid):
        begun = time.monotonic()
        status = await site.look()
        assert time.monotonic() - begun < AT_MOST
    assert service(status, "nats").health is Health.AWAY
    assert service(status, "gateway").health is Health.READY
    assert kinds(status) == [Kind.NATS_AWAY]


@pytest.mark.usefixtures("hasty")
async def test_nats_that_freezes_between_two_looks_is_silent_in_the_second(site: Site) -> None:
    await site.with_gateway()
    await site.origin("pacs", answering)
    site.write()
    async with Looker(site.data) as looker:
        first = await looker.look()
        assert problems(first) == []
        with frozen(site.nats.pid):
            begun = time.monotonic()
            second = await looker.look()
            assert time.monotonic() - begun < AT_MOST
        assert service(second, "nats").health is Health.SILENT
        assert kinds(second) == [Kind.NATS_AWAY]


@pytest.mark.usefixtures("hasty")
async def test_with_s3_away_it_is_that_which_is_wrong(site: Site) -> None:
    await site.with_gateway()
    site.s3 = site.s3.model_copy(update={"endpoint": "127.0.0.1:1"})
    begun = time.monotonic()
    status = await site.look()
    assert time.monotonic() - begun < AT_MOST
    found = service(status, "s3")
    assert (found.health, found.reason) == (Health.AWAY, "S3 list: Connection refused")
    assert status.unknown[Part.CACHE] == "S3 does not answer"
    assert kinds(status) == [Kind.S3_AWAY]


@pytest.mark.usefixtures("hasty")
async def test_a_file_of_s3_that_cannot_be_used_hides_nothing_else(site: Site, tmp_path: Path) -> None:
    await site.with_gateway()
    lost = {"endpoint": "https://127.0.0.1:1", "ca_file": tmp_path / "lost.pem"}
    site.s3 = site.s3.model_copy(update=lost)
    status = await site.look()
    found = service(status, "s3")
    assert found.health is Health.AWAY
    assert str(tmp_path / "lost.pem") in str(found.reason)
    assert [service(status, name).health for name in ("nats", "gateway")] == [Health.READY] * 2


async def test_with_the_gateway_away_it_says_where_nobody_answers(site: Site) -> None:
    status = await site.look()
    gateway = service(status, "gateway")
    assert (gateway.health, gateway.reason) == (Health.AWAY, "Connection refused at http://127.0.0.1:1")
    assert kinds(status) == [Kind.GATEWAY_AWAY]


async def test_a_service_that_lacks_a_part_says_which(site: Site) -> None:
    await site.with_gateway()
    one = await site.replica("wado")
    one.readiness = ("503 Service Unavailable", b'{"ok":false,"nats":true,"s3":false}')
    status = await site.look()
    wado = service(status, "wado")
    assert (wado.health, wado.reason) == (Health.NOT_READY, "S3 does not answer it")
    assert kinds(status) == [Kind.SERVICE_NOT_READY]


@pytest.mark.usefixtures("hasty")
async def test_a_service_that_does_not_answer_holds_up_no_other(site: Site) -> None:
    await site.with_gateway()
    stuck = await site.replica("wado", replica=1)
    stuck.readiness = None
    await site.replica("wado", replica=2)
    begun = time.monotonic()
    status = await site.look()
    assert time.monotonic() - begun < AT_MOST
    assert (service(status, "wado-1").health, service(status, "wado-2").health) == (
        Health.SILENT,
        Health.READY,
    )
    assert kinds(status) == [Kind.SERVICE_AWAY]


async def test_a_service_in_its_restart_loop_is_away_with_how_it_ended(site: Site) -> None:
    await site.with_gateway()
    site.processes.append(
        ProcessPart(
            name="stow",
            address="127.0.0.1:1",
            since=1.7e9,
            restarts=3,
            ended="ended with exit code 1",
        )
    )
    stow = service(await site.look(), "stow")
    assert (stow.health, stow.restarts) == (Health.AWAY, 3)
    assert stow.reason == "ended with exit code 1; it is started again"


async def test_a_service_that_starts_again_says_why_it_did(site: Site) -> None:
    await site.with_gateway()
    one = await site.replica("qido")
    one.end()
    site.processes[-1] = site.processes[-1].model_copy(
        update={"restarts": 1, "ended": "ended with signal SIGKILL"}
    )
    qido = service(await site.look(), "qido")
    assert (qido.health, qido.reason) == (Health.SILENT, "it starts again: ended with signal SIGKILL")


async def test_a_name_stands_for_its_replicas_and_on_loopback_no_key_is_shown(site: Site) -> None:
    site.key, site.metrics_key = planted.secret("operator"), planted.secret("metrics")
    one = await site.replica("wado", is_known=False)
    port = one.address.rpartition(":")[2]
    site.processes[-1] = site.processes[-1].model_copy(update={"address": f"localhost:{port}"})
    wado = service(await site.look(), "wado")
    assert (wado.health, wado.since, wado.restarts, wado.memory) == (Health.READY, None, None, None)
    assert len(one.heads) == 2
    assert "authorization" not in "".join(one.heads).lower()


async def test_beyond_loopback_the_key_for_numbers_is_shown_and_for_these_alone(
    monkeypatch: pytest.MonkeyPatch, site: Site
) -> None:
    shown: dict[str, str | None] = {}

    def elsewhere(request: httpx2.Request) -> httpx2.Response:
        shown[request.url.path] = request.headers.get("authorization")
        return httpx2.Response(200, text="")

    client = partial(httpx2.AsyncClient, transport=httpx2.MockTransport(elsewhere))
    monkeypatch.setattr(httpx2, "AsyncClient", client)
    site.key, site.metrics_key = planted.secret("operator"), planted.secret("metrics")
    site.processes.append(ProcessPart(name="qido", address="192.0.2.1:8000"))
    site.write()
    (asked,) = await ask_services(RunFile.read(site.data))
    assert asked.service.health is Health.READY
    assert shown == {"/readyz": None, "/metrics": f"Bearer {site.metrics_key}"}


async def test_numbers_come_from_the_services(site: Site) -> None:
    one, other = await site.replica("dimse-scu"), await site.replica("scp")
    one.metrics = (
        b'# TYPE isthmus_circuit_open gauge\nisthmus_circuit_open{dicom_origin="pacs"} 1.0\n'
        b'isthmus_circuit_open{dicom_origin="other"} 0.0\n'
        b"# TYPE isthmus_cache_size_bytes gauge\nisthmus_cache_size_bytes 2.5e+09\n"
        b'# TYPE isthmus_associations gauge\nisthmus_associations{dicom_origin="pacs"} 2.0\n'
    )
    other.metrics = b"# TYPE isthmus_scp_associations gauge\nisthmus_scp_associations 3.0\n"
    await site.origin("pacs", answering)
    await site.origin("other", answering)
    status = await site.look()
    assert (status.cache.bytes, status.cache.max_bytes, status.clients) == (2_500_000_000, MAX_BYTES, 3)
    assert (origin(status, "pacs").is_left_alone, origin(status, "other").is_left_alone) == (True, False)
    assert (origin(status, "pacs").open_associations, origin(status, "other").open_associations) == (2, 0)


async def test_a_circuit_is_closed_only_where_all_workers_of_the_origin_say_so(site: Site) -> None:
    await site.origin("pacs", answering)
    await site.replica("scp")
    assert origin(await site.look(), "pacs").is_left_alone is None
    await site.replica("dimse-scu", replica=1)
    assert origin(await site.look(), "pacs").is_left_alone is False
    other = await site.replica("dimse-scu", replica=2)
    other.metrics = b"<html>what a proxy says</html>"
    found = origin(await site.look(), "pacs")
    assert (found.is_left_alone, found.open_associations) == (None, None)


async def test_the_circuit_of_a_destination_is_none_of_an_origin_with_its_name(site: Site) -> None:
    await site.replica("dimse-scu")
    scp = await site.replica("scp")
    scp.metrics = b'# TYPE isthmus_circuit_open gauge\nisthmus_circuit_open{dicom_origin="pacs"} 1.0\n'
    await site.origin("pacs", answering)
    assert origin(await site.look(), "pacs").is_left_alone is False


async def test_a_service_whose_numbers_are_nonsense_is_shown_without(site: Site) -> None:
    one = await site.replica("scp")
    one.metrics = b"<html>what a proxy says</html>"
    status = await site.look()
    assert service(status, "scp").health is Health.READY
    assert status.clients is None
    assert status.unknown[Part.METRICS] == "no service tells its numbers"


async def test_each_origin_is_asked_and_a_silent_one_holds_up_no_other(site: Site) -> None:
    await site.with_gateway()
    for name, echoed in (("silent", silent), ("rejects", rejecting), ("fine", answering)):
        await site.origin(name, echoed)
    await site.origin("unserved")
    begun = time.monotonic()
    status = await site.look()
    assert time.monotonic() - begun < AT_MOST
    assert [(one.name, one.answer, one.latency_ms) for one in status.origins] == [
        ("silent", Answer.SILENT, None),
        ("rejects", Answer.AWAY, None),
        ("fine", Answer.ANSWERS, 12.3),
        ("unserved", Answer.UNKNOWN, None),
    ]
    assert origin(status, "rejects").reason == "calling AE title not recognized"
    assert (origin(status, "silent").reason or "").startswith("no answer for ")
    assert (origin(status, "unserved").reason or "").startswith("no dimse-scu serves it")
    assert kinds(status) == [Kind.ORIGIN_NOT_SERVED, Kind.ORIGIN_AWAY, Kind.ORIGIN_AWAY]


async def test_an_origin_whose_associations_are_all_in_use_is_busy_and_nothing_is_wrong(site: Site) -> None:
    await site.with_gateway()
    await site.origin("pacs", silent)
    slots = await Slots.open(await site.bus(), "pacs", 1)
    held = await slots.take(0)
    wanting = asyncio.create_task(slots.take(0))  # as the worker does that is to ask it
    status = await until(site.look, lambda one: origin(one, "pacs").answer is Answer.BUSY)
    pacs = origin(status, "pacs")
    assert pacs.associations is not None
    assert (pacs.associations.waiting, pacs.associations.allowed) == (1, 1)
    assert problems(status) == []
    await held.release()
    await (await wanting).release()
    await slots.close()


async def test_jobs_that_nobody_takes_are_a_problem(site: Site) -> None:
    await site.with_gateway()
    bus = await site.bus()

    async def leave(_: jobs.Running[Retrieve]) -> None:
        raise AssertionError

    working = asyncio.create_task(jobs.work(bus, "JOBS", "pacs", Retrieve, leave, at_once=1))
    await until(lambda: bus.jetstream.consumers_info("JOBS"))
    await end_tasks([working])
    await jobs.submit_retrieve(bus, Retrieve("pacs", "1.2.3"))
    status = await site.look()
    (queue,) = status.queues
    assert (queue.queue, queue.origin, queue.waiting, queue.has_takers) == ("retrieve", "pacs", 1, False)
    (problem,) = problems(status)
    assert problem.kind is Kind.NOBODY_TAKES
    assert problem.text == "retrieve pacs interactive: nobody takes what waits (1 message)"


async def test_dead_letters_are_counted_and_lead_to_their_command(site: Site) -> None:
    await site.with_gateway()
    letter = DeadLetter("webhook", "ris", "HTTP 422", 3, 1.7e9, 1.7e9, b"{}")
    await bury(await site.bus(), letter, "letter")
    status = await site.look()
    assert status.dead_letters == {("webhook", "ris"): 1}
    assert verdict(problems(status)) == "1 dead letter, to ris; look at: isthmus dead"


async def test_studies_that_are_held_are_counted(site: Site) -> None:
    threads = Threads("test-s3", 1)
    s3 = site.s3
    blobs = BlobStore(s3.endpoint, s3.access_key, s3.secret_key, s3.bucket, threads=threads)
    for study in ("1.2.3", "1.2.4"):
        await blobs.put(manifest_key("pacs", study), b"{}")
    status = await site.look()
    assert (status.cache.studies, status.cache.is_minimum) == (2, False)
    blobs.close()
    threads.close()


async def test_where_nobody_keeps_the_errors_it_does_not_say_that_there_are_none(site: Site) -> None:
    await site.with_gateway()
    status = await site.look()
    assert (status.errors, problems(status)) == (None, [])
    assert "the services' own logs" in status.unknown[Part.ERRORS]


async def test_the_last_errors_are_shown_and_are_no_problem(site: Site) -> None:
    await site.with_gateway()
    errors = ErrorLog(site.data)
    for number in range(9):
        errors.add("wado", f"error {number}")
    status = await site.look()
    assert [one.text for one in status.errors or ()] == [f"error {number}" for number in range(4, 9)]
    assert problems(status) == []


async def test_where_all_is_well_it_says_so(site: Site) -> None:
    await site.with_gateway()
    one = await site.replica("wado")
    assert one.readiness == READY
    await site.origin("pacs", answering)
    status = await site.look()
    assert verdict(problems(status)) == "all is well"
    assert [one.label for one in status.services] == ["nats", "s3", "gateway", "wado"]


async def test_a_system_that_was_started_again_is_followed_to_its_new_nats(
    site: Site, tmp_path: Path
) -> None:
    site.origins.append(OriginPart(name="pacs", protocol="dimse"))
    site.write()
    async with Looker(site.data) as looker:
        await looker.look()
        async with EmbeddedNats(tmp_path / "other") as other:
            site.nats_settings = Nats(url=other.url, user=other.user, password=other.password)
            site.write()
            bus = await Bus.connect(site.nats_settings, "test")
            await bury(bus, DeadLetter("webhook", "ris", "HTTP 422", 3, 1.7e9, 1.7e9, b"{}"), "letter")
            await bus.close()
            assert (await looker.look()).dead_letters == {("webhook", "ris"): 1}
