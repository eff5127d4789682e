"""What a file may hold against us: each is an error that says what it is, before much is done."""

import random
import resource
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from isthmus.common.dicom.explicit import EXPLICIT_VR_LITTLE_ENDIAN
from isthmus.common.dicom.frame_index import frame_index_of
from isthmus.common.pixels.decode import decode_frame
from isthmus.common.pixels.errors import CorruptFrame, FrameTooLarge, UnsupportedPixels
from isthmus.common.pixels.processes import PixelProcesses
from isthmus.common.pixels.syntaxes import NATIVE
from isthmus.common.pixels.transcode import transcoded_frame
from tests.common.pixels import work
from tests.data_sets import identity
from tests.data_sets.hostile_pixels import good_frames, hostile_files, hostile_pixels
from tests.data_sets.pictures import GRAY, picture

_HOSTILE = hostile_pixels()


@pytest.mark.parametrize("name", _HOSTILE)
def test_a_hostile_frame_is_no_picture(name: str) -> None:
    hostile = _HOSTILE[name]
    with pytest.raises(hostile.error):
        decode_frame(hostile.frame, hostile.description)


def test_hostile_frames_come_in_instances(tmp_path: Path) -> None:
    for name, file in hostile_files(tmp_path).items():
        hostile = _HOSTILE[name]
        with file.open("rb") as source:
            if hostile.description.transfer_syntax_uid in NATIVE or not hostile.frame:
                continue
            index = frame_index_of(source)
            pieces = []
            for offset, length in index.frame(1):
                source.seek(offset)
                pieces.append(source.read(length))
        assert b"".join(pieces) == hostile.frame + bytes(len(hostile.frame) % 2)
        assert identity(file).sop_instance_uid


@pytest.fixture(scope="module")
def processes() -> Iterator[PixelProcesses]:
    """One process; where it ends, the next test has another."""
    processes = PixelProcesses(1, timeout_seconds=120)
    yield processes
    processes.close()


async def test_no_hostile_frame_ends_the_process_that_decodes_it(processes: PixelProcesses) -> None:
    before = await processes.run(work.process_id)
    for hostile in _HOSTILE.values():
        with pytest.raises(hostile.error):
            await processes.run(decode_frame, hostile.frame, hostile.description)
    assert await processes.run(work.process_id) == before


def mutated(frame: bytes, rng: random.Random) -> bytes:
    """The frame with a few bytes changed, left out or put in, most of them at its beginning."""
    data = bytearray(frame)
    for _ in range(rng.choice((1, 1, 2, 5, 20))):
        at = rng.randrange(min(len(data), rng.choice((80, 200, 1_000_000))) or 1)
        match rng.randrange(5):
            case 0:
                del data[at : at + rng.randrange(1, 20)]
            case 1:
                data[at:at] = rng.randbytes(rng.randrange(1, 10))
            case _:
                data[at : at + 1] = rng.randbytes(1)
    return bytes(data)


@pytest.mark.parametrize("name", good_frames())
async def test_whatever_becomes_of_a_frame_it_is_decoded_or_refused(
    name: str, processes: PixelProcesses
) -> None:
    frame, description = good_frames()[name]
    rng = random.Random(name)
    before = await processes.run(work.process_id)
    outcomes: Counter[str] = Counter()
    for _ in range(40):
        try:
            await processes.run(decode_frame, mutated(frame, rng), description)
            outcomes["decoded"] += 1
        except (CorruptFrame, UnsupportedPixels):
            outcomes["refused"] += 1
    assert outcomes["refused"] > 5
    assert await processes.run(work.process_id) == before


def test_bombs_take_no_memory() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for name, hostile in _HOSTILE.items():
        if "bomb" in name or "larger" in name:
            with pytest.raises(hostile.error):
                decode_frame(hostile.frame, hostile.description)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


def test_a_frame_that_is_larger_than_the_limit_is_refused_also_where_it_is_native() -> None:
    frame = picture(GRAY).tobytes()
    assert decode_frame(frame, GRAY, max_bytes=len(frame)).array.nbytes == len(frame)
    with pytest.raises(FrameTooLarge):
        decode_frame(frame, GRAY, max_bytes=len(frame) - 1)


def test_a_native_frame_that_is_cut_short_is_not_passed_on_either() -> None:
    with pytest.raises(CorruptFrame):
        transcoded_frame(picture(GRAY).tobytes()[:-2], GRAY, EXPLICIT_VR_LITTLE_ENDIAN)
