import pytest

from isthmus.common.dicomweb.accept import parse_accept
from isthmus.common.errors import NotAcceptable
from isthmus.wado.parameters.pixel_forms import choose

NATIVE = "1.2.840.10008.1.2.1"
RLE = "1.2.840.10008.1.2.5"
JLS, NEAR = "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"
J2K = "1.2.840.10008.1.2.4.90"
BASELINE = "1.2.840.10008.1.2.4.50"
MP4, HEVC = "1.2.840.10008.1.2.4.102", "1.2.840.10008.1.2.4.107"
LOSSLESS = (NATIVE, RLE, JLS, J2K)
OHIF = 'multipart/related; type="application/octet-stream"; transfer-syntax="*"'
OCTETS = 'multipart/related; type="application/octet-stream"'


def chosen(accept: str | None, held: str, *, frames: int = 1) -> str:
    lossless = () if held in {MP4, HEVC} else LOSSLESS
    obtainable = tuple(dict.fromkeys((*lossless, held)))
    form = choose(parse_accept(accept), held, obtainable, single=obtainable if frames == 1 else ())
    return f"{'parts of ' if form.multipart else ''}{form.media_type} {form.transfer_syntax}"


@pytest.mark.parametrize(
    "accept", [None, "*/*", OCTETS, 'multipart/related; type="*/*"', "multipart/related"]
)
@pytest.mark.parametrize("held", [NATIVE, BASELINE, JLS])
def test_the_default_is_native(accept: str | None, held: str) -> None:
    assert chosen(accept, held) == f"parts of application/octet-stream {NATIVE}"


@pytest.mark.parametrize("held", [NATIVE, BASELINE, NEAR, MP4])
def test_any_transfer_syntax_is_as_it_is_held(held: str) -> None:
    assert chosen(OHIF, held) == f"parts of application/octet-stream {held}"


@pytest.mark.parametrize(
    ("media_type", "held"),
    [
        ("image/jpeg", BASELINE),
        ("image/jls", NEAR),
        ("image/x-jls", JLS),
        ("image/x-dicom-rle", RLE),
        ("video/mp4", MP4),
        ("video/H265", HEVC),
    ],
)
@pytest.mark.parametrize("syntax", ["", "; transfer-syntax=*"])
def test_its_own_media_type_is_as_it_is_held(media_type: str, held: str, syntax: str) -> None:
    name = media_type.replace("x-", "")
    assert chosen(f'multipart/related; type="{media_type}"{syntax}', held) == f"parts of {name} {held}"


@pytest.mark.parametrize(
    ("media_type", "gives"), [("image/jls", JLS), ("image/jp2", J2K), ("image/dicom-rle", RLE)]
)
@pytest.mark.parametrize("syntax", ["", "; transfer-syntax=*"])
@pytest.mark.parametrize("held", [NATIVE, BASELINE])
def test_another_media_type_is_of_its_default_transfer_syntax(
    media_type: str, gives: str, syntax: str, held: str
) -> None:
    assert chosen(f'multipart/related; type="{media_type}"{syntax}', held) == f"parts of {media_type} {gives}"


def test_a_transfer_syntax_that_is_named_is_that_one() -> None:
    assert (
        chosen(f"multipart/related; type=image/jls; transfer-syntax={JLS}", NEAR)
        == f"parts of image/jls {JLS}"
    )
    assert chosen(f"{OCTETS}; transfer-syntax={J2K}", NATIVE) == f"parts of application/octet-stream {J2K}"


def test_of_several_the_one_with_the_largest_weight_counts() -> None:
    accept = (
        'multipart/related; type="image/jpeg"; q=0.9, multipart/related; type="image/jls"; q=1, '
        f"{OCTETS}; q=0.1"
    )
    assert chosen(accept, NATIVE) == f"parts of image/jls {JLS}"
    assert chosen(accept.replace("q=1,", "q=0,"), NATIVE) == f"parts of application/octet-stream {NATIVE}"


def test_what_cornerstone_asks_is_answered() -> None:
    accept = (
        "multipart/related; type=image/jls; q=1, "
        "multipart/related; type=application/octet-stream; transfer-syntax=*, */*;q=0.1"
    )
    assert chosen(accept, JLS) == f"parts of image/jls {JLS}"
    assert chosen(accept, J2K) == f"parts of image/jls {JLS}"


def test_a_frame_need_not_be_in_parts() -> None:
    assert chosen("application/octet-stream", BASELINE) == f"application/octet-stream {NATIVE}"
    assert chosen("image/jpeg", BASELINE) == f"image/jpeg {BASELINE}"
    assert chosen("application/octet-stream; transfer-syntax=*", JLS) == f"application/octet-stream {JLS}"


@pytest.mark.parametrize("accept", ["application/octet-stream", "image/jpeg"])
def test_several_frames_must_be_in_parts(accept: str) -> None:
    with pytest.raises(NotAcceptable):
        chosen(accept, BASELINE, frames=2)


def test_what_nobody_can_decode_is_as_it_is_held() -> None:
    assert chosen(None, MP4) == f"parts of video/mp4 {MP4}"
    assert chosen(OCTETS, MP4) == f"parts of application/octet-stream {MP4}"


@pytest.mark.parametrize(
    "accept",
    [
        "text/html",
        'multipart/related; type="image/jpeg"',
        f"{OCTETS}; transfer-syntax=1.2.840.10008.1.2",
        f"{OCTETS}; transfer-syntax=1.2.840.10008.1.2.2",
    ],
)
def test_what_cannot_be_had_lists_what_can(accept: str) -> None:
    with pytest.raises(NotAcceptable) as raised:
        chosen(accept, NATIVE)
    assert f"{OCTETS}; transfer-syntax={NATIVE}" in raised.value.available
    assert f'multipart/related; type="image/jls"; transfer-syntax={JLS}' in raised.value.available
    assert f"application/octet-stream; transfer-syntax={NATIVE}" in raised.value.available
