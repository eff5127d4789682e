"""Storage commitment over the whole face: images, requests and results on one association."""

import asyncio
import time
from queue import Empty

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom.association import Association

from isthmus.common.config import Inbox
from isthmus.common.service import Parts
from isthmus.scp.commitment import report
from isthmus.scp.worker import Server, serving
from tests.scp.commitment.asking import transaction
from tests.scp.conftest import with_scp
from tests.scp.modality import (
    CT,
    MODALITY,
    Modality,
    Result,
    action_information,
    ask,
    committed,
    locked,
)
from tests.waiting import PATIENCE


def image(instance: str) -> Dataset:
    data = Dataset()
    data.SOPClassUID = CT
    data.SOPInstanceUID = instance
    data.StudyInstanceUID = "1.2.3"
    data.SeriesInstanceUID = "1.2.3.9"
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    return data


def store(association: Association, instance: str) -> int:
    with locked(association):
        return int(association.send_c_store(image(instance)).Status)


async def test_a_result_waits_until_no_more_images_come(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "QUIET_SECONDS", 0.8)
    modality = Modality()

    def run() -> tuple[set[int], bool, Result]:
        statuses, number = set(), 0
        with modality.associated(server.port) as association:
            statuses.add(store(association, "1.2.3.4"))
            statuses.add(int(ask(association, action_information(transaction(), (CT, "1.2.3.4"))).Status))
            end = time.monotonic() + 1.2
            while time.monotonic() < end:
                number += 1
                statuses.add(store(association, f"1.2.3.9.{number}"))
            return statuses, modality.here.empty(), modality.here.get(timeout=PATIENCE)

    statuses, nothing_came_between, result = await asyncio.to_thread(run)
    assert statuses == {0}
    assert nothing_came_between
    assert committed(result) == {"1.2.3.4"}


async def test_an_association_that_is_never_quiet_gets_no_result(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "REPLY_SECONDS", 0.5)
    monkeypatch.setattr(report, "QUIET_SECONDS", 60.0)
    modality = Modality()

    def run(port: int) -> Result:
        with modality.associated(port) as association:
            store(association, "1.2.3.4")
            ask(association, action_information(transaction(), (CT, "1.2.3.4")))
            return modality.there.get(timeout=PATIENCE)

    with modality.listening() as there:
        caller = {"ae_title": MODALITY, "host": "127.0.0.1", "port": there}
        async with serving(with_scp(parts, callers=[caller])) as server:
            assert committed(await asyncio.to_thread(run, server.port)) == {"1.2.3.4"}
    assert modality.here.empty()


async def test_images_that_follow_a_request_are_answered_while_its_result_is_reported(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "QUIET_SECONDS", 0.0)  # as if it were not waited for
    modality = Modality()
    images = [f"1.2.3.9.{number}" for number in range(20)]

    def run() -> tuple[set[int], list[Result]]:
        statuses, results = set(), []
        with modality.associated(server.port) as association:
            for instance in images:
                statuses.add(store(association, instance))
                statuses.add(int(ask(association, action_information(transaction(), (CT, instance))).Status))
            results = [modality.here.get(timeout=PATIENCE) for _ in images]
        return statuses, results

    statuses, results = await asyncio.to_thread(run)
    assert statuses == {0}
    assert {uid for result in results for uid in committed(result)} == set(images)
    assert {result[0] for result in results} == {1}


async def test_a_modality_that_stores_asks_and_releases_at_once_is_called(parts: Parts) -> None:
    modality = Modality()

    def run(port: int) -> None:
        with modality.associated(port) as association:
            assert store(association, "1.2.3.4") == 0
            assert ask(association, action_information(transaction(), (CT, "1.2.3.4"))).Status == 0

    with modality.listening() as there:
        caller = {"ae_title": MODALITY, "host": "127.0.0.1", "port": there}
        async with serving(with_scp(parts, callers=[caller])) as server:
            await asyncio.to_thread(run, server.port)
            result = await asyncio.to_thread(_either, modality)
    assert committed(result) == {"1.2.3.4"}


def _either(modality: Modality) -> Result:
    """Give the result, which may have come before the release."""
    try:
        return modality.here.get_nowait()
    except Empty:
        return modality.there.get(timeout=PATIENCE)


async def test_ourselves_commit_to_nothing(server: Server, inbox: Inbox) -> None:
    modality = Modality()

    def run() -> tuple[int, str]:
        with modality.associated(server.port, called="ISTHMUS") as association:
            status = ask(association, action_information(transaction(), (CT, "1.2.3.4")))
            return int(status.Status), str(status.ErrorComment)

    assert await asyncio.to_thread(run) == (0x0110, "The called AE title is not that of an origin")
