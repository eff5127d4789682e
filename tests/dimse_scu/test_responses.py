"""What comes of the identifiers of C-FIND responses, whatever is in them."""

import asyncio
import random
from contextlib import aclosing

import pytest
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom.dsutils import encode

from isthmus.common.bus import end_tasks
from isthmus.common.dicom.json_values import first_text
from isthmus.common.dimse import FindResponse
from isthmus.common.messages import Matches
from isthmus.common.messages import encode as encode_message
from isthmus.dimse_scu.responses import find, read_match


def identifier() -> Dataset:
    ds = Dataset()
    ds.SpecificCharacterSet = "ISO_IR 100"
    ds.PatientName = "Müller^Jörg"
    ds.StudyInstanceUID = "1.2.3"
    ds.NumberOfStudyRelatedInstances = "12"
    ds.RequestAttributesSequence = [Dataset()]
    ds.RequestAttributesSequence[0].RequestedProcedureID = "R1"
    return ds


def encoded(syntax: str) -> bytes:
    raw = encode(identifier(), syntax == ImplicitVRLittleEndian, True)
    assert raw is not None
    return raw


@pytest.mark.parametrize("declared", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
@pytest.mark.parametrize("actual", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
def test_a_match_is_read_in_the_encoding_that_it_has(declared: str, actual: str) -> None:
    match = read_match(FindResponse(0xFF00, encoded(actual), declared))
    assert match["00100010"]["Value"] == [{"Alphabetic": "Müller^Jörg"}]
    assert first_text(match, "0020000D") == "1.2.3"
    assert match["00201208"]["Value"] == [12]
    assert match["00400275"]["Value"] == [{"00401001": {"vr": "SH", "Value": ["R1"]}}]


def test_of_a_match_that_is_cut_off_there_is_what_came() -> None:
    raw = encoded(ExplicitVRLittleEndian)
    cut = raw.index(b"1.2.3") + 8
    assert (
        first_text(read_match(FindResponse(0xFF00, raw[:cut], ExplicitVRLittleEndian)), "0020000D") == "1.2.3"
    )


@pytest.mark.parametrize("data", [None, b"", b"\0", b"\xff" * 100])
def test_of_what_is_no_data_set_there_is_nothing(data: bytes | None) -> None:
    assert read_match(FindResponse(0xFF00, data, ExplicitVRLittleEndian)) == {}


@pytest.mark.parametrize("syntax", [ImplicitVRLittleEndian, ExplicitVRLittleEndian])
def test_no_damage_breaks_a_search(syntax: str) -> None:
    dice = random.Random(7)
    for _ in range(3000):
        damaged = bytearray(encoded(syntax))
        for _ in range(dice.randint(1, 6)):
            damaged[dice.randrange(len(damaged))] = dice.randrange(256)
        match = read_match(FindResponse(0xFF00, bytes(damaged[: dice.randint(0, len(damaged))]), syntax))
        assert encode_message(Matches((match,)))


async def test_a_search_ends_before_its_reader_though_that_one_is_cancelled_again_and_again() -> None:
    pool = Stuck()

    async def read() -> None:
        async with aclosing(find(pool, Dataset())) as matches:  # type: ignore[arg-type]  # all that `find` uses of one
            async for _ in matches:
                pass

    reading = asyncio.create_task(read())
    await pool.begun.wait()
    await end_tasks([reading])
    assert pool.ended.is_set()


class Stuck:
    """A pool whose operation ends only when it is cancelled."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.ended = asyncio.Event()

    async def run(self, *_: object, **__: object) -> None:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            self.ended.set()
