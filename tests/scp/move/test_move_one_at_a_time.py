"""C-MOVE to a destination that serves one association after the other, as storescp does by itself."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from isthmus.common.config.destinations import Destination
from isthmus.common.dimse.pool import IDLE_SECONDS
from tests.data_sets import identity
from tests.peers import Peer, Storescp
from tests.scp.move.conftest import destination_of
from tests.scp.retrieving.client import move, wish

SUCCESS = 0x0000


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storescp]:
    with Storescp(tmp_path_factory.mktemp("patient"), ae_title="PATIENT", forks=False) as destination:
        yield destination


@pytest.fixture
def destinations(patient: Storescp) -> tuple[Destination, ...]:
    return (destination_of(patient.peer, timeout_seconds=30.0),)


async def test_nothing_waits_for_an_association_that_is_not_to_be_had(
    called: Peer, patient: Storescp, images: list[Path]
) -> None:
    study = identity(images[0]).study_instance_uid
    began = time.monotonic()
    answer = await asyncio.to_thread(move, called, "PATIENT", wish("STUDY", StudyInstanceUID=study))
    # Another association would be let in when the first one, which nobody uses any more, is given up.
    assert time.monotonic() - began < IDLE_SECONDS
    assert (answer.status, answer.counts) == (SUCCESS, (len(images), 0, 0))
    assert len(patient.datasets()) == len(images)
