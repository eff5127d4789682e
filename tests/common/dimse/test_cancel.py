"""How an operation is cancelled, and what origins make of it."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from isthmus.common.config import DimseOrigin, Quirk
from isthmus.common.dimse import (
    FIND,
    STUDY_ROOT_FIND,
    STUDY_ROOT_GET,
    Association,
    Peer,
    ReceivedInstance,
    for_get,
)
from isthmus.common.dimse import exchange as exchange_module
from isthmus.common.errors import OriginCancelled
from tests.common.dimse.acceptor import CT, query
from tests.data_sets import identity, make_series
from tests.pacs import AbortsWhenCancelled, Behaviour, FaultyPacs, IgnoresCancel, Slow

COUNT = 20
(CONTEXTS,) = for_get([CT])


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return make_series(tmp_path_factory.mktemp("images"), COUNT)


@pytest.fixture(scope="module")
def _pacs(images: list[Path]) -> Iterator[FaultyPacs]:
    with FaultyPacs(images) as pacs:
        yield pacs


@pytest.fixture
def pacs(_pacs: FaultyPacs) -> FaultyPacs:
    return _pacs.renewed()


@pytest.fixture
def cancelled(
    pacs: FaultyPacs, images: list[Path], monkeypatch: pytest.MonkeyPatch
) -> Callable[[Peer], Association]:
    """Cancels a C-GET after its first instance, with much patience, and gives the association."""
    monkeypatch.setattr(exchange_module, "CANCEL_GRACE", 30)
    study = query(StudyInstanceUID=identity(images[0]).study_instance_uid)

    def get(peer: Peer) -> Association:
        association = Association.open(peer, CONTEXTS)

        def take(_: ReceivedInstance) -> int:
            association.cancel()
            return 0

        with pytest.raises(OriginCancelled):
            association.get(STUDY_ROOT_GET, study, take)
        return association

    return get


def as_peer(pacs: FaultyPacs, *quirks: Quirk) -> Peer:
    origin = DimseOrigin(
        name="pacs",
        ae_title=pacs.peer.ae_title,
        port=pacs.peer.port,
        quirks=frozenset(quirks),
        timeout_seconds=5,
    )
    return Peer.of(origin, "ISTHMUS")


@pytest.mark.parametrize("behaviour", [IgnoresCancel(), AbortsWhenCancelled(seconds=20)])
def test_an_origin_that_takes_no_cancel_is_aborted_at_once(
    behaviour: Behaviour, pacs: FaultyPacs, cancelled: Callable[[Peer], Association]
) -> None:
    pacs.behave(behaviour, Slow(seconds=0.1))
    assert not cancelled(as_peer(pacs, Quirk.NO_CANCEL)).alive
    pacs.wait_until_closed()
    assert pacs.cancels() == 0
    assert len(pacs.sent()) < COUNT


def test_an_origin_that_stops_and_aborts_later_has_cancelled(
    pacs: FaultyPacs, cancelled: Callable[[Peer], Association]
) -> None:
    pacs.behave(AbortsWhenCancelled(seconds=0.2), Slow(seconds=0.1))
    assert not cancelled(as_peer(pacs)).alive
    assert pacs.cancels() == 1


def test_an_origin_that_goes_on_for_a_few_instances_keeps_its_association(
    pacs: FaultyPacs, cancelled: Callable[[Peer], Association]
) -> None:
    pacs.behave(IgnoresCancel(instances=2), Slow(seconds=0.05))
    association = cancelled(as_peer(pacs))
    assert association.alive
    association.release()
    assert len(pacs.sent()) == 3


def test_who_leaves_a_search_early_aborts_it_where_no_cancel_is_taken(pacs: FaultyPacs) -> None:
    pacs.behave()
    association = Association.open(as_peer(pacs, Quirk.NO_CANCEL), [FIND])
    images = query("IMAGE", SOPInstanceUID="")
    with closing(association.find(STUDY_ROOT_FIND, images)) as responses:
        next(responses)
    assert not association.alive
    pacs.wait_until_closed()
    assert pacs.cancels() == 0
