"""What it does to the instances that it sends."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydicom.uid import ImplicitVRLittleEndian
from pynetdicom import AE, evt
from pynetdicom.dimse_primitives import C_STORE

from tests.data_sets import identity, make_series, raw_dataset
from tests.pacs import (
    FaultyPacs,
    Kind,
    NamesWrongOriginator,
    SendsAfterTheEnd,
    SendsCutUIDs,
    SendsInFirstContext,
    SendsOtherBytes,
    SendsOverSeveral,
    SendsTwice,
    Trickles,
)
from tests.pacs.conftest import COUNT
from tests.pacs.on_sending import other_bytes
from tests.pacs.transcode import transcoded
from tests.peers import Peer, Storescp, free_port, getscu, movescu

EXPLICIT = "1.2.840.10008.1.2.1"
CT = "1.2.840.10008.5.1.4.1.1.2"


class Receiver:
    """A storage provider that keeps the commands; its port is known before it runs."""

    def __init__(self) -> None:
        self.peer = Peer("RECEIVER", "127.0.0.1", free_port())
        self.requests: list[C_STORE] = []
        self.entity = AE(self.peer.ae_title)
        self.entity.add_supported_context(CT, [EXPLICIT])

    def keep(self, event: evt.Event) -> int:
        assert isinstance(event.request, C_STORE)
        self.requests.append(event.request)
        return 0

    @property
    def originators(self) -> set[tuple[str | None, int | None]]:
        """Move Originator AE title and Message ID of what came."""
        return {
            (
                request.MoveOriginatorApplicationEntityTitle or None,
                request.MoveOriginatorMessageID,
            )
            for request in self.requests
        }


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    receiver.entity.start_server(
        (receiver.peer.host, receiver.peer.port),
        block=False,
        evt_handlers=[(evt.EVT_C_STORE, receiver.keep)],
    )
    yield receiver
    receiver.entity.shutdown()


@pytest.fixture
def moving(images: list[Path], receiver: Receiver) -> Iterator[FaultyPacs]:
    with FaultyPacs(images, destinations=[receiver.peer]) as pacs:
        yield pacs


def test_it_sends_a_data_set_in_fragments_with_a_pause_before_each(
    pacs: FaultyPacs, study: dict[str, str], images: list[Path], uids: list[str], tmp_path: Path
) -> None:
    pacs.behave(Trickles(fragments=4, seconds=0.05))
    began = time.monotonic()
    getscu(pacs.peer, tmp_path, {**study, "QueryRetrieveLevel": "IMAGE", "SOPInstanceUID": uids[0]})
    assert time.monotonic() - began >= 0.2
    (file,) = tmp_path.iterdir()
    assert raw_dataset(file) == raw_dataset(images[0])


def test_it_sends_an_instance_again_with_other_bytes(
    pacs: FaultyPacs, study: dict[str, str], images: list[Path], uids: list[str], storescp: Storescp
) -> None:
    pacs.behave(SendsTwice(), SendsOtherBytes())
    movescu(pacs.peer, "STORESCP", study)
    first = raw_dataset(images[0])
    assert sorted(storescp.datasets()[uids[0]]) == sorted([first, other_bytes(first)])


def test_it_sends_what_the_first_context_is_for(others: list[Path], pacs: FaultyPacs, tmp_path: Path) -> None:
    # getscu offers explicit little endian, and no compressed syntax.
    pacs.behave(SendsInFirstContext())
    keys = {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": identity(others[0]).study_instance_uid}
    getscu(pacs.peer, tmp_path, keys)
    (file,) = tmp_path.iterdir()
    assert raw_dataset(file) == transcoded(others[0].read_bytes(), EXPLICIT) != raw_dataset(others[0])


def test_what_is_transcoded_between_native_syntaxes_is_the_same_instance(tmp_path: Path) -> None:
    (explicit,) = make_series(tmp_path / "explicit", 1)
    (implicit,) = make_series(tmp_path / "implicit", 1, transfer_syntax=ImplicitVRLittleEndian)
    assert transcoded(implicit.read_bytes(), EXPLICIT) == raw_dataset(explicit)
    assert transcoded(implicit.read_bytes(), ImplicitVRLittleEndian) == raw_dataset(implicit)


def test_it_cuts_over_long_uids_in_the_command(others: list[Path]) -> None:
    over_long = [file for file in others if len(identity(file).sop_instance_uid) > 64]
    with (
        FaultyPacs(ae_title="RECEIVER") as receiver,
        FaultyPacs(over_long, SendsCutUIDs(), destinations=[receiver.peer]) as pacs,
    ):
        for study in {identity(file).study_instance_uid for file in over_long}:
            movescu(pacs.peer, "RECEIVER", {"QueryRetrieveLevel": "STUDY", "StudyInstanceUID": study})
        commands = {event.sop_instance_uid for event in receiver.events() if event.sop_instance_uid}
        assert {len(uid) for uid in commands} == {64}
        assert set(receiver.stored()) == {identity(file).sop_instance_uid for file in over_long}


@pytest.mark.parametrize(
    ("behaviour", "originators"),
    [
        (None, {("MOVESCU", 1)}),
        (NamesWrongOriginator(), {(None, None)}),
        (NamesWrongOriginator(ae_title="SOMEBODY", message_id=77), {("SOMEBODY", 77)}),
    ],
)
def test_it_names_a_wrong_originator_or_none(
    behaviour: NamesWrongOriginator | None,
    originators: set[tuple[str | None, int | None]],
    moving: FaultyPacs,
    receiver: Receiver,
    study: dict[str, str],
) -> None:
    moving.behave(*([behaviour] if behaviour is not None else []))
    movescu(moving.peer, "RECEIVER", study)
    assert receiver.originators == originators


def test_it_sends_over_several_associations_at_once(study: dict[str, str], images: list[Path]) -> None:
    with (
        FaultyPacs(ae_title="RECEIVER") as receiver,
        FaultyPacs(images, SendsOverSeveral(at_once=3), destinations=[receiver.peer]) as pacs,
    ):
        movescu(pacs.peer, "RECEIVER", study)
        receiver.wait_until_closed()
        assert receiver.associations_at_once() == 3
        assert len(receiver.stored()) == COUNT


def test_it_sends_some_instances_after_the_final_response(
    pacs: FaultyPacs, study: dict[str, str], uids: list[str], storescp: Storescp
) -> None:
    pacs.behave(SendsAfterTheEnd(instances=2))
    movescu(pacs.peer, "STORESCP", study)
    pacs.wait_until_closed()
    kinds = [event.kind for event in pacs.events() if event.kind in (Kind.SENT, Kind.ENDED)]
    assert kinds == [Kind.SENT, Kind.SENT, Kind.ENDED, Kind.SENT, Kind.SENT]
    assert [event.status for event in pacs.events(Kind.ENDED)] == [0]
    assert set(storescp.datasets()) == set(uids)
