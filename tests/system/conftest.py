"""The systems that tests share: before PACS that nobody here wrote, before one that fails, with inboxes."""

import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final
from uuid import uuid4

import httpx2
import pytest
from minio import Minio

from isthmus.cli.viewer import viewer
from isthmus.common.config.settings import S3
from tests.data_sets import make_series
from tests.pacs import FaultyPacs
from tests.peers import Dcmqrscp, Orthanc, Peer, Storescp, free_port
from tests.system.collector import Collector
from tests.system.commands import PROCESSES
from tests.system.gateway import Gateway
from tests.system.patient_data import leaks, patient_data
from tests.waiting import PATIENCE

METHODS: Final = {"move": ["c-move"], "both": ["c-get", "c-move"], "get": ["c-get"]}
"""How an origin may be asked, by the end of its name."""
FOR_THE_BUCKET: Final = "For the bucket"
"""Studies of this description go on into the bucket of others."""
FAULTY_ORIGINS: Final = [f"faulty-{number}" for number in range(64)]
"""Names of the PACS that misbehaves: what a test gets from it is held, and no longer asked for."""


def settings(origins: dict[str, tuple[Peer, list[str]]], *, timeout_seconds: int = 20) -> str:
    """Write the settings of these origins: their names, PACS and methods."""
    lines = []
    for name, (peer, methods) in origins.items():
        lines += [
            "[[origins]]",
            f'name = "{name}"',
            f'ae_title = "{peer.ae_title}"',
            f'host = "{peer.host}"',
            f"port = {peer.port}",
            f"retrieve = {methods}",
            f"timeout_seconds = {timeout_seconds}",
        ]
    return "\n".join(lines)


@pytest.fixture(scope="session", autouse=True)
def _processes_of_commands(nothing_is_left_running: None) -> Iterator[None]:
    """What commands are forked from ends with the run."""
    yield
    PROCESSES.close()


@pytest.fixture(scope="session")
def keeper(tmp_path_factory: pytest.TempPathFactory, isthmus_peer: Peer) -> Iterator[Dcmqrscp]:
    """A dcmqrscp that takes what is stored in it, and keeps it: studies of the corpus are not for it."""
    with Dcmqrscp(tmp_path_factory.mktemp("keeper"), ae_title="KEEPER", destinations=[isthmus_peer]) as pacs:
        yield pacs


@pytest.fixture(scope="session")
def gateway(
    tmp_path_factory: pytest.TempPathFactory,
    orthanc: Orthanc,
    dcmqrscp: Dcmqrscp,
    _writable_orthanc: Orthanc,
    keeper: Dcmqrscp,
    _storescp: Storescp,
    isthmus_peer: Peer,
    corpus: list[Path],
) -> Iterator[Gateway]:
    """The running system; each PACS is an origin for each way to retrieve from it."""
    origins = {
        **{f"orthanc-{name}": (orthanc.peer, methods) for name, methods in METHODS.items()},
        **{f"dcmqrscp-{name}": (dcmqrscp.peer, methods) for name, methods in METHODS.items()},
        "keeper": (keeper.peer, ["c-get"]),
        "receiver": (_storescp.peer, ["c-get"]),
        "nowhere": (Peer("NOWHERE", "127.0.0.1", free_port()), ["c-get"]),
    }
    # It says nothing for half a minute when it gets an instance that is cut off.
    silent = settings({"empty": (_writable_orthanc.peer, ["c-get"])}, timeout_seconds=4)
    directory = tmp_path_factory.mktemp("gateway")
    with Gateway(directory, f"{settings(origins)}\n{silent}", isthmus_peer) as system:
        yield system
    assert leaks(patient_data(corpus), system) == set()


@pytest.fixture(scope="session")
def http(gateway: Gateway) -> Iterator[httpx2.Client]:
    """A client of the gateway."""
    with httpx2.Client(base_url=gateway.url, timeout=PATIENCE, trust_env=False) as client:
        yield client


@pytest.fixture(scope="session")
def ct(corpus: list[Path]) -> Path:
    """An uncompressed CT image, which the archive holds."""
    return next(file for file in corpus if file.name == "CT_small.dcm")


@pytest.fixture(scope="session")
def mr(corpus: list[Path]) -> Path:
    """An MR image of another study."""
    return next(file for file in corpus if file.name == "MR_small.dcm")


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    """Takes the spans of the second system."""
    with Collector() as collector:
        yield collector


@pytest.fixture(scope="session")
def _faulty_pacs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyPacs]:
    directory = tmp_path_factory.mktemp("faulty")
    with FaultyPacs([*make_series(directory, 20), *make_series(directory, 1, seed=1)]) as pacs:
        yield pacs


@pytest.fixture
def faulty_pacs(_faulty_pacs: FaultyPacs) -> Iterator[FaultyPacs]:
    """A PACS that holds a study of 20 images and one of a single image; it behaves well until it is told."""
    _faulty_pacs.forget()
    yield _faulty_pacs
    _faulty_pacs.behave()


@pytest.fixture(scope="session")
def faulty_gateway(
    tmp_path_factory: pytest.TempPathFactory, _faulty_pacs: FaultyPacs, collector: Collector
) -> Iterator[Gateway]:
    """A second system, before the PACS that misbehaves; its spans go to the collector."""
    pacs = (_faulty_pacs.peer, ["c-get"])
    origins = settings(dict.fromkeys(FAULTY_ORIGINS, pacs), timeout_seconds=3)
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint}
    with Gateway(tmp_path_factory.mktemp("faulty-gateway"), origins, variables=variables) as system:
        yield system


@pytest.fixture(scope="session")
def _faulty_origins() -> Iterator[str]:
    return iter(FAULTY_ORIGINS)


@pytest.fixture
def faulty_origin(_faulty_origins: Iterator[str]) -> str:
    """A name of the PACS that misbehaves of which nothing is held, and to which no association is open."""
    return next(_faulty_origins)


@pytest.fixture(scope="session")
def faulty_http(faulty_gateway: Gateway) -> Iterator[httpx2.Client]:
    """A client of the second system."""
    with httpx2.Client(base_url=faulty_gateway.url, timeout=PATIENCE, trust_env=False) as client:
        yield client


@pytest.fixture(scope="session")
def at_pacs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A study of two images, at the PACS beside the inboxes."""
    return make_series(tmp_path_factory.mktemp("at-pacs"), 2, seed=70)


@pytest.fixture(scope="session")
def pushed() -> list[Path]:
    """What tests have sent to the inboxes: nothing of these patients may be in logs and traces."""
    return []


@pytest.fixture
def files(tmp_path: Path, request: pytest.FixtureRequest, pushed: list[Path]) -> list[Path]:
    """Three images of a study that no other test sends to the inboxes or puts into the bucket."""
    files = make_series(tmp_path / "files", 3, seed=zlib.crc32(request.node.name.encode()) >> 1)
    pushed += files
    return files


def client_of(settings: S3) -> Minio:
    """Give a client of a bucket that has nothing to do with a system."""
    s3 = settings
    return Minio(s3.endpoint, s3.access_key, s3.secret_key, region="us-east-1", secure=False)


@pytest.fixture(scope="session")
def bucket(s3_settings: S3) -> S3:
    """A bucket of others, in another S3 than that of the systems."""
    settings = s3_settings.model_copy(update={"bucket": f"others-{uuid4().hex[:12]}"})
    client_of(settings).make_bucket(settings.bucket)
    return settings


@pytest.fixture(scope="session")
def inboxes(
    tmp_path_factory: pytest.TempPathFactory, at_pacs: list[Path], pushed: list[Path], bucket: S3
) -> Iterator[Gateway]:
    """A third system: the inboxes `inbox` and `day`, a PACS and a bucket; two replicas of arrivals."""
    with FaultyPacs(at_pacs) as pacs:
        origins = (
            '[dicomweb]\nstore = "inbox"\n[arrivals]\nquiet_seconds = 1\n[up.replicas]\narrivals = 2\n'
            '[[origins]]\nname = "inbox"\nprotocol = "inbox"\nae_title = "INBOX"\n'
            '[[origins]]\nname = "day"\nprotocol = "inbox"\nae_title = "DAY"\n'
            f'[[origins]]\nname = "pacs"\nae_title = "{pacs.peer.ae_title}"\nport = {pacs.peer.port}\n'
            'retrieve = ["c-get"]\n'
            '[[origins]]\nname = "bucket"\nprotocol = "s3"\nae_title = "BUCKET"\nrefresh_seconds = 1\n'
            f'endpoint = "{bucket.endpoint}"\nbucket = "{bucket.bucket}"\nprefix = "dicom"\n'
            f'access_key = "{bucket.access_key}"\nsecret_key = "{bucket.secret_key}"\n'
            f'[[arrivals.forward]]\nto = ["bucket"]\nstudy_description = "{FOR_THE_BUCKET}"\n'
        )
        with Gateway(tmp_path_factory.mktemp("inboxes"), origins) as system:
            yield system
    secret = {bucket.access_key, bucket.secret_key}
    assert leaks(patient_data([*at_pacs, *pushed]) | secret, system) == set()


@pytest.fixture(scope="session")
def inboxes_http(inboxes: Gateway) -> Iterator[httpx2.Client]:
    """A client of the third system."""
    with httpx2.Client(base_url=inboxes.url, timeout=PATIENCE, trust_env=False) as client:
        yield client


@pytest.fixture(scope="session")
def start_demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Gateway]]:
    """Gives the running system that `make viewer` and `make up` leave: a new one if none runs."""
    with ExitStack() as started:
        systems: list[Gateway] = []

        def running() -> Gateway:
            if not systems or systems[-1].process.poll() is not None:
                system = Gateway(tmp_path_factory.mktemp("demo"))
                viewer(system.data)
                systems.append(started.enter_context(system))
            return systems[-1]

        yield running
