"""What arrives: in memory while it is small, in a file as soon as it is not."""

import tempfile
from io import BytesIO
from pathlib import Path

import pytest
from pynetdicom import evt
from pynetdicom.dimse_messages import DIMSEMessage
from pynetdicom.dimse_primitives import C_STORE

from isthmus.common.dicom.raw_bytes import RawBytes
from isthmus.common.dimse import Association, Context, received_dataset
from isthmus.common.dimse import spill as spill_module
from isthmus.common.dimse.spill import SPILL_BYTES, Spill
from isthmus.common.errors import StoreUnavailable
from tests.common.dimse.acceptor import CT, acceptor

EXPLICIT = "1.2.840.10008.1.2.1"
FRAGMENT = bytes(range(256)) * 512


def spilled(size: int) -> tuple[Spill, bytes]:
    spill, data = Spill(), bytearray()
    while len(data) < size:
        spill.write(FRAGMENT)
        data += FRAGMENT
    return spill, bytes(data)


def test_a_disk_that_is_full_is_our_failure_and_said_when_all_has_come(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    spill, _ = spilled(2 * SPILL_BYTES)
    with pytest.raises(StoreUnavailable):
        spill.dataset()


def test_up_to_the_bound_it_stays_in_memory() -> None:
    spill, data = spilled(SPILL_BYTES)
    assert spill.dataset().in_memory == len(data) == SPILL_BYTES
    assert b"".join(spill.dataset().chunks()) == data


def test_beyond_the_bound_it_is_in_a_file_byte_for_byte() -> None:
    spill, data = spilled(SPILL_BYTES + 1)
    assert spill.dataset().in_memory == 0
    assert b"".join(spill.dataset().chunks()) == data
    assert spill.getvalue() == data


def test_a_request_without_a_data_set_has_an_empty_one() -> None:
    assert received_dataset(None).size == 0
    assert bytes(received_dataset(BytesIO(b"data")).head()) == b"data"


def test_a_message_begins_with_a_data_set_that_upstream_writes_to() -> None:
    """When this fails, upstream keeps the fragments elsewhere: find out where, and put `Spill` there."""
    assert type(DIMSEMessage().data_set) is BytesIO


def test_what_comes_over_an_association_spills(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spill_module, "SPILL_BYTES", 100_000)
    received: list[RawBytes] = []

    def keep(event: evt.Event) -> int:
        request = event.request
        assert isinstance(request, C_STORE)
        received.append(received_dataset(request.DataSet))
        return 0

    large, small = FRAGMENT * 8, FRAGMENT[:5000]
    with acceptor((evt.EVT_C_STORE, keep), classes=[CT]) as pacs:
        association = Association.open(pacs, [Context(CT, (EXPLICIT,))])
        for data in (large, small):
            result = association.store(
                BytesIO(data), sop_class_uid=CT, sop_instance_uid="1.2.3", transfer_syntax_uid=EXPLICIT
            )
            assert result.status == 0
        association.release()
    assert [one.in_memory for one in received] == [0, len(small)]
    assert [b"".join(one.chunks()) for one in received] == [large, small]
