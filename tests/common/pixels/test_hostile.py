"""What a file may hold against us: each is an error that says what it is, before much is done."""

import resource

import pytest

from isthmus.common.pixels.decode import decode_frame
from isthmus.common.pixels.errors import CorruptFrame, FrameTooLarge
from isthmus.common.pixels.syntaxes import EXPLICIT_VR_LITTLE_ENDIAN
from isthmus.common.pixels.transcode import transcoded_frame
from tests.data_sets.hostile_pixels import hostile_pixels
from tests.data_sets.pictures import GRAY, picture

_HOSTILE = hostile_pixels()


@pytest.mark.parametrize("name", _HOSTILE)
def test_a_hostile_frame_is_no_picture(name: str) -> None:
    hostile = _HOSTILE[name]
    with pytest.raises(hostile.error):
        decode_frame(hostile.frame, hostile.description)


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
