"""What every test may ask for: the corpus, and PACS that nobody here wrote, one of each for the whole run."""

import gc
import logging
import os
import sys
import threading
import warnings
from collections.abc import Generator, Iterator
from pathlib import Path

import certifi
import pytest
import structlog
from hypothesis import HealthCheck, settings

from tests import planted
from tests.data_sets import distinct_files
from tests.distribution import FilesTogether, long_ones_first
from tests.pacs.faulty import PROCESSES
from tests.peers import Dcmqrscp, Leftovers, Orthanc, Peer, Storescp, free_port
from tests.servers import blobs, bus, nats_settings, origin_name, retrieval, s3_settings

__all__ = ["blobs", "bus", "nats_settings", "origin_name", "retrieval", "s3_settings"]  # fixtures


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage among ten thousand tests, while they are collected or later: all of them stay."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Fail a test in whose output, or in whose errors, something is that tests plant."""
    report = yield
    told = planted.errors_since()
    told += [
        f"{name}: {sorted(found)}" for name, text in report.sections if (found := planted.found_in(text))
    ]
    planted.told.extend(f"{item.nodeid}: {one}" for one in told)
    if told and report.passed:
        report.outcome = "failed"
        report.longrepr = "it tells what nobody may know:\n" + "\n".join(told)
    return report


@pytest.fixture(scope="session", autouse=True)
def _nothing_planted_is_told(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Search the errors of this run as they are made, and at its end the logs and traces of its systems."""
    with planted.watching_errors():
        yield
    told = [*planted.told, *planted.found_in_files(tmp_path_factory.getbasetemp())]
    assert not told, f"told what nobody may know: {told}"


# How long an example takes tells of the machine, and of who else is at work on it.
settings.register_profile("tests", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("tests")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest."""
    long_ones_first(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> FilesTogether | None:
    """Keep together what needs the same running system, where files are dealt out to several processes."""
    return FilesTogether(config, log) if config.getoption("dist") == "loadfile" else None


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
def _no_settings_of_who_runs_them() -> Iterator[None]:
    """What a test runs has the settings that the test gives it, and no others."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("ISTHMUS_", "OTEL_"))]:
            patch.delenv(name)
        yield


@pytest.fixture(scope="session", autouse=True)
def nothing_is_left_running() -> Iterator[None]:
    """Whatever a test starts, it also ends."""
    leftovers = Leftovers()
    yield
    left = leftovers.end()
    assert not left, f"left running: {left}"


@pytest.fixture(autouse=True)
def logs_as_they_were() -> Iterator[None]:
    """Undo what a command does to the logs of its process, where a test runs it in this one."""
    before, level = structlog.get_config(), logging.getLogger().level
    hooks = warnings.showwarning, sys.excepthook, threading.excepthook
    yield
    if structlog.get_config() != before:
        structlog.configure(**before)
        logging.getLogger().setLevel(level)
        warnings.showwarning, sys.excepthook, threading.excepthook = hooks


@pytest.fixture(scope="session", autouse=True)
def _processes_of_pacs(nothing_is_left_running: None) -> Iterator[None]:
    """What FaultyPacs are forked from ends with the run."""
    yield
    PROCESSES.close()


@pytest.fixture(scope="session", autouse=True)
def one_authority(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Whoever trusts the usual authorities trusts one: to read all takes each client 20 ms."""
    end = "-----END CERTIFICATE-----\n"
    file = tmp_path_factory.mktemp("authority") / "one.pem"
    file.write_text("".join(Path(certifi.where()).read_text().partition(end)[:2]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(file))
        yield


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """The files that come with pydicom, each an instance of its own."""
    return distinct_files(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="session")
def isthmus_peer() -> Peer:
    """Where the PACS of this run believe our own scp to be: the AE title ISTHMUS, on a port that is free."""
    return Peer("ISTHMUS", "127.0.0.1", free_port())


@pytest.fixture(scope="session")
def _storescp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storescp]:
    with Storescp(tmp_path_factory.mktemp("storescp")) as receiver:
        yield receiver


@pytest.fixture
def storescp(_storescp: Storescp) -> Storescp:
    """A receiver that keeps every bit, empty at the beginning of the test; the PACS know it as STORESCP."""
    _storescp.clear()
    return _storescp


@pytest.fixture(scope="session")
def orthanc(
    tmp_path_factory: pytest.TempPathFactory, corpus: list[Path], _storescp: Storescp, isthmus_peer: Peer
) -> Iterator[Orthanc]:
    """An Orthanc that holds the corpus; tests only read from it."""
    directory = tmp_path_factory.mktemp("orthanc")
    with Orthanc(directory, destinations=[_storescp.peer, isthmus_peer]) as pacs:
        pacs.load(corpus)
        yield pacs


@pytest.fixture(scope="session")
def _writable_orthanc(tmp_path_factory: pytest.TempPathFactory, isthmus_peer: Peer) -> Iterator[Orthanc]:
    directory = tmp_path_factory.mktemp("writable-orthanc")
    with Orthanc(directory, ae_title="EMPTY", destinations=[isthmus_peer]) as pacs:
        yield pacs


@pytest.fixture
def empty_orthanc(_writable_orthanc: Orthanc) -> Orthanc:
    """An Orthanc that holds nothing at the beginning of the test, and takes what is stored in it."""
    _writable_orthanc.delete_all()
    return _writable_orthanc


@pytest.fixture(scope="session")
def dcmqrscp(
    tmp_path_factory: pytest.TempPathFactory, corpus: list[Path], _storescp: Storescp, isthmus_peer: Peer
) -> Iterator[Dcmqrscp]:
    """A dcmqrscp that holds what it can of the corpus; tests only read from it."""
    directory = tmp_path_factory.mktemp("dcmqrscp")
    with Dcmqrscp(directory, destinations=[_storescp.peer, isthmus_peer]) as pacs:
        pacs.load(corpus)
        yield pacs
