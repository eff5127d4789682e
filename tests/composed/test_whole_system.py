"""The system of compose.yaml as processes: each flow once, and what collector and Prometheus know of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Final

import pytest

from isthmus.common.config.settings import S3
from tests.common.bus.users import HEARD, NAMES, PUBLISHED, connected_as
from tests.composed.flows import FLOWS, Site, Studies, step
from tests.composed.hops import HOPS, Span
from tests.composed.stack import LOOPBACK
from tests.composed.system import OURS, ComposedSystem
from tests.composed.troubles import TROUBLES
from tests.data_sets import identity, make_series
from tests.measured import total
from tests.observability.exported import check, sent, told
from tests.pacs import AbortsAfter, FaultyPacs, StoreStatus
from tests.peers import Dcmqrscp, Orthanc, Peer, Storescp, eventually, free_port
from tests.peers.worklist import Wlmscpfs
from tests.planted import found_in, secret
from tests.system.blabbing import Blabbing
from tests.system.collector import Collector
from tests.system.conftest import client_of
from tests.system.gateway import refusals

REFUSED: Final = 0xC000
SETTINGS: Final = """
[scp]
ae_title = "ISTHMUS"
[[scp.destinations]]
ae_title = "STORESCP"
host = "127.0.0.1"
port = {workstation}
[arrivals]
quiet_seconds = 1
max_attempts = 2
[[arrivals.forward]]
inbox = "inbox"
to = ["pacs", "away", "breaks-off"]
[[arrivals.webhooks]]
name = "ai"
url = "{webhook}"
secret = "{secret}"
[[arrivals.webhooks]]
name = "deaf"
url = "http://127.0.0.1:{away}/arrived"
secret = "{secret}"
give_up_hours = 0.0003
[[access.rules]]
ae_title = "CT1"
origins = ["inbox"]
operations = ["store"]
[[access.rules]]
ae_title = "CT1"
origins = ["worklist"]
operations = ["search"]
[[access.rules]]
ae_title = "MODALITY"
origins = ["scratch", "web", "bucket"]
operations = ["store"]
[[access.rules]]
ae_title = "WORKSTATION"
operations = ["search", "retrieve"]
[[origins]]
name = "pacs"
ae_title = "ORTHANC"
port = {dicom}
retrieve = ["c-get"]
[[origins]]
name = "mover"
ae_title = "MOVER"
port = {mover}
retrieve = ["c-move"]
[[origins]]
name = "web"
protocol = "dicomweb"
ae_title = "WEB"
url = "{web}"
[[origins]]
name = "bucket"
protocol = "s3"
ae_title = "BUCKET"
endpoint = "{bucket.endpoint}"
bucket = "{bucket.bucket}"
access_key = "{bucket.access_key}"
secret_key = "{bucket.secret_key}"
[[origins]]
name = "inbox"
protocol = "inbox"
ae_title = "INBOX"
[[origins]]
name = "scratch"
protocol = "inbox"
ae_title = "SCRATCH"
[[origins]]
name = "worklist"
ae_title = "WORKLIST"
port = {worklist}
[[origins]]
name = "away"
ae_title = "AWAY"
port = {away}
[[origins]]
name = "breaks-off"
ae_title = "FAULTY"
port = {faulty}
retrieve = ["c-get"]
"""


@dataclass(frozen=True)
class Driven:
    """The system after every flow, and what it has told."""

    system: ComposedSystem
    collector: Collector
    logs: Mapping[str, str]
    """Until then: some tests ask for what nobody may."""


@pytest.fixture(scope="module")
def bucket(s3_settings: S3) -> S3:
    """A bucket of others, in another S3 than that of the system."""
    settings = s3_settings.model_copy(update={"bucket": "of-others"})
    client_of(settings).make_bucket(settings.bucket)
    return settings


@pytest.fixture(scope="module")
def studies(tmp_path_factory: pytest.TempPathFactory, bucket: S3) -> Studies:
    folder = tmp_path_factory.mktemp("studies")
    studies = Studies(*(make_series(folder, 3, seed=seed) for seed in range(900, 910)))
    for file in studies.listed:
        who = identity(file)
        key = f"{who.study_instance_uid}/{who.series_instance_uid}/{who.sop_instance_uid}"
        client_of(bucket).fput_object(bucket.bucket, key, str(file))
    client_of(bucket).put_object(bucket.bucket, "1/2/3", BytesIO(b"no instance"), 11)
    return studies


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    """Another one than that of the systems that other tests share."""
    with Collector() as collector:
        yield collector


@pytest.fixture(scope="module")
def receiver() -> Iterator[Blabbing]:
    """Whom the webhook tells."""
    with Blabbing("taken", [200]) as receiver:
        yield receiver


@pytest.fixture(scope="module")
def site(
    tmp_path_factory: pytest.TempPathFactory, studies: Studies, collector: Collector, receiver: Blabbing
) -> Iterator[Site]:
    """The system as it is laid out, with those around it running."""
    folder = tmp_path_factory.mktemp("composed")
    system = ComposedSystem(folder, collector.endpoint, {"dimse-scu": 2})
    scp = Peer("ISTHMUS", LOOPBACK, system.scp_port)
    with (
        Orthanc(tmp_path_factory.mktemp("orthanc"), destinations=[scp]) as pacs,
        Dcmqrscp(tmp_path_factory.mktemp("mover"), ae_title="MOVER", destinations=[scp]) as mover,
        FaultyPacs(studies.broken_off, AbortsAfter(instances=1), StoreStatus(status=REFUSED)) as faulty,
        Storescp(tmp_path_factory.mktemp("workstation")) as workstation,
        Wlmscpfs(tmp_path_factory.mktemp("worklist"), [step()]) as worklist,
    ):
        pacs.load([*studies.retrieved, *studies.bridged])
        mover.load(studies.moved)
        yield Site(system, pacs, mover, faulty, workstation, worklist, receiver, studies, folder)


@pytest.fixture(scope="module")
def driven(site: Site, collector: Collector, bucket: S3) -> Iterator[Driven]:
    """The system, when every flow has gone through it; at the end nobody may know a patient of them."""
    system = site.system
    system.configure(
        SETTINGS.format(
            workstation=site.workstation.peer.port,
            webhook=site.receiver.url,
            secret=secret("webhook"),
            dicom=site.pacs.dicom_port,
            mover=site.mover.peer.port,
            worklist=site.worklist.peer.port,
            web=f"{site.pacs.url}/dicom-web",
            bucket=bucket,
            faulty=site.faulty.peer.port,
            away=free_port(),
        )
    )
    with system, site.http:
        for flow in (*FLOWS, *TROUBLES):
            flow(site)
        yield Driven(system, collector, system.logs())
    assert not found_in("\n".join([*system.logs().values(), *collector.texts().values()]))


def test_every_service_told_the_collector_of_its_spans(driven: Driven) -> None:
    assert eventually(lambda: {span.service for span in driven.collector.all_spans()} >= set(OURS))


def test_every_hop_is_a_span_inside_that_of_the_hop_before(driven: Driven) -> None:
    def missing() -> set[tuple[Span | None, Span]]:
        spans = driven.collector.all_spans()
        known = {span.span_id: (span.service, span.name) for span in spans}
        seen = {(known.get(span.parent_id or ""), (span.service, span.name)) for span in spans}
        return set(HOPS) - seen

    assert eventually(lambda: not missing()), missing()


@pytest.mark.parametrize("name", NAMES)
async def test_a_service_that_uses_the_subject_of_another_is_refused(driven: Driven, name: str) -> None:
    password = driven.system.secret(name, "nats_password")
    async with connected_as(driven.system.nats_url(), name, password) as one:
        published = {subject for subject in PUBLISHED if await one.may_publish(subject)}
        heard = {subject for subject in HEARD if await one.may_subscribe(subject)}
    assert published == {subject for subject, names in PUBLISHED.items() if name in names}
    assert heard == {subject for subject, names in HEARD.items() if name in names}


def test_nats_and_s3_refused_none_of_the_services_anything(driven: Driven) -> None:
    assert [line for text in driven.logs.values() for line in refusals(text)] == []
    asked = [span for span in driven.collector.all_spans() if span.name.startswith("S3 ")]
    assert {span.service for span in asked} == set(OURS)
    assert [span for span in asked if span.status == "error"] == []


def test_every_metric_of_dashboards_and_alerts_is_told_with_its_labels(driven: Driven) -> None:
    """Also of what is given up: what `breaks-off` refuses twice, and the events for the webhook `deaf`."""
    asked = driven.system.metrics
    assert eventually(lambda: not check(told(asked()))), check(told(asked()))


def test_it_is_told_how_old_the_oldest_is_of_what_waits(driven: Driven) -> None:
    """Which there is seldom, so that others do not ask for it: here something is to go to who is away."""
    name, of = "isthmus_queue_oldest_age_seconds", {"isthmus_queue": "forward", "dicom_origin": "away"}
    assert eventually(lambda: total(name, driven.system.metrics(), **of) > 0)


def test_the_collector_is_told_the_same_metrics(driven: Driven) -> None:
    came = driven.collector.metrics
    assert eventually(lambda: not check(sent(came()))), check(sent(came()))
    assert driven.collector.measuring() == set(OURS)
